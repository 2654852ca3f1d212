"""The errors a user can meet. Each carries one clear sentence: what was expected, what came, and the cure.

RoperoError                 exit code 2, no traceback
├── UsageError              a wrong argument, flag or combination   (also a ValueError)
├── DataError               a file, folder or array that is not what it should be   (also a ValueError)
│   └── DataNotFound        no such data here, and it could not be fetched
├── RunError                a run folder that is missing, broken, locked or newer than this ropero
├── TrainingDiverged        a loss or weight that became infinite or not a number
└── MissingExtra            an optional part is not installed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ropero.texts import joined, t
from ropero.texts.plain import SENTENCE, shown, shown_lines


class RoperoError(Exception):
    """What a user did or has that ropero cannot work with; the message says how to mend it.

    Names out of strangers' files stand in it: it holds nothing that a terminal would obey, and ends. lines: whether it
    is one of the few of several lines.
    """

    def __init__(self, message: object = "", *, lines: bool = False) -> None:
        super().__init__((shown_lines if lines else shown)(message, SENTENCE))


class UsageError(RoperoError, ValueError):
    """A wrong argument, flag or combination of them."""


class DataError(RoperoError, ValueError):
    """A file, folder or array that is not what it should be; the message names file and place."""


class DataNotFound(DataError):
    """Data that is neither on this machine nor could be fetched."""


class RunError(RoperoError):
    """A run folder that is missing, broken, in use, or written by a newer ropero."""


class TrainingDiverged(RoperoError):
    """A training whose loss became infinite or not a number."""


class MissingExtra(RoperoError, ImportError):
    """An optional part of ropero that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            t("{what} needs an optional part. Install it with: pip install 'ropero[{extra}]'", what=what, extra=extra)
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' Did you mean ...?' for the known names nearest to `name`, '' when none is near."""
    known = list(known)
    lower = {one.lower(): one for one in known}
    near = [lower[one] for one in difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)]
    return " " + t("Did you mean {guess!r}?", guess=near[0]) if near else ""


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not in a list: the list, and a guess. `what` is already translated."""
    known = list(known)
    return UsageError(
        t("Unknown {what} {name!r}.", what=what, name=name)
        + did_you_mean(name, known)
        + " "
        + t("Known: {known}.", known=joined(known))
    )
