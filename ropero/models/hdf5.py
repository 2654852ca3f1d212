"""Reads a stranger's HDF5 file: all attributes that are text, all arrays, by their paths; no more is known of Keras.

HDF5's own library is C that was not written for hostile files, so it works in a process of its own, which may die, take
two minutes and some gigabytes, and no more. `read` is the parent's side; `answer` the child's, which leaves what it
found in a folder as JSON and plain arrays. Nothing outside the file is ever opened.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ropero import bounds, texts
from ropero.errors import DataError, MissingExtra
from ropero.storage import human_bytes
from ropero.texts import t
from ropero.texts.plain import shown

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MAX_GROWTH, SPARE_BYTES = 20, 64 << 20  # arrays may be this often the file's size and so much more: packed, not a bomb
MAX_THINGS = 20_000  # groups, arrays and attributes
MAX_DEPTH = 30  # groups in each other; Keras nests a layer's name and parts
MAX_TEXT = 32 << 20  # bytes of an attribute; a large network's config takes one
MAX_TEXTS = 2 * MAX_TEXT  # bytes of all
MAX_MEMORY = 6 << 30  # bytes that the child may take
SECONDS = 120
_REFUSED = 3  # the child's exit code for a file that it refuses with a sentence
_SENTENCE = 2000  # characters of it
_SKIPPED = {"optimizer_weights", "optimizer"}  # what a training leaves beside the network

Text = str | list[str]
Attributes = Mapping[str, Mapping[str, Text]]


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file holds. attributes: for each group's path ("" is the file itself) its texts and lists of texts.
    arrays: by path, as they are in the file."""

    attributes: Attributes
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Wish:
    """What is wanted of a file.

    only: a regular expression that the paths of the wanted arrays match; all but the optimizer's when empty.
    plain: whether wanted arrays have to be numbers that lie in the file as they are, as Keras and ropero write them:
    these take no more room than the file.
    """

    only: str = ""
    plain: bool = False


