"""The machine is described and chosen by rule."""

from __future__ import annotations

import subprocess

import pytest
import torch

from ropero import runtime
from ropero.errors import UsageError


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert runtime.resolve_device("auto").type == "cpu"
    with pytest.raises(UsageError, match=r"No device 'cuda' on this machine; here are: cpu\."):
        runtime.resolve_device("cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert runtime.resolve_device("auto").type == "mps"


@pytest.mark.parametrize(("here", "expected"), [({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32"), ({}, "fp32")])
def test_precision_is_a_rule_of_the_cpu(monkeypatch: pytest.MonkeyPatch, here: dict[str, bool], expected: str) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: here, raising=False)
    cpu = torch.device("cpu")
    assert runtime.resolve_precision("auto", cpu) == expected
    assert runtime.resolve_precision("fp32", cpu) == "fp32"


def test_seeds_are_stable_and_apart() -> None:
    assert runtime.mix_seed("step", 0, 1, 2) == runtime.mix_seed("step", 0, 1, 2)
    seeds = {runtime.mix_seed("step", a, b, c) for a in range(10) for b in range(10) for c in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert runtime.mix_seed(1, 23) != runtime.mix_seed(12, 3)


def test_the_environment_names_what_a_bug_report_needs() -> None:
    found = runtime.environment()
    assert {"ropero", "commit", "code_sha256", "python", "torch", "numpy", "system", "cpu", "cores", "threads"} <= set(
        found
    )
    assert len(found["code_sha256"]) == 64
    assert found["cores"] >= 1


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", absent)
    assert runtime.commit() is None


@pytest.mark.parametrize(("mine", "small"), [(1, 1), (2, 2), (6, 2)])
def test_small_steps_get_two_threads_and_the_others_theirs_back(mine: int, small: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(mine)
    try:
        for values, threads in ((784 * 32, small), (28 * 28 * 32 * 128, mine)):
            with runtime.threads_for(values):
                assert torch.get_num_threads() == threads
            assert torch.get_num_threads() == mine
    finally:
        torch.set_num_threads(before)
