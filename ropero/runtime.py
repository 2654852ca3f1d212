"""The machine a run meets: device, precision, seeds, determinism, and what a bug report needs to know of it.

Knows nothing of data, networks or training.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import ropero
from ropero.errors import UsageError
from ropero.texts import joined, t

_FEW_VALUES, _FEW_THREADS = 2**18, 2
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h


def resolve_device(name: str) -> torch.device:
    """`auto` takes CUDA, else Apple's MPS, else the CPU. Raises UsageError for a device that is not here."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if here["cuda"] else "mps" if here["mps"] else "cpu")
    if not here.get(name, False):
        present = joined(device for device, is_here in here.items() if is_here)
        raise UsageError(t("No device {name!r} on this machine; here are: {present}.", name=name, present=present))
    return torch.device(name)


def resolve_precision(name: str, device: torch.device) -> str:
    """`auto` takes bf16 where it is the faster one: CUDA cards and CPUs that multiply bf16 in hardware; else fp32.

    A rule instead of a stopwatch, so that a machine always chooses the same; benchmarks/precision.py measures it.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device.type == "cpu" and cpu_has_bf16() else "fp32"


@contextmanager
def threads_for(values: int) -> Iterator[None]:
    """At most two threads for steps whose largest activation has few values, and as many as before afterwards.

    The second takes a fifth off such steps, more would wait for each other (docs/lab-notes.md). A rule instead of a
    stopwatch: the number of threads changes the last bits of a sum.
    """
    before = torch.get_num_threads()
    if values <= _FEW_VALUES:
        torch.set_num_threads(min(before, _FEW_THREADS))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 matrices in hardware (AVX-512 BF16 or AMX)."""
    # Older torch releases do not tell; fp32 is right everywhere, only slower on such a machine.
    capability: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capability.get("avx512_bf16") or capability.get("amx_bf16"))


def mix_seed(*parts: int | str) -> int:
    """One 63-bit seed from several numbers and words; different parts give unrelated seeds.

    Every random choice of a training step is seeded by (seed, what, epoch, step), so no generator state has to be
    saved for a run to go on where it stopped.
    """
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def be_deterministic(device: torch.device) -> None:
    """Ask torch for algorithms that give the same bits on every run of the same machine."""
    torch.backends.cudnn.benchmark = False
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def keep_freed_memory() -> None:
    """Let glibc keep the memory that a step frees, for the next step.

    By default it returns every large block to the system and gets it back zeroed, page by page: a fifth of the time
    of a small network's step on a CPU, half of that of many answers. Other C libraries are left alone.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def environment(device: torch.device | None = None) -> dict[str, Any]:
    """Versions, CPU, threads and commit: what a run folder, a benchmark and a bug report must say."""
    return {
        "ropero": ropero.__version__,
        "commit": commit(),
        "code_sha256": code_digest(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "system": platform.platform(),
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "device": device_name(device) if device else device_name(resolve_device("auto")),
    }


def usable_cores() -> int:
    """The cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_name(device: torch.device) -> str:
    """`cuda (NVIDIA ...)`, `mps` or `cpu`."""
    return f"cuda ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type


def cpu_name() -> str:
    """The CPU's marketing name where the system tells it, else its architecture."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


@cache
def code_digest(rooms: Iterable[str] = ("data", "models", "training")) -> str:
    """SHA-256 over ropero's own files in some rooms; by default those that decide what a training gives: two installs
    with one digest train alike. Sentences, pages and commands are others."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parent
    files = [path for room in rooms for path in (package / room).rglob("*.py")]
    for path in sorted([package / "runtime.py", *files]):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def commit() -> str | None:
    """The commit of the checkout that ropero runs from, with "+" when files differ from it; None outside a checkout."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        ask = ["git", "-C", str(folder)]
        head = subprocess.run([*ask, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run(
            [*ask, "status", "--porcelain", "--untracked-files=no", "--", "ropero"], capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