def read(path: Path, wish: Wish = Wish()) -> Contents:
    """What is wished of a file.

    Raises:
        DataError: a file that is damaged, too large, or leads out of itself.
        MissingExtra: h5py is not installed.
    """
    h5py()
    with tempfile.TemporaryDirectory(prefix="ropero-") as folder:
        environment = {
            **os.environ,
            "ROPERO_LANG": texts.current(),
            "HDF5_PLUGIN_PRELOAD": "::",  # no plug-ins for packed arrays
            "OMP_NUM_THREADS": "1",
        }
        arguments = [str(path.resolve()), folder, json.dumps(asdict(wish))]
        try:
            done = subprocess.run(
                [*bounds.command(__name__, answer.__name__), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _damaged(path, t("it takes too long to read")) from error
        if done.returncode == _REFUSED:
            raise DataError(done.stdout.decode("utf-8", "replace").strip())
        if done.returncode != 0:  # a crash of the library, or the memory it may take
            raise _damaged(path, t("HDF5's own library fails on it"))
        found = json.loads((Path(folder) / "attributes.json").read_text("utf-8"))
        arrays = {name: np.load(Path(folder) / file, allow_pickle=False) for name, file in found["arrays"].items()}
        return Contents(found["attributes"], arrays)


def read_content(content: bytes, name: str, wish: Wish = Wish()) -> Contents:
    """The same of a file's content, which is called `name`. Raises as `read`."""
    with tempfile.TemporaryDirectory(prefix="ropero-") as folder:
        place = Path(folder) / name
        place.write_bytes(content)
        return read(place, wish)


def h5py() -> ModuleType:
    """The library for HDF5. Raises MissingExtra without it."""
    try:
        return import_module("h5py")
    except ImportError as error:
        raise MissingExtra(t("Reading Keras's .h5 files"), "keras") from error


def _damaged(path: Path, reason: object) -> DataError:
    return DataError(t("{path} is damaged or not an HDF5 file: {reason}.", path=path.name, reason=reason))


@dataclass
class _Found:
    """What the child has read so far, and how much more it may."""

    folder: Path
    wish: Wish
    most: int
    attributes: dict[str, dict[str, Text]] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)
    things: int = 0
    bytes: int = 0
    letters: int = 0

    def count(self, things: int, size: int) -> None:
        """So many more things, and bytes of arrays. What is linked twice is read twice, and counts twice."""
        self.things += things
        self.bytes += size
        if self.things > MAX_THINGS or self.bytes > self.most:
            raise DataError(
                t(
                    "the file holds {n} groups, arrays and attributes, {size} in all; ropero reads at most "
                    "{limit}, and {most}.",
                    n=self.things,
                    size=human_bytes(self.bytes),
                    limit=MAX_THINGS,
                    most=human_bytes(self.most),
                )
            )

    def count_text(self, name: str, *said: Any) -> None:
        """So much more text."""
        self.letters += sum(map(len, said))
        if self.letters > MAX_TEXTS or any(len(one) > MAX_TEXT for one in said):
            raise _long(name)


def _walk(group: Any, path: str, found: _Found, depth: int) -> None:
    """A group, all that it holds, and so on."""
    library = h5py()
    if depth > MAX_DEPTH:
        raise DataError(t("its groups are nested deeper than {n}.", n=MAX_DEPTH))
    found.count(len(group) + len(group.attrs), 0)
    found.attributes[path] = dict(_texts(group, found))
    for name in group:
        found.count_text(name, path, name)
        if depth == 0 and name in _SKIPPED and not found.wish.plain:
            continue
        # Not `group.get`: to answer, it would open what the link leads to.
        if group.id.links.get_info(name.encode()).type != library.h5l.TYPE_HARD:
            raise _led_out(name)
        thing, place = group[name], f"{path}/{name}".lstrip("/")
        if isinstance(thing, library.Group):
            _walk(thing, place, found, depth + 1)
        elif isinstance(thing, library.Dataset):
            _keep(thing, place, found)


def _texts(group: Any, found: _Found) -> Iterator[tuple[str, Text]]:
    """The attributes that are text or lists of text."""
    for name in group.attrs:
        kind = group.attrs.get_id(name)
        if kind.shape is not None and 0 in kind.shape:  # HDF5 knows no size of nothing
            yield name, []
            continue
        if kind.get_storage_size() > MAX_TEXT or int(np.prod(kind.shape or (), dtype=np.float64)) > MAX_THINGS:
            raise _long(name)
        value = group.attrs[name]
        if isinstance(value, bytes | str):
            found.count_text(name, value)
            yield name, _plain(value)
        elif isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "SUO":
            listed = [_plain(one) for one in value.tolist()]
            found.count(len(listed), 0)
            found.count_text(name, *listed)
            yield name, listed


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _keep(array: Any, place: str, found: _Found) -> None:
    """Write an array of numbers to a file of its own; anything else is passed over."""
    wish = found.wish
    if wish.only and not re.fullmatch(wish.only, place):
        return
    if array.external or array.is_virtual:
        raise _led_out(place)
    # A chunk may unpack to gigabytes, whatever the array's own shape; one without bytes may be as large as it says.
    is_plain = array.dtype.kind in "fiu" and array.chunks is None and array.id.get_storage_size() >= array.nbytes
    if wish.plain and not is_plain:
        raise DataError(bounds.packed(place))
    if array.shape is None or array.dtype.kind not in "fiub":
        return
    # In Python's numbers, which have no end: a stranger's shape may overflow 64 bits.
    size = array.dtype.itemsize
    for side in array.shape:
        size *= int(side)
    found.count(1, size)
    file = f"{len(found.arrays)}.npy"
    np.save(found.folder / file, array[()], allow_pickle=False)
    found.arrays[place] = file


def _led_out(name: str) -> DataError:
    return DataError(t("{name} leads out of the file, which is not followed.", name=shown(name)))


def _long(name: str) -> DataError:
    return DataError(
        t("the attribute {name} is larger than {limit}.", name=shown(name), limit=human_bytes(MAX_TEXT))
    )  # fmt: skip


def answer(arguments: Sequence[str]) -> int:
    """The child: read the file into the folder; its exit code."""
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    path, folder, wish = Path(arguments[0]), Path(arguments[1]), Wish(**json.loads(arguments[2]))
    bounds.hold(MAX_MEMORY, SECONDS)
    size = path.stat().st_size
    most = size if wish.plain else MAX_GROWTH * size + SPARE_BYTES
    found = _Found(folder, wish, min(bounds.MAX_BYTES, most))
    try:
        with h5py().File(path, "r") as file:
            _walk(file, "", found, 0)
        content = json.dumps({"attributes": found.attributes, "arrays": found.arrays})
        (folder / "attributes.json").write_text(content, "utf-8")
    except DataError as error:
        print(f"{path.name}: {error}"[:_SENTENCE])
    except (Exception, MemoryError) as error:  # what h5py raises on damaged files is written down nowhere
        said = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        print(str(_damaged(path, said))[:_SENTENCE])
    else:
        return 0
    return _REFUSED
