"""What `ropero verify` looks at in an exported file, one finding each. Meant for a process of its own: a file that
kills a program then does no more harm.

Legend: N images, H x W pixels, C channels, K classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ropero.data.dataset import Images
from ropero.errors import MissingExtra, RoperoError
from ropero.export import clients, readback
from ropero.export.card import Card, NoCardError
from ropero.export.clients import NotComparableError
from ropero.models import samples
from ropero.models.inference import Floats
from ropero.texts import joined, mark, t
from ropero.texts.numbers import rough
from ropero.texts.plain import SENTENCE, shown

FILE, CARD, WEIGHTS = mark("file"), mark("card"), mark("weights")
CLASSES, SHAPES, PREDICTIONS = mark("classes"), mark("shapes"), mark("predictions")
# Whole numbers are multiplied otherwise by other processors: what a network in them says may differ by so much of the
# largest logit.
INT8_TOLERANCE = 0.1


@dataclass(frozen=True)
class Check:
    """One finding: ok, or what is wrong; None when it could not be looked at, and why. One line, whatever it names."""

    name: str
    ok: bool | None
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "note", shown(self.note, SENTENCE))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Examined:
    """What was found, the program that was asked, and its logits (N, K) for the images that were given.

    stranger: whether the file is none that ropero exported.
    """

    checks: tuple[Check, ...]
    client: str = ""
    logits: Floats | None = None
    stranger: bool = False


def examine(path: Path, images: Images | None = None) -> Examined:
    """Everything that can be said of a file by itself; `images` (N, H, W, C) uint8 are shown to it too."""
    try:
        found = readback.read(path)
    except NoCardError as error:
        return Examined((Check(FILE, False, str(error)),), stranger=True)
    except MissingExtra as error:
        return Examined((_unseen(FILE, error),))
    except RoperoError as error:
        return Examined((Check(FILE, False, str(error)),))
    card = found.card
    same = found.arrays_sha256 == card.arrays_sha256
    checks = [
        Check(FILE, True, t("{format}, network {network}", format=card.file, network=card.network)),
        Check(CARD, card.whole, "" if card.whole else t("changed since it was written")),
        Check(WEIGHTS, same, digests(card.arrays_sha256, found.arrays_sha256)),
    ]
    try:
        client = clients.opened(path)
        said = client.logits(card.samples.images)
        more = None if images is None else client.logits(images)
    except MissingExtra as error:
        return Examined((*checks, _unseen(PREDICTIONS, error)))
    except NotComparableError as error:
        return Examined((*checks, Check(PREDICTIONS, None, str(error))))
    except Exception as error:  # whatever another program says of a file
        reason = f"{type(error).__name__}: {error}".split("\n")[0][:300]
        return Examined((*checks, Check(PREDICTIONS, False, t("cannot be opened: {reason}", reason=reason))))
    return Examined((*checks, *_answers(card, said)), client.name, more)


def _unseen(name: str, error: MissingExtra) -> Check:
    return Check(name, None, t("Could not be looked at. {reason}", reason=error))


def digests(expected: str, got: str) -> str:
    if expected == got:
        return f"SHA-256 {got[:12]}…"
    return t("SHA-256 {got}…, the card says {expected}…", got=got[:12], expected=expected[:12])


def _answers(card: Card, said: Floats) -> list[Check]:
    """Whether the file gives one logit a class, for images of the card's shape, and those that it gave when written."""
    channels, height, width = card.input_shape
    shape = t("images {shape}, {n} classes", shape=(None, height, width, channels), n=len(card.classes))
    values = said.shape[1] if said.ndim == 2 else 0
    checks = [
        Check(CLASSES, values == len(card.classes), joined(card.classes[:12])),
        Check(SHAPES, said.shape == (len(card.samples.images), len(card.classes)), shape),
    ]
    return [*checks, compared(card.samples.logits, said, INT8_TOLERANCE if card.int8 else samples.TOLERANCE)]


def compared(expected: Floats, said: Floats, tolerance: float = samples.TOLERANCE) -> Check:
    """Whether a network says what it said: logits within what is allowed."""
    gap, allowed = samples.difference(expected, said, tolerance)
    note = t("{n} samples, largest difference {gap} of {allowed} allowed", n=len(expected), gap=rough(gap),
             allowed=rough(allowed))  # fmt: skip
    return Check(PREDICTIONS, gap <= allowed, note)
