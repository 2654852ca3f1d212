"""The test ledger: every opening of a run's test part is written down. Knows nothing of how predictions are made."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ropero.storage import append_json_line, read_json_lines


@dataclass(frozen=True)
class Opening:
    """One look at the test part: when (UTC), by which verb, with which weights, at how many images, with what result.

    accuracy is None when single images were looked at. A line of the ledger that cannot be read, because a crash cut
    it, is still evidence of a look: its verb is "?".
    """

    when: str
    verb: str
    weights_sha256: str
    images: int
    accuracy: float | None


class TestLedger:
    """The openings of one run, oldest first, in a file that only grows."""

    __test__ = False  # not a test class, whatever its name starts with

    def __init__(self, path: Path) -> None:
        self.path = path

    def openings(self) -> list[Opening]:
        return [_opening(record) for record in read_json_lines(self.path)]

    def judgements(self) -> int:
        """How often the whole part was opened to judge the network; a line that cannot be read counts as one."""
        return sum(one.accuracy is not None or one.verb == "?" for one in self.openings())

    def record(self, verb: str, weights_sha256: str, images: int, accuracy: float | None) -> Opening:
        """Write an opening down; it is on disk when this returns."""
        opening = Opening(datetime.now(UTC).isoformat(timespec="seconds"), verb, weights_sha256, images, accuracy)
        append_json_line(self.path, asdict(opening))
        return opening


def _opening(record: dict[str, Any] | None) -> Opening:
    names = {one.name for one in fields(Opening)}
    kinds = {"when": str, "verb": str, "weights_sha256": str, "images": int, "accuracy": float | int | None}
    if (
        record is None
        or set(record) != names
        or not all(isinstance(record[name], kind) for name, kind in kinds.items())
    ):
        return Opening("?", "?", "", 0, None)
    return Opening(**record)
