"""Reasons name figures that results hold, in every language."""

from __future__ import annotations

import string
import subprocess
import sys
from pathlib import Path

import pytest

from ropero.experiments.table import EXPERIMENTS
from ropero.texts import language, t

ROOT = Path(__file__).resolve().parents[2]
REASONS = [(name, reason) for name, one in EXPERIMENTS.items() for reason in one.why]


def test_the_evidence_is_what_the_results_say() -> None:
    asked = [sys.executable, ROOT / "scripts" / "evidence.py", "--check"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("lang", ["en", "es", "zh"])
@pytest.mark.parametrize(("name", "reason"), REASONS)
def test_a_reason_names_its_figures_and_no_others(name: str, reason: object, lang: str) -> None:
    from ropero.experiments.evidence import Reason

    assert isinstance(reason, Reason)
    figures = reason.found()
    with language(lang):
        text = t(reason.text, **{one: f"<{one}>" for one in figures})
    assert all(f"<{one}>" in text for one in figures)
    named = {field for _, field, _, _ in string.Formatter().parse(reason.text) if field}
    assert named == set(figures)
