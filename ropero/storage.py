"""Files that are whole or absent: atomic writes, digests, the user's folders. Knows nothing of what the files mean."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import platformdirs

from ropero.errors import RunError
from ropero.texts import t
from ropero.texts.numbers import decimal

CHUNK_BYTES = 1 << 20


def cache_folder() -> Path:
    """Where downloads and computed features are kept: ROPERO_CACHE, else the system's cache folder for ropero."""
    chosen = os.environ.get("ROPERO_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("ropero"))


def config_folder() -> Path:
    """Where what a user has decided is kept: ROPERO_CONFIG, else the system's configuration folder for ropero."""
    chosen = os.environ.get("ROPERO_CONFIG")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_config_dir("ropero"))


_UNFINISHED = ".unfinished-"
_SAFETENSORS = ".tmp??????"  # how safetensors calls a file that it has not ended, of whatever name


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; renamed to it when the block ends well, removed when it does not.

    The temporary name keeps the suffix, for writers that look at it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{_UNFINISHED}{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def to_disk(path: Path) -> None:
    """Return when the file's content is on disk, not only on its way there."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sweep(path: Path) -> None:
    """Remove what writers of this file left behind when they were killed. Only for who alone writes it."""
    found = [*path.parent.glob(f"{_UNFINISHED}{path.stem}-*{path.suffix}"), *path.parent.glob(_SAFETENSORS)]
    for left in found:
        with suppress(OSError):
            left.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_bytes(path: Path, content: bytes) -> None:
    """Write a whole file or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a whole UTF-8 text or nothing, with \\n line ends on every system."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, content: object) -> None:
    """Write JSON that a person can read, whole or not at all."""
    write_text(path, json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path, *, limit_bytes: int = 64 << 20) -> dict[str, Any]:
    """Read a JSON object. Raises RunError when it is missing, too large or not an object."""
    try:
        if path.stat().st_size > limit_bytes:
            raise RunError(t("{path} is too large to be one of ropero's files.", path=path))
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(t("Cannot read {path}: {reason}", path=path, reason=error)) from error
    if not isinstance(content, dict):
        raise RunError(t("{path} should hold a JSON object.", path=path))
    return cast("dict[str, Any]", content)


def check_format(path: Path, values: Mapping[str, Any], newest: int) -> None:
    """Raises RunError for one of ropero's files that has a format newer than the newest that is known here."""
    written = values.get("format")
    if isinstance(written, int) and written > newest:
        raise RunError(
            t(
                "{path} was written by a newer ropero ({version}); update ropero.",
                path=path,
                version=values.get("ropero", "?"),
            )
        )


def append_json_line(path: Path, record: Mapping[str, object]) -> None:
    """Add one record to a JSON-lines file, on disk before this returns."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    with path.open("a+b") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = "\n" + line  # the record before was cut by a crash; this one must not join it
        file.write(line.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(path: Path) -> list[dict[str, Any] | None]:
    """All records of a JSON-lines file, None for a line that is no JSON object; a missing file has none."""
    if not path.exists():
        return []
    return [_record(line) for line in path.read_text("utf-8", errors="replace").split("\n") if line.strip()]


def _record(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def folder_bytes(folder: Path) -> int:
    """The bytes of all files below a folder; links are not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def human_bytes(count: int) -> str:
    """12.3 MB: decimal units, as file managers show."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{decimal(size, 0 if unit == 'B' else 1)} {unit}"
        size /= 1000
    return f"{decimal(size, 1)} TB"
