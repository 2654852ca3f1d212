"""Writes ropero/experiments/evidence.json: every figure that a reason names, read from benchmarks/results.

`python scripts/evidence.py` rewrites it, `--check` fails when it is not what the results say.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ropero.experiments.evidence import FILE
from ropero.experiments.table import EXPERIMENTS
from ropero.storage import read_json, write_json

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"


def gathered() -> dict[str, float]:
    """Place -> figure. Raises KeyError or FileNotFoundError for a place that the results do not have."""
    places = {
        place for one in EXPERIMENTS.values() for reason in one.why for place in reason.figures.values()
    }  # fmt: skip
    return {place: figure(place) for place in sorted(places)}


def figure(place: str) -> float:
    """The number at FILE:KEY/KEY; a key of digits counts in a list."""
    file, _, keys = place.partition(":")
    found = read_json(RESULTS / f"{file}.json")
    for key in keys.split("/"):
        found = found[int(key)] if isinstance(found, list) else found[key]
    if not isinstance(found, int | float) or isinstance(found, bool):
        raise TypeError(f"{place} is no number but {found!r}")
    return found


def main() -> int:
    now = gathered()
    if "--check" in sys.argv:
        if not FILE.exists() or read_json(FILE) != now:
            print("evidence: stale; run python scripts/evidence.py")
            return 1
        return 0
    write_json(FILE, now)
    print(f"evidence: {len(now)} figures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
