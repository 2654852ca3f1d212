"""An ONNX file as protobuf has it: weighed before it is parsed, and all in this file.

Knows nothing of networks (`onnx_reader.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ropero.errors import DataError, RoperoError
from ropero.export import onnx_wire
from ropero.export.onnx_tensors import leads_out
from ropero.export.onnx_writer import library
from ropero.storage import human_bytes
from ropero.texts import t
from ropero.texts.plain import shown

LIMIT_BYTES = 1 << 30
LIMIT_PARSED = 3 << 29  # what the parser may take for it


def content(path: Path) -> bytes:
    """Raises DataError for a file that cannot be read or is too large."""
    try:
        size = path.stat().st_size
        if size > LIMIT_BYTES:
            raise DataError(
                t("{path} takes {size}; ropero reads ONNX files of at most {limit}.",
                  path=path, size=human_bytes(size), limit=human_bytes(LIMIT_BYTES))
            )  # fmt: skip
        with path.open("rb") as file:
            return file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error


def parsed(said: bytes) -> Any:
    """A file's content as ONNX's own object.

    Raises:
        DataError: it is none; the sentence is without the file's name.
        MissingExtra: onnx is not installed.
    """
    kind = library("onnx").ModelProto
    try:
        onnx_wire.weigh(said, kind.DESCRIPTOR, LIMIT_PARSED)
        return kind.FromString(said)
    except RoperoError:
        raise
    except Exception as error:  # what the parser raises on damaged files is written down nowhere
        raise DataError(t("is no ONNX file, or damaged.")) from error


def model(path: Path) -> Any:
    """The model of a file. Raises as `content` and `model_of`."""
    return model_of(content(path), path)


def model_of(said: bytes, name: object) -> Any:
    """The model of a file's content, which is called `name`: weighed, parsed, and all in it.

    Raises:
        DataError: it is damaged, would take too much, or has weights that lie elsewhere.
        MissingExtra: onnx is not installed.
    """
    try:
        found = parsed(said)
    except DataError as error:
        raise DataError(t("{path}: {reason}", path=name, reason=error)) from error
    functions = [_in_nodes(one.node) for one in found.functions]
    for one in chain(_tensors(found.graph), *functions):
        if leads_out(one):
            raise DataError(
                t("{path}: {name} leads out of the file, which is not followed.", path=name, name=shown(one.name))
            )
    return found


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors of a graph, those that its nodes hold too."""
    yield from graph.initializer
    for one in graph.sparse_initializer:
        yield from (one.values, one.indices)
    yield from _in_nodes(graph.node)


def _in_nodes(nodes: Any) -> Iterator[Any]:
    for one in chain.from_iterable(node.attribute for node in nodes):
        yield from (one.t, *one.tensors)
        for sparse in (one.sparse_tensor, *one.sparse_tensors):
            yield from (sparse.values, sparse.indices)
        for graph in (one.g, *one.graphs):
            yield from _tensors(graph)
