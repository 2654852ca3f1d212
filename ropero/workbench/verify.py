"""The verb `verify`: a run, or a file that ropero exported, is loaded in a fresh process and looked at piece by piece.

A file that kills the process that opens it fails its check, and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ropero
from ropero import texts
from ropero.data.dataset import Images
from ropero.errors import RoperoError
from ropero.export import checks, engines
from ropero.export.checks import CLASSES, FILE, PREDICTIONS, SHAPES, WEIGHTS, Check, Examined
from ropero.export.readback import SUFFIXES
from ropero.models import checkpoint
from ropero.models.checkpoint import ModelCard
from ropero.models.inference import logits
from ropero.models.zoo import build
from ropero.runs import Run, RunStore
from ropero.storage import read_json, sha256_file, write_json
from ropero.texts import t
from ropero.workbench.engine import kept

LIMIT_SECONDS = 1800.0
# What the fresh process runs: nothing of the folder that it is started in, and ropero from where it is.
_CODE = "import sys; sys.path.append(sys.argv.pop(1)); from ropero.workbench.verify import answer; answer(sys.argv[1:])"
_IMAGES, _LOGITS, _FOUND = "images.npy", "logits.npy", "found.json"


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what was found; `client` is the program that was asked."""

    path: Path
    checks: tuple[Check, ...]
    client: str

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.ok is not False for check in self.checks)

    def __repr__(self) -> str:
        said = ", ".join(f"{one.name} {'-' if one.ok is None else 'ok' if one.ok else 'failed'}" for one in self.checks)
        return f"Verified({self.path.name}: {said})"

    def to_json(self) -> dict[str, Any]:
        return {
            "model": str(self.path),
            "ok": self.ok,
            "client": self.client,
            "checks": [check.to_json() for check in self.checks],
        }


def verify(model: str | Path, store: RunStore) -> Verified:
    """Check a run (name, folder or `last`) or an exported file.

    Raises RunError when there is no such run, or it is not trained.
    """
    path = Path(model).expanduser()
    if path.is_file() or path.suffix.lower() in SUFFIXES:
        path = path.resolve()
    else:
        run = store.find(str(model))
        run.require_trained()
        path = run.folder.resolve()
    found = fresh(path)
    return Verified(path, found.checks, found.client)


def fresh(path: Path, images: Images | None = None) -> Examined:
    """What a process of its own finds in a run folder or file; `images` (N, H, W, C) uint8 are shown to it too."""
    with tempfile.TemporaryDirectory(prefix="ropero-") as name:
        folder = Path(name)
        if images is not None:
            np.save(folder / _IMAGES, images)
        command = [sys.executable, "-P", "-c", _CODE, str(Path(ropero.__file__).parent.parent)]
        try:
            done = subprocess.run(
                [*command, str(path), name, texts.current()],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=LIMIT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return _failed(t("took longer than {n} seconds", n=int(LIMIT_SECONDS)))
        if done.returncode or not (folder / _FOUND).exists():
            return _failed(t("the process that opened it ended with code {code}", code=done.returncode))
        found = read_json(folder / _FOUND)
        said = np.load(folder / _LOGITS, allow_pickle=False) if (folder / _LOGITS).exists() else None
        return Examined(tuple(Check(**one) for one in found["checks"]), found["client"], said)


def _failed(reason: str) -> Examined:
    return Examined((Check(FILE, False, reason),))


def answer(arguments: list[str]) -> None:
    """The fresh process: look at the path, leave what is found in the folder."""
    path, folder, language = Path(arguments[0]), Path(arguments[1]), arguments[2]
    texts.use(language)
    # Keras may choose its backend, and would write its choice into the user's home.
    os.environ.setdefault("KERAS_BACKEND", "torch")
    os.environ.setdefault("KERAS_HOME", str(folder / "keras"))
    images = np.load(folder / _IMAGES, allow_pickle=False) if (folder / _IMAGES).exists() else None
    found = of_run(path) if path.is_dir() else checks.examine(path, images)
    if found.logits is not None:
        np.save(folder / _LOGITS, found.logits)
    write_json(folder / _FOUND, {"checks": [check.to_json() for check in found.checks], "client": found.client})


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
        Check(CLASSES, card.classes == note.classes, ", ".join(card.classes[:12])),
        Check(SHAPES, card.input_shape == note.input_shape, shape),
    ]
    return Examined((*found, _predictions(folder, card), *_engine(run)), "ropero")


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


def _engine(run: Run) -> list[Check]:
    """Whether onnxruntime's form of the network, where it is kept beside it, says the same."""
    if not kept(run).exists():
        return []
    try:
        stored = checkpoint.read_samples(run.folder)
    except RoperoError as error:
        return [Check(engines.ENGINE, None, str(error))]
    if stored is None:
        return [Check(engines.ENGINE, None, t("no samples were stored: an older ropero made this run"))]
    return [engines.examine(kept(run), stored)]
