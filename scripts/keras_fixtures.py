"""Writes tests/fixtures/keras: small models saved by every Keras since 2.0, with what that Keras predicts of 16 images.

    python scripts/keras_fixtures.py plan             says, for each Keras, which Python and packages it runs on
    python scripts/keras_fixtures.py write SLUG...    in an environment made so: writes that Keras's files
    python scripts/keras_fixtures.py measure          beside Keras 3.15 on torch: tries every file, completes index.json

Each NAME.KIND.gz is a model, compressed; NAME.npz holds `pixels` (uint8, in the shape that the model takes) and
`predictions` (float32, of `model.predict`). index.json says how pixels are scaled, what is special, and which models
are to be refused. What is written under a Keras is read again under it, and has to predict the same.
`keras_zoo/` holds the networks, their weights, and which Keras writes which. Knows nothing of ropero. Has to run on
Python 3.7.
"""

from __future__ import annotations

import gzip
import importlib
import inspect
import json
import os
import platform
import re
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from keras_zoo.dialects import DIALECTS, Dialect
from keras_zoo.files import WRITERS, header, version_of
from keras_zoo.fixture import DISGUISED, H5, INT8, LEGACY, NO_CONFIG, PIXELS, WEIGHTS, ZIP, Fixture
from keras_zoo.images import images
from keras_zoo.weights import build, fed, predicted, shape_of, tell_apart

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "keras"
INDEX = FOLDER / "index.json"
TIGHT, HALF = 2e-5, 5e-3  # how far predictions may lie apart; float16 is rounded differently by each backend
READER = "keras_3_15"
ABOUT = {
    "file": "FILE.gz holds it, compressed",
    "npz": "pixels, uint8, and the predictions of the Keras that wrote the file, float32",
    "pixels": "the model was given (pixels - subtract) / divide, float32",
    "genuine": "whether that version wrote the file itself",
    "fitted": "compiled and trained for one step: the file holds an optimizer's state",
    "tolerance": "how far predictions may lie apart that are computed in float32",
    "refused": "why ropero shall not take it; empty where it shall",
    "either": "it may be refused, or predict the same",
    "says": "the versions that the file itself names",
    "read_again_by_its_writer": "what the Keras that wrote it makes of it: same, loads (nothing to compare), refuses",
    READER: "what Keras 3.15 on torch makes of it",
}


