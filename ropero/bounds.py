"""What a stranger's file may take: the memory and time of a process that opens it, and what an archive may hold.

Knows nothing of what the files mean.
"""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import IO

from ropero.errors import DataError
from ropero.storage import human_bytes
from ropero.texts import t
from ropero.texts.plain import shown

ZIP_MAGIC = b"PK\x03\x04"
MAX_BYTES = 1 << 31  # of a file, of what it unpacks to, and of all arrays in it together
MAX_MEMBERS = 10_000  # files in an archive
_ENTRY_BYTES = 512  # of a member in an archive's table of contents: 46 and its name
_END = struct.Struct("<4s4H2LH")  # signature, two disks, members here, members, the table's bytes, its place, a remark
_LOCATOR = struct.Struct("<4sLQL")  # signature, disk, where the larger end is, disks
_LARGE_END = struct.Struct("<4sQ2H2L4Q")  # the same in 64 bits; the last three are members, bytes and place


def command(module: str, function: str) -> list[str]:
    """What runs a function of ropero's in a process of its own; the arguments that are added become its one list.

    Nothing of the folder that it is started in is imported (-P), whatever its name, and ropero from where it is here.
    """
    code = f"import sys; sys.path.append(sys.argv.pop(1)); from {module} import {function} as asked; "
    place = str(Path(__file__).absolute().parent.parent)
    return [sys.executable, "-P", "-c", code + "sys.exit(asked(sys.argv[1:]))", place]


def hold(memory_bytes: int, seconds: int) -> None:
    """From here on this process may take no more memory and time of processors, where the system can hold it to that.

    Counted is memory that can be written, as Linux does it: what libraries only reserve, in terabytes where there is a
    graphics card, takes nothing.
    """
    with suppress(ImportError):  # not a Unix
        resource = import_module("resource")
        for name, most in (("RLIMIT_DATA", memory_bytes), ("RLIMIT_CPU", seconds), ("RLIMIT_CORE", 0)):
            with suppress(AttributeError, ValueError, OSError):
                kind = getattr(resource, name)
                before = resource.getrlimit(kind)[1]
                held = most if before == resource.RLIM_INFINITY else min(most, before)
                resource.setrlimit(kind, (held, held))


@contextmanager
def archive(path: Path, stream: IO[bytes] | None = None) -> Iterator[zipfile.ZipFile]:
    """A zip archive, whose table of contents is weighed before zipfile makes an object of each entry.

    Args:
        stream: an archive that lies in this file; the file itself when None.

    Raises:
        DataError: more members than any model or data set has.
        zipfile.BadZipFile: no archive, or one that two readers could take for two: with a table that contradicts
            itself, is not where it should be, or names a member twice.
    """
    with path.open("rb") if stream is None else nullcontext(stream) as file:
        count = _members(path, file)
        with zipfile.ZipFile(file) as found:
            names = found.namelist()
            if len(names) != count or len(set(names)) != count:
                raise _contradicts()
            yield found


def _contradicts() -> zipfile.BadZipFile:
    return zipfile.BadZipFile(t("its table of contents contradicts itself"))


def _members(path: Path, stream: IO[bytes]) -> int:
    """How many members an archive says it has; its table of contents has no room for many more."""
    stream.seek(0)
    start = stream.read(4)
    whole = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, whole - _END.size - 0xFFFF))
    tail = stream.read()
    at = tail.rfind(b"PK\5\6", 0, max(0, len(tail) - _END.size + 4))
    if at < 0 or start not in (ZIP_MAGIC, b"PK\5\6"):
        raise zipfile.BadZipFile(t("it is no archive, or cut short"))
    *_, count, size, place, remark = _END.unpack_from(tail, at)
    if at + _END.size + remark != len(tail):
        raise _contradicts()
    end = whole - len(tail) + at
    if end >= _LOCATOR.size + _LARGE_END.size:
        stream.seek(end - _LOCATOR.size - _LARGE_END.size)
        large, (mark, _, where, _) = _LARGE_END.unpack(stream.read(_LARGE_END.size)), _LOCATOR.unpack(stream.read(20))
        if mark == b"PK\6\7":
            end -= _LOCATOR.size + _LARGE_END.size
            small = zip((count, size, place), large[-3:], (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF), strict=True)
            if (large[0], where) != (b"PK\6\6", end) or any(one not in (other, full) for one, other, full in small):
                raise _contradicts()
            count, size, place = large[-3:]
    if place + size != end:  # zipfile would look elsewhere than others do
        raise _contradicts()
    if count > MAX_MEMBERS:
        raise DataError(
            t("{path} holds {n} files; an archive may hold {limit}.", path=path, n=count, limit=MAX_MEMBERS)
        )
    if size > (count + 1) * _ENTRY_BYTES:
        raise _contradicts()
    return int(count)


def stored(path: Path, members: zipfile.ZipFile) -> None:
    """Raises DataError where a member is packed, or members share bytes: together they would outgrow the file."""
    found = members.infolist()
    for one in found:
        if one.compress_type != zipfile.ZIP_STORED or one.compress_size != one.file_size or one.flag_bits & 1:
            raise DataError(t("{path}: {name} is packed, as such files never are.", path=path, name=one.filename[:80]))
    if sum(one.file_size for one in found) > members.start_dir:
        raise DataError(t("{path}: its parts lie over one another.", path=path))


def packed(name: str) -> str:
    """The sentence for a part of a file, by its name, that would have to be unpacked in a way that has no bounds."""
    return t("{name} is packed in a way that ropero does not unpack.", name=shown(name))


def member(path: Path, members: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """A member's content, read no further than the limit, whatever size the archive claims for it.

    Raises DataError for one that is larger, or packed otherwise than zlib does.
    """
    # Other ways of packing unpack far more than is asked for.
    if members.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path}: {packed(name)}")
    with members.open(name) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise DataError(t("{path}: {name} in it is larger than {limit}.", path=path, name=name,
                          limit=human_bytes(limit)))  # fmt: skip
    return content
