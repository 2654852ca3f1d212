"""The Debian package that holds Fashion-MNIST, fetched with apt-get and unpacked without being root.

Knows apt-get and dpkg-deb; nothing is installed, no system file is changed. apt checks the package's signature, ropero
checks the content.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ropero.data.download import FetchError, is_content
from ropero.data.known import FASHION, Known
from ropero.data.raw import Progress
from ropero.texts import t

PACKAGES: Mapping[str, str] = {FASHION: "dataset-fashion-mnist"}
UPDATE_SECONDS = 180
DOWNLOAD_SECONDS = 900  # 31 MB
_PATIENCE = (
    *("-o", "Acquire::http::Timeout=5", "-o", "Acquire::https::Timeout=5", "-o", "Acquire::Retries=1"),
    *("-o", "Acquire::Languages=none"),
)


def has_apt() -> bool:
    """Whether this system has the two programs that are needed."""
    return bool(shutil.which("apt-get") and shutil.which("dpkg-deb"))


def fetch_package(known: Known, folder: Path, progress: Progress | None = None) -> None:
    """Fetch the package of a source with apt-get and put its data files into `folder`, as .gz.

    Works as an ordinary user, and where the system's package lists are empty: they are then fetched into a folder of
    their own.

    Raises:
        FetchError: with the reason, in words for the user.
    """
    package = PACKAGES[known.name]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".apt-", ignore_cleanup_errors=True) as name:
        work = Path(name)
        if progress:
            progress(package, 0, None)
        own = _own_state(work)
        failure = _apt(work, ["download", package], DOWNLOAD_SECONDS)
        if failure:
            failure = _apt(work, [*own, "update"], UPDATE_SECONDS) or _apt(
                work, [*own, "download", package], DOWNLOAD_SECONDS
            )
        archives = sorted(work.glob("*.deb"))
        if not archives:
            raise FetchError(t("apt-get download {package}: {reason}", package=package, reason=failure or "?"))
        unpacked = work / "unpacked"
        failure = _run(["dpkg-deb", "-x", str(archives[0]), str(unpacked)], work, DOWNLOAD_SECONDS)
        if failure:
            raise FetchError(t("dpkg-deb could not unpack {package}: {reason}", package=package, reason=failure))
        _take(known, unpacked, folder)


def _own_state(work: Path) -> list[str]:
    """Options that make apt-get keep its lists and caches in a folder of ours."""
    for inner in ("lists/partial", "cache/archives/partial"):
        (work / inner).mkdir(parents=True)
    return ["-o", f"Dir::State::Lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}"]


def _take(known: Known, unpacked: Path, folder: Path) -> None:
    for name, (digest, size) in known.files.items():
        found = next((path for path in unpacked.rglob(f"{name}*") if path.is_file() and not path.is_symlink()), None)
        if found is None or not is_content(found, digest, size):
            raise FetchError(t("the package lacks {name}, or holds another content", name=name))
        found.replace(folder / f"{name}.gz")


def _apt(work: Path, arguments: list[str], seconds: int) -> str:
    return _run(["apt-get", "-q", *_PATIENCE, *arguments], work, seconds)


def _run(command: list[str], work: Path, seconds: int) -> str:
    """'' when it went well, else why not: the program's last line of complaint."""
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return t("no answer in {n} seconds", n=seconds)
    except OSError as error:
        return str(error)
    complaints = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg-deb: error"))]
    return "" if done.returncode == 0 else (complaints or [t("exit code {code}", code=done.returncode)])[0]
