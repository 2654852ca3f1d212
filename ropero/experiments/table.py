"""All experiments of the five reports, and how one or several are named: REPORT, REPORT/MODEL, or nothing for all."""

from __future__ import annotations

from ropero.errors import unknown
from ropero.experiments import lunzhi, monterrey, others, santiago
from ropero.experiments.claims import Experiment
from ropero.texts import t

EXPERIMENTS: dict[str, Experiment] = {
    one.name: one for one in (*others.EXPERIMENTS, *santiago.EXPERIMENTS, *monterrey.EXPERIMENTS, *lunzhi.EXPERIMENTS)
}
REPORTS = tuple(dict.fromkeys(one.report for one in EXPERIMENTS.values()))


def select(name: str | None) -> list[Experiment]:
    """The experiments that a name means. Raises UsageError for a name that means none."""
    if name is None:
        return list(EXPERIMENTS.values())
    if name in REPORTS:
        return [one for one in EXPERIMENTS.values() if one.report == name]
    if name not in EXPERIMENTS:
        raise unknown(t("experiment"), name, [*REPORTS, *EXPERIMENTS])
    return [EXPERIMENTS[name]]
