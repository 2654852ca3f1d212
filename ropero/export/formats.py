"""The formats that ropero exports, as a table: a name, the ending of its files, and what writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ropero.errors import UsageError, unknown
from ropero.export import keras_writer, onnx_graph, portable, traced
from ropero.models.classifier import Classifier
from ropero.texts import t

ONNX, PORTABLE = "onnx", "safetensors"


@dataclass(frozen=True)
class Format:
    """suffix: the ending. write: writes a network with what seals its card; raises UsageError, MissingExtra."""

    suffix: str
    write: Callable[[Classifier, Path, Callable[[str], str]], None]


FORMATS: dict[str, Format] = {
    ONNX: Format(".onnx", onnx_graph.write_onnx),
    "keras": Format(".keras", keras_writer.write_keras),
    "h5": Format(".h5", keras_writer.write_h5),
    PORTABLE: Format(".safetensors", portable.write_portable),
    "torch-export": Format(".pt2", traced.write_pt2),
}


def chosen(name: str, out: Path | None) -> str:
    """The format's name: the one that is given, or that of the file's ending; onnx when nothing is said.

    Raises UsageError for an unknown name or ending, or a name that the ending contradicts.
    """
    if name and name not in FORMATS:
        raise unknown(t("format"), name, FORMATS)
    if out is None:
        return name or ONNX
    suffixes = {one.suffix: known for known, one in FORMATS.items()}
    by_suffix = suffixes.get(out.suffix.lower())
    if by_suffix is None:
        raise unknown(t("kind of file"), out.suffix or out.name, suffixes)
    if name and name != by_suffix:
        raise UsageError(
            t("A file of the format {format} should end in {suffix}, got {path}.", format=name,
              suffix=FORMATS[name].suffix, path=out)
        )  # fmt: skip
    return by_suffix
