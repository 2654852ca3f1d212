"""`Changes`: what a person decided about single images of a data set, as JSON lines: another label, or leave it out.

    {"part": "train", "row": 28264, "was": "Dress", "action": "relabel", "label": "Shirt"}
    {"part": "train", "row": 42018, "was": "Coat", "action": "drop"}
    {"part": "train", "row": 16691, "was": "Bag", "action": "accept"}

The data themselves stay as they are; a list is applied when they are loaded. Of several lines on one image the last
one holds, so that a change of mind is one more line. `skip` and `accept` change nothing and are kept as an answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ropero.data.dataset import PARTS, Dataset, Splits
from ropero.data.raw import read_at_most
from ropero.errors import DataError, did_you_mean
from ropero.texts import t

RELABEL, DROP, ACCEPT, SKIP = "relabel", "drop", "accept", "skip"
ACTIONS = (RELABEL, DROP, ACCEPT, SKIP)
LIMIT_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Change:
    """A decision on one image.

    Attributes:
        part: "train", "validation" or "test"; row: where the image stands in its source file, from 0.
        was: the name of its class before, by which a list for other data is found out.
        action: one of ACTIONS. label: the name of its class from now on, for `relabel` alone.
    """

    part: str
    row: int
    was: str
    action: str
    label: str = ""


class Changes:
    """The decisions on a data set, the last one on each image."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self._by_image = {(one.part, one.row): one for one in changes}

    def __len__(self) -> int:
        return len(self._by_image)

    def __iter__(self) -> Any:
        return iter(self._by_image.values())

    def apply(self, splits: Splits) -> Splits:
        """The data as decided: other labels, images left out; row numbers stay those of the source.

        Raises:
            DataError: an image that is not there, or was of another class than the list says, or an unknown class.
        """
        parts = splits.parts()
        missing = {part for part, _ in self._by_image} - set(parts)
        if missing:
            raise DataError(
                t("The changes are for the {split} part, which {data} has not.", split=min(missing), data=splits.name)
            )
        done = {name: self.applied(part) for name, part in parts.items()}
        return replace(splits, train=done["train"], validation=done.get("validation"), test=done.get("test"))

    def applied(self, part: Dataset, origin: str = "") -> Dataset:
        """A part as decided. origin: the part of the source that its images were held out of, where that is another;
        then changes of images that are elsewhere are no mistake."""
        mine = [one for one in self if one.part == (origin or part.split)]
        if not mine:
            return part
        labels, keep = part.labels.copy(), np.ones(len(part), np.bool_)
        places = {int(row): at for at, row in enumerate(part.rows)}
        for one in mine:
            at = places.get(one.row)
            if at is None:
                if origin:
                    continue
                raise DataError(
                    t("The changes name row {row}, which the {split} part has not.", row=one.row, split=part.split)
                )
            was = part.classes[part.labels[at]]
            if was != one.was:
                raise DataError(
                    t(
                        "Row {row} is {is_now} here, {was} in the changes: they belong to other data.",
                        row=one.row,
                        is_now=was,
                        was=one.was,
                    )
                )
            if one.action == RELABEL:
                labels[at] = _number(one.label, part.classes)
            keep[at] = one.action != DROP
        return replace(part, labels=labels).take(np.flatnonzero(keep))

    def to_lines(self) -> str:
        """The list as JSON lines, English names, one decision each."""
        return "".join(json.dumps(_plain(one), ensure_ascii=False) + "\n" for one in self)


def read(path: Path) -> Changes:
    """The list of a file. Raises DataError for a line that is no decision, with its number."""
    try:
        with path.open("rb") as file:
            content = bytes(read_at_most(file, LIMIT_BYTES + 1))
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error
    if len(content) > LIMIT_BYTES:
        raise DataError(t("{path} is larger than {limit} MB.", path=path, limit=LIMIT_BYTES >> 20))
    lines = content.decode("utf-8", "replace").splitlines()
    return Changes(_parsed(line, number, path) for number, line in enumerate(lines, 1) if line.strip())


def _parsed(line: str, number: int, path: Path) -> Change:
    try:
        values = json.loads(line)
        one = Change(**values)
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(_wrong(path, number, t("expected part, row, was and action as JSON"))) from error
    if one.part not in PARTS:
        raise DataError(
            _wrong(path, number, t("unknown part {name!r}", name=one.part)) + did_you_mean(str(one.part), PARTS)
        )
    if one.action not in ACTIONS:
        problem = t("unknown action {name!r}", name=one.action)
        raise DataError(_wrong(path, number, problem) + did_you_mean(str(one.action), ACTIONS))
    texts = isinstance(one.was, str) and isinstance(one.label, str)
    if (
        not texts
        or not isinstance(one.row, int)
        or isinstance(one.row, bool)
        or (one.action == RELABEL) != bool(one.label)
    ):
        raise DataError(_wrong(path, number, t("a row is a whole number, and label belongs to relabel alone")))
    return one


def _wrong(path: Path, number: int, problem: str) -> str:
    return t("{path}, line {number}: {problem}.", path=path, number=number, problem=problem)


def _number(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise DataError(t("Unknown class {name!r}.", name=name) + did_you_mean(name, classes))
    return list(classes).index(name)


def _plain(one: Change) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if value != ""}
