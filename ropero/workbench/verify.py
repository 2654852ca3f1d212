"""The verb `verify`: a run, or a file that ropero exported, is loaded in a fresh process and looked at piece by piece.

A file that kills the process that opens it fails its check, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ropero import bounds, texts
from ropero.data.dataset import Images
from ropero.errors import DataError, RoperoError
from ropero.export import checks
from ropero.export.checks import CLASSES, FILE, PREDICTIONS, SHAPES, WEIGHTS, Check, Examined
from ropero.export.readback import SUFFIXES
from ropero.export.reader import ENDINGS, is_model_file
from ropero.models import checkpoint
from ropero.models.checkpoint import ModelCard
from ropero.models.inference import logits
from ropero.models.zoo import build
from ropero.runs import Run, RunStore
from ropero.storage import folder_bytes, read_json, sha256_file, write_json
from ropero.texts import joined, t
from ropero.workbench import importing

LIMIT_SECONDS = 1800.0
# What the fresh process may take: a library by itself, a file's arrays in several hands, and threads' stacks for every
# core. On two cores PyTorch needed 0.6 GB and onnxruntime 1.5; with a file of 230 MB TensorFlow 3, all others 2.
_OWN_BYTES, _FILE_TIMES, _CORE_BYTES = 4 << 30, 8, 64 << 20
_IMAGES, _LOGITS, _FOUND = "images.npy", "logits.npy", "found.json"


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what was found; `client` is the program that was asked.

    file: one from elsewhere that was named, where the run that it has become was looked at.
    """

    path: Path
    checks: tuple[Check, ...]
    client: str
    file: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether it could be looked at, and nothing failed."""
        said = [check.ok for check in self.checks]
        return True in said and False not in said

    def __repr__(self) -> str:
        said = ", ".join(f"{one.name} {'-' if one.ok is None else 'ok' if one.ok else 'failed'}" for one in self.checks)
        return f"Verified({self.path.name}: {said})"

    def to_json(self) -> dict[str, Any]:
        return {
            "model": str(self.path),
            "file": "" if self.file is None else str(self.file),
            "ok": self.ok,
            "client": self.client,
            "checks": [check.to_json() for check in self.checks],
        }


def verify(model: str | Path, store: RunStore) -> Verified:
    """Check a run (name, folder or `last`) or an exported file; of a file from elsewhere the run that it has become.

    Raises:
        RunError: there is no such run, or it is not trained.
        DataError: a file from elsewhere that was not imported yet, or that ropero does not read.
        MissingExtra: the library that reads it is not installed.
    """
    path = Path(model).expanduser()
    is_file = path.is_file() or path.suffix.lower() in SUFFIXES or is_model_file(str(path))
    if (path / "run.json").exists() or not is_file:
        return _of(store.find(str(model)))
    path = path.resolve()
    found = fresh(path) if path.suffix.lower() in SUFFIXES else None
    if found is None or (found.stranger and path.suffix.lower() in ENDINGS):
        return replace(_of(_strangers(Path(model), store)), file=path)
    return Verified(path, found.checks, found.client)


def _of(run: Run) -> Verified:
    run.require_trained()
    path = run.folder.resolve()
    found = fresh(path)
    return Verified(path, found.checks, found.client)


def _strangers(path: Path, store: RunStore) -> Run:
    """The run that a file from elsewhere has become: in the file itself there is nothing to compare with."""
    importing.check(path, "")
    run = importing.remembered(store, path)
    if run is None:
        importing.first_look(store, path)  # a file that cannot be imported is told so
        raise DataError(
            t("{path} is none of ropero's exports, so that it holds nothing to compare with. `ropero import {path}` "
              "makes a run of it, which `ropero verify` checks then.", path=path)
        )  # fmt: skip
    return run


def fresh(path: Path, images: Images | None = None) -> Examined:
    """What a process of its own finds in a run folder or file; `images` (N, H, W, C) uint8 are shown to it too."""
    with tempfile.TemporaryDirectory(prefix="ropero-") as name:
        folder = Path(name)
        if images is not None:
            np.save(folder / _IMAGES, images)
        try:
            done = subprocess.run(
                [*bounds.command(__name__, answer.__name__), str(path), name, texts.current()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # it may say without end
                stderr=subprocess.DEVNULL,
                env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},  # as its samples were made, and within its bounds
                timeout=LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _failed(t("took longer than {n} seconds", n=int(LIMIT_SECONDS)))
        if done.returncode or not (folder / _FOUND).exists():
            return _failed(t("the process that opened it ended with code {code}", code=done.returncode))
        found = read_json(folder / _FOUND)
        said = np.load(folder / _LOGITS, allow_pickle=False) if (folder / _LOGITS).exists() else None
        return Examined(tuple(Check(**one) for one in found["checks"]), found["client"], said, found["stranger"])


def _failed(reason: str) -> Examined:
    return Examined((Check(FILE, False, reason),))


def answer(arguments: list[str]) -> None:
    """The fresh process: look at the path, leave what is found in the folder."""
    path, folder, language = Path(arguments[0]), Path(arguments[1]), arguments[2]
    texts.use(language)
    hold(path)
    # Keras may choose its backend, and would write its choice into the user's home.
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("KERAS_HOME", str(folder / "keras"))
    images = np.load(folder / _IMAGES, allow_pickle=False) if (folder / _IMAGES).exists() else None
    found = of_run(path) if path.is_dir() else checks.examine(path, images)
    if found.logits is not None:
        np.save(folder / _LOGITS, found.logits)
    said = {"checks": [check.to_json() for check in found.checks], "client": found.client, "stranger": found.stranger}
    write_json(folder / _FOUND, said)


def hold(path: Path) -> None:
    """No more memory and time for this process than opening the file or the run needs."""
    cores = os.cpu_count() or 1
    size = folder_bytes(path) if path.is_dir() else path.stat().st_size if path.exists() else 0
    bounds.hold(_OWN_BYTES + _FILE_TIMES * size + _CORE_BYTES * cores, int(LIMIT_SECONDS) * cores)


def of_run(folder: Path) -> Examined:
    """Everything that can be said of a run by its folder."""
    try:
        run = Run(folder)
        card, note, vouched = run.card, run.data, run.notes.get("weights_sha256")
        weights = sha256_file(folder / "model.safetensors")
    except OSError as error:
        return _failed(t("Cannot use {path}: {reason}", path=error.filename, reason=error.strerror or error))
    except RoperoError as error:
        return _failed(str(error))
    same = weights == card.weights_sha256 and vouched in (weights, None)
    channels, height, width = card.input_shape
    shape = t("images {shape}, {n} classes", shape=(None, height, width, channels), n=len(card.classes))
    found = [
        Check(FILE, True, t("run, network {network}", network=card.network)),
        Check(WEIGHTS, same, checks.digests(card.weights_sha256, weights)),
        Check(CLASSES, card.classes == note.classes, joined(card.classes[:12])),
        Check(SHAPES, card.input_shape == note.input_shape, shape),
    ]
    return Examined((*found, _predictions(folder, card)), "ropero")


def _predictions(folder: Path, card: ModelCard) -> Check:
    """Whether the network of a run says what it said when it was stored."""
    try:
        if card.code:
            build(card.network, card.input_shape, len(card.classes), code=card.code)
    except RoperoError as error:  # the user's own code is not at hand
        return Check(PREDICTIONS, None, str(error))
    try:
        stored = checkpoint.read_samples(folder)
        if stored is None:
            return Check(PREDICTIONS, None, t("no samples were stored: an older ropero made this run"))
        model, _ = checkpoint.load(folder)
    except RoperoError as error:
        return Check(PREDICTIONS, False, str(error))
    return checks.compared(stored.logits, logits(model, stored.images))
