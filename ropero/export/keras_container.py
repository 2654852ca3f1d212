"""A file that Keras wrote, opened: its config as JSON has it, its arrays by path, who wrote it. Legacy HDF5 (.h5) of
Keras 2 and 3, and the zip (.keras) since 2.12; the first bytes tell which, not the name.

Knows nothing of layers (`keras_config.py`). No code of the file runs: config and weights are data.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ropero import bounds
from ropero.bounds import ZIP_MAGIC
from ropero.errors import DataError
from ropero.export.card import KEY
from ropero.models import hdf5
from ropero.models.hdf5 import HDF5_MAGIC
from ropero.storage import human_bytes
from ropero.texts import t

_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"  # what torch began its pickles with before 1.6
SAVED_MODEL = "saved_model.pb"
MAX_JSON = 32 << 20  # bytes of a config
MAX_NESTED = 200  # brackets in each other
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"  # in a .keras
MODEL_CONFIG, GROUP = "model_config", "model_weights"  # an attribute and a group of a legacy file


@dataclass(frozen=True, eq=False)
class KerasFile:
    """What was found.

    config: {"class_name": ..., "config": ...}. attributes, arrays: as `hdf5.Contents`, of the weights alone, paths
    from where the layers are. version, backend: what wrote it ("2.2.4-tf", "tensorflow"), "" where it does not say.
    training: the loss and metrics it was compiled with, empty without. is_zip: a .keras. card: ropero's
    own, of an export. plan_sha256: of the plan that came in a file of its own, "" without.
    """

    config: Mapping[str, Any]
    attributes: hdf5.Attributes
    arrays: Mapping[str, NDArray[Any]]
    version: str
    backend: str
    training: Mapping[str, Any]
    is_zip: bool
    card: Mapping[str, Any] | None = None
    plan_sha256: str = ""

    @property
    def written_by(self) -> str:
        """`Keras 2.2.4-tf (tensorflow)`; of ropero's own exports `ropero 0.1.0 (as Keras 3.5.0)`."""
        version, own = (_version(one) for one in (self.version, (self.card or {}).get("ropero", "")))
        if self.card is not None:
            return f"ropero {own} (as Keras {version})"
        return f"Keras {version} ({plain_name(self.backend)})" if self.backend else f"Keras {version}"


def _version(said: Any) -> str:
    return re.sub(r"[^\w.+-]", "", str(said)[:200])[:40] or "?"


def open_file(path: Path, plan: Path | None = None) -> KerasFile:
    """Open a file of either kind.

    Args:
        plan: what Keras's model.to_json() gave, for a file that holds weights alone; left out, a file of the same name
            that ends in .json is looked for beside it.

    Raises:
        DataError: it cannot be read, is damaged or too large, or is something else; the sentence says what.
        MissingExtra: h5py is not installed.
    """
    head = start_of(path)
    if head.startswith(HDF5_MAGIC):
        return _of_hdf5(path, plan)
    if head.startswith(ZIP_MAGIC):
        return _of_zip(path)
    raise DataError(told(path, head) or unknown(path))


def start_of(path: Path) -> bytes:
    """The first bytes of a file. Raises DataError where it cannot be read or is larger than any model."""
    try:
        if path.is_dir():
            raise DataError(_of_folder(path))
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error
    if size > bounds.MAX_BYTES:
        raise DataError(
            t("{path} takes {size}; a model may take {limit}.", path=path, size=human_bytes(size),
              limit=human_bytes(bounds.MAX_BYTES))
        )  # fmt: skip
    return head


def is_saved_model(path: Path) -> bool:
    """Whether this is a folder that TensorFlow saved a model into."""
    return (path / SAVED_MODEL).is_file()


def plan_beside(path: Path) -> Path:
    """Where the plan of weights that come alone is looked for."""
    return path.with_name(path.name.removesuffix(".h5").removesuffix(".weights") + ".json")