def said(error: BaseException) -> str:
    """An error in a line."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))  # Keras prints in bold
    return f"{type(error).__name__}: {' '.join(plain.split())}"[:200]


def read_again(k: Any, path: Path, x: Any, predictions: Any) -> str:
    """ "same", "differs: by how much", "loads" where there is nothing to compare, or "refuses: why"."""
    safe = {"safe_mode": False} if "safe_mode" in inspect.signature(k.models.load_model).parameters else {}
    try:
        return compared(k.models.load_model(str(path), compile=False, **safe), x, predictions)
    except Exception as error:  # whatever this Keras raises is what is asked for
        return f"refuses: {said(error)}"


def compared(model: Any, x: Any, predictions: Any) -> str:
    if predictions is None:
        return "loads"
    found = predicted(model, x)
    if found.shape != predictions.shape:
        return f"differs: shape {found.shape}"
    gap = float(np.abs(found - predictions).max())
    return "same" if gap <= (HALF if is_half(model) else TIGHT) else f"differs: by up to {gap:.2g}"


def ends_in(predictions: Any) -> str:
    if np.allclose(predictions.sum(-1), 1, atol=5e-3) and predictions.min() >= 0:
        return "probabilities"
    return "sigmoids" if predictions.min() >= 0 and predictions.max() <= 1 else "logits"


def write_one(k: Any, dialect: Dialect, fixture: Fixture) -> list[dict[str, Any]]:
    """The files of a fixture and what index.json says of each."""
    (getattr(k.backend, "clear_session", None) or k.backend.reset_uids)()
    name = f"{dialect.slug}-{fixture.name}"
    model = build(k, fixture)
    x, predictions, entry = None, None, about(dialect, fixture)
    if not fixture.refused or fixture.either:
        x = fed(model, fixture)
        predictions = tell_apart(model, fixture, x)
        pixels = images(shape_of(model, fixture))
        np.savez_compressed(str(FOLDER / f"{name}.npz"), pixels=pixels, predictions=predictions)
        entry.update(asked(model, fixture, f"{name}.npz", predictions))
    entries = []
    for kind in fixture.kinds:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.{kind}"
            with header(fixture.header):
                WRITERS[kind](model, path)
            pack(path)
            if kind in (WEIGHTS, LEGACY):
                again = weights_again(fixture.build(k), path, fed(model, fixture), model)
            else:
                again = read_again(k, path, x, predictions) if kind in (H5, ZIP, INT8, DISGUISED) else "not tried"
            print(f"{path.name:40} {path.stat().st_size:7} B  {again}", flush=True)
        refused = NO_CONFIG if kind in (WEIGHTS, LEGACY) else fixture.refused
        entries.append({"file": path.name, **entry, "refused": refused, "read_again_by_its_writer": again})
    return entries


def asked(model: Any, fixture: Fixture, npz: str, predictions: Any) -> dict[str, Any]:
    """What index.json says of images and predictions."""
    subtract, divide = PIXELS[fixture.pixels]
    return {
        "npz": npz,
        "input_shape": list(fixture.shape or model.input_shape[1:]),
        "pixels": {"range": fixture.pixels, "subtract": subtract, "divide": divide},
        "ends_in": ends_in(predictions),
        "tolerance": HALF if is_half(model) else 1e-4,
    }


def is_half(model: Any) -> bool:
    return "float16" in model.to_json()


def pack(path: Path) -> None:
    """A copy in FOLDER, compressed, for HDF5 is mostly air; the same bytes for the same file."""
    with (FOLDER / f"{path.name}.gz").open("wb") as to, gzip.GzipFile("", "wb", 9, to, mtime=0) as packed:
        packed.write(path.read_bytes())


def weights_again(second: Any, path: Path, x: Any, model: Any) -> str:
    """The same as `read_again` for weights alone: they are read into a second model."""
    plain = path.parent / ("plain.h5" if path.name.endswith(LEGACY) else path.name)  # the name says the kind
    path.rename(plain)
    second.load_weights(str(plain))
    plain.rename(path)
    return compared(second, x, predicted(model, x))


def about(dialect: Dialect, fixture: Fixture) -> dict[str, Any]:
    """What index.json says of all files of a fixture."""
    lowered = f"; Keras's bound on an attribute was lowered to {fixture.header} bytes" if fixture.header else ""
    return {
        "dialect": dialect.slug,
        "special": fixture.special,
        "genuine": "written by that version itself" + lowered,
        "fitted": fixture.fitted,
        "either": fixture.either,
    }


def writer(dialect: Dialect) -> dict[str, Any]:
    """What index.json says of a Keras."""
    libraries = {name: version_of(name) for name in (dialect.backend, "h5py", "numpy")}
    versions = {"python": platform.python_version(), **libraries}
    return {"package": dialect.package, "keras": dialect.version, "backend": dialect.backend, "with": versions}


def write(dialect: Dialect) -> None:
    """Write a Keras's files; what index.json says of the others is kept."""
    os.environ.update(KERAS_BACKEND=dialect.backend, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    warnings.simplefilter("ignore")
    if dialect.backend == "theano":
        importlib.import_module("theano.ifelse")  # Keras 2.0.9 forgets to
    root, _, inside = dialect.package.partition(".")
    k = importlib.import_module(root)
    k = getattr(k, inside) if inside else k
    version = getattr(k, "__version__", "") or importlib.import_module("keras").__version__
    if version != dialect.version:
        raise SystemExit(f"{dialect.slug} needs {dialect.package} {dialect.version}; this is {version}: see `plan`")
    FOLDER.mkdir(parents=True, exist_ok=True)
    written = [entry for fixture in dialect.fixtures for entry in write_one(k, dialect, fixture)]
    entries, writers = known()
    others = [entry for entry in entries if entry["dialect"] != dialect.slug]
    store([*others, *written], {**writers, dialect.slug: writer(dialect)})


def known() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What index.json says of files and of those who wrote them."""
    index = json.loads(INDEX.read_text("utf-8")) if INDEX.exists() else {"files": [], "dialects": {}}
    return index["files"], index["dialects"]


def store(entries: list[dict[str, Any]], writers: dict[str, Any]) -> None:
    order = [dialect.slug for dialect in DIALECTS]
    entries.sort(key=lambda one: (order.index(one["dialect"]), one["file"]))
    found = {"about": ABOUT, "dialects": {slug: writers[slug] for slug in order if slug in writers}, "files": entries}
    INDEX.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    named = {name for entry in entries for name in (entry["file"] + ".gz", entry.get("npz"))}
    for file in FOLDER.iterdir():  # of fixtures that there are no longer
        if file != INDEX and file.name not in named:
            file.unlink()


def measure() -> None:
    """What Keras 3.15 makes of every file, put into index.json."""
    os.environ["KERAS_BACKEND"] = "torch"
    warnings.simplefilter("ignore")
    k = importlib.import_module("keras")
    if not k.__version__.startswith("3.15."):
        raise SystemExit(f"this is Keras {k.__version__}; index.json is about 3.15")
    entries, writers = known()
    for entry in entries:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / entry["file"]
            path.write_bytes(gzip.decompress((FOLDER / (entry["file"] + ".gz")).read_bytes()))
            entry["says"] = claimed(path)
            entry[READER] = read_by(k, path, entry).replace(folder + "/", "")
        print(f"{entry['file']:40} {entry[READER][:150]}", flush=True)
    store(entries, writers)


def read_by(k: Any, path: Path, entry: dict[str, Any]) -> str:
    """As `read_again`, with what lies in FOLDER, and with Keras's own care for code."""
    x, predictions = None, None
    if "npz" in entry:
        with np.load(str(FOLDER / entry["npz"])) as stored:
            pixels, predictions = stored["pixels"], stored["predictions"]
        scale = entry["pixels"]
        x = ((pixels.astype("float32") - scale["subtract"]) / scale["divide"]).astype("float32")
    try:
        return compared(k.models.load_model(str(path), compile=False), x, predictions)
    except Exception as error:  # whatever Keras raises is what is asked for
        return f"refuses: {said(error)}"


def claimed(path: Path) -> dict[str, str]:
    """The versions that a file names."""
    if zipfile.is_zipfile(str(path)):
        with zipfile.ZipFile(str(path)) as archive:
            if "metadata.json" not in archive.namelist():
                return {}
            return {"keras_version": json.loads(archive.read("metadata.json"))["keras_version"]}
    h5py = importlib.import_module("h5py")
    if not h5py.is_hdf5(str(path)):
        return {}
    with h5py.File(str(path), "r") as file:
        found = {name: file.attrs[name] for name in ("keras_version", "backend") if name in file.attrs}
    return {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in found.items()}


def plan() -> None:
    """The commands that make each Keras's environment and files."""
    for dialect in DIALECTS:
        packages = " ".join(f'"{one}"' for one in dialect.packages.split())
        folder = f"/tmp/keras-{dialect.slug}"
        print(f"python{dialect.python} -m venv {folder} && {folder}/bin/pip install {packages}")
        print(f"{folder}/bin/python scripts/keras_fixtures.py write {dialect.slug}")


def main() -> None:
    slugs = {dialect.slug: dialect for dialect in DIALECTS}
    command, wanted = (sys.argv[1:2] or ["plan"])[0], sys.argv[2:]
    if command == "write" and wanted and set(wanted) <= set(slugs):
        for slug in wanted:
            write(slugs[slug])
    elif command == "measure":
        measure()
    elif command == "plan":
        plan()
    else:
        raise SystemExit(f"plan, measure, or write and any of: {' '.join(slugs)}")


if __name__ == "__main__":
    main()