def _of_folder(path: Path) -> str:
    if is_saved_model(path):
        return t(
            "{path} is a SavedModel folder of TensorFlow, which holds a program; load it where it was made and save it "
            "again: model.save('model.keras').",
            path=path,
        )
    return t("{path} is a folder; name the model's file in it.", path=path)


def told(path: Path, head: bytes) -> str:
    """The sentence for a file that is known to be something else, by what it begins with; "" for any other."""
    again = t("Load it where it was made and save it whole: model.save('model.keras').")
    start = head.lstrip()[:200].lower()
    if not head:
        return t("{path} is empty.", path=path)
    if head.startswith(b"version https://git-lfs"):
        return t("{path} is a Git LFS pointer, not the model; `git lfs pull` fetches the file itself.", path=path)
    if start.startswith((b"<!doctype html", b"<html")):
        return t("{path} is a web page, not the model; download the file itself (on GitHub: Raw).", path=path)
    suffix = path.suffix.lower()
    if suffix in (".pt", ".pth") or _TORCH in head:
        return _torchs(path)
    if suffix in (".pkl", ".pickle", ".joblib") or head.startswith(_PICKLES):
        return t(
            "{path} is a pickle, which can run anyone's code and is not opened. Load it where it was made and save it "
            "for others: model.save('model.keras') of Keras, skl2onnx.to_onnx(model, images) of scikit-learn.",
            path=path,
        )
    if suffix == ".tflite" or head[4:8] == b"TFL3":
        return t(
            "{path} is a TFLite model, which ropero does not read; save the Keras model that it was made of: "
            "model.save('model.keras').",
            path=path,
        )
    if path.name == SAVED_MODEL:
        return _of_folder(path.parent)
    if start.startswith(b"{"):
        return t("{path} is the plan of a network without its weights.", path=path) + " " + again
    return ""


def _torchs(path: Path) -> str:
    return t(
        "{path} is torch's own file, a pickle, which can run anyone's code and is not opened; export it where it was "
        "made: torch.onnx.export(model, images, 'model.onnx', external_data=False).",
        path=path,
    )


def unknown(path: Path) -> str:
    """The sentence for a file of which nothing is known."""
    return t("{path} is no model that ropero reads: Keras's .h5 and .keras, or ONNX.", path=path)


def _of_hdf5(path: Path, plan: Path | None) -> KerasFile:
    contents = hdf5.read(path)
    root = contents.attributes.get("", {})
    if MODEL_CONFIG not in root:
        beside = plan_beside(path)
        if plan is not None or beside.is_file():
            return _with_plan(plan or beside, contents, root)
        raise DataError(
            t(
                "{path} holds weights without the network they belong to (save_weights, or ModelCheckpoint with "
                "save_weights_only); give what model.to_json() says of it with --plan model.json, or load them where "
                "they were made and save the whole: model.save('model.keras').",
                path=path,
            )
        )
    inner = {place.removeprefix(GROUP).lstrip("/"): one for place, one in contents.attributes.items()
             if place == GROUP or place.startswith(f"{GROUP}/")}  # fmt: skip
    arrays = {place.removeprefix(f"{GROUP}/"): one for place, one in contents.arrays.items()
              if place.startswith(f"{GROUP}/")}  # fmt: skip
    return KerasFile(
        _network(path, _text(root[MODEL_CONFIG])),
        inner,
        arrays,
        _text(root.get("keras_version", inner.get("", {}).get("keras_version", ""))),
        _text(root.get("backend", inner.get("", {}).get("backend", ""))),
        _optional(root.get("training_config")),
        is_zip=False,
        card=_optional(root.get(KEY)) or None,
    )


def _with_plan(plan: Path, contents: hdf5.Contents, root: Mapping[str, hdf5.Text]) -> KerasFile:
    """Weights alone, and their network from a file of its own."""
    try:
        if plan.stat().st_size > MAX_JSON:
            raise DataError(t("{path} is too large for the plan of a network.", path=plan))
        content = plan.read_bytes()
        config = _network(plan, content.decode("utf-8", "replace"))
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=plan, reason=error.strerror or error)) from error
    version, backend = (
        _text(root.get(name, "")) or str(config.get(name) or "") for name in ("keras_version", "backend")
    )
    if not version and "module" in config:  # what Keras 3 alone writes
        version = "3"
    return KerasFile(
        config,
        contents.attributes,
        contents.arrays,
        version,
        backend,
        {},
        is_zip=False,
        plan_sha256=hashlib.sha256(content).hexdigest(),
    )


def _of_zip(path: Path) -> KerasFile:
    try:
        with bounds.archive(path) as archive:
            members = archive.namelist()
            if CONFIG not in members:
                raise DataError(_other_zip(path, members))
            config = _network(path, bounds.member(path, archive, CONFIG, MAX_JSON).decode("utf-8", "replace"))
            about = _optional(bounds.member(path, archive, METADATA, MAX_JSON).decode("utf-8", "replace")
                              if METADATA in members else None)  # fmt: skip
            if WEIGHTS not in members:
                raise DataError(
                    t("{path} does not keep its weights as {name}, the only form that ropero reads; save it "
                      "again with Keras's usual settings.", path=path, name=WEIGHTS)
                )  # fmt: skip
            size = path.stat().st_size
            limit = min(bounds.MAX_BYTES, hdf5.MAX_GROWTH * size + hdf5.SPARE_BYTES)
            contents = hdf5.read_content(bounds.member(path, archive, WEIGHTS, limit), path.name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(t("{path} is damaged: {reason}", path=path, reason=error)) from error
    version = str(about.get("keras_version", ""))
    card = about.get(KEY)
    return KerasFile(
        config,
        contents.attributes,
        contents.arrays,
        version,
        str(about.get("backend", "")),
        {},
        is_zip=True,
        card=card if isinstance(card, dict) else None,
    )


def _other_zip(path: Path, members: list[str]) -> str:
    inside = next((one for one in members if one.endswith((".h5", ".keras", ".hdf5", ".onnx"))), None)
    if any(one.endswith("saved_model.pb") for one in members):
        return t("{path} is a packed SavedModel of TensorFlow, which holds a program; load it where it was made and "
                 "save it again: model.save('model.keras').", path=path)  # fmt: skip
    if any(one.endswith("data.pkl") for one in members):
        return _torchs(path)
    if inside:
        return t("{path} is a packed folder; unpack it and name {name} in it.", path=path, name=inside)
    return t("{path} is a zip file, but no model of Keras's: it has no {name}.", path=path, name=CONFIG)


def _text(value: hdf5.Text) -> str:
    return value if isinstance(value, str) else "".join(value)


def _json(text: str) -> Any:
    """Raises ValueError for what is no JSON, or nested beyond reason."""
    if len(text) > MAX_JSON:
        raise ValueError(t("{n} characters", n=len(text)))
    if _depth(text) > MAX_NESTED:
        raise ValueError(t("brackets are nested too deeply"))
    try:
        # Keras writes NaN and Infinity here and there; as numbers of a network they are refused where they are met.
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(t("brackets are nested too deeply")) from error


def _depth(text: str) -> int:
    """How deep its brackets are at most; those in its texts count too, of which a network has few."""
    deepest = depth = 0
    for found in re.finditer(r"[\[{\]}]", text):
        depth += 1 if found[0] in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _network(path: Path, text: str) -> Mapping[str, Any]:
    try:
        found = _json(text)
    except ValueError as error:
        raise DataError(t("{path} is damaged: {reason}", path=path, reason=error)) from error
    if not isinstance(found, dict) or not isinstance(found.get("class_name"), str) or "config" not in found:
        raise DataError(t("{path} is damaged: {reason}", path=path, reason=t("no network is described in it")))
    return found


def _optional(text: hdf5.Text | None) -> Mapping[str, Any]:
    """What is useful but not needed: {} where it is not there or not readable."""
    try:
        found = _json(_text(text)) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def plain_name(name: str) -> str:
    """A name of letters, digits and _, as ropero's layers have."""
    return re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:60] or "layer"
