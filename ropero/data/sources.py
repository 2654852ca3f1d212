"""`load`: any source, by name or by path, becomes `Splits`.

Tells formats apart and calls their readers; where named data lies is `finder.py`'s to know, what classes are called is
`naming.py`'s.
"""

from __future__ import annotations

from pathlib import Path

from ropero.data import arrays, finder, folders, idx, parquet, pictures, tables
from ropero.data.dataset import Dataset, Splits
from ropero.data.known import FASHION, KNOWN, Known
from ropero.data.naming import Named, name_it
from ropero.data.raw import Progress as Progress
from ropero.data.raw import Raw
from ropero.errors import DataError, DataNotFound, UsageError, unknown
from ropero.texts import t

# Where the files of a source usually lie below the folder that a user names.
_INNER = ("", "raw", "data", "data/fashion", "FashionMNIST/raw", "MNIST/raw", "KMNIST/raw", "EMNIST/raw")


def load(
    source: str | Path = FASHION,
    *,
    data: str | Path | None = None,
    image_size: int | None = None,
    progress: Progress | None = None,
) -> Splits:
    """Load a source: a known name (see `known.KNOWN`), or the path of a file or folder.

    Reads IDX files, CSV, .npz, Parquet and folders of pictures. A known name wins over a folder of that name in the
    current folder; write ./name for the folder. Photos of differing sizes are fitted into squares of `image_size`,
    64 x 64 when not given; pictures of one size up to 96 x 96 are kept as they are.

    Args:
        source: known name or path. "fashion-mnist" is looked for on this machine, then fetched.
        data: where the named source lies, in any of the formats.
        image_size: side in pixels to bring all images to, 4 to 1024.
        progress: called with (what, done, total or None), and "images" after these where they are not bytes.

    Raises:
        UsageError: an unknown name, or both a path and `data`.
        DataNotFound: nothing there, or it could not be found or fetched.
        DataError: a file that is not what it should be; the message names file and place.
        MissingExtra: Parquet without pyarrow.
    """
    if image_size is not None:
        pictures.check_side(image_size)
    known, given = _resolve(source, data)
    place = _with_a_name(given or finder.find(KNOWN[str(source)], progress))
    raw = _read(place, known, image_size, progress)
    named = name_it(raw, place, known)
    parts = {
        part: Dataset(
            pictures.resize_all(one.images, image_size) if image_size else one.images,
            one.labels,
            named.classes,
            named.name,
            part,
        )
        for part, one in named.parts.items()
    }
    again = _again(raw, place, named, known) if given else str(source)
    return Splits(parts["train"], parts.get("validation"), parts.get("test"), again, raw.skipped)


def _again(raw: Raw, place: Path, named: Named, wanted: Known | None) -> str:
    """What `load` takes to load this again: the path, with the name before it where the path alone would not tell."""
    absolute = str(place.absolute())
    if wanted and named.known is wanted and name_it(raw, place).known is not wanted:
        return f"{wanted.name}={absolute}"
    return absolute


def _resolve(source: str | Path, data: str | Path | None) -> tuple[Known | None, Path | None]:
    """What is asked for: a known source, a place, or both."""
    text = str(source)
    if isinstance(source, str) and data is None and source.partition("=")[0] in KNOWN and "=" in source:
        text, _, data = source.partition("=")
    if data is not None:
        if text not in KNOWN:
            raise unknown(t("source"), text, KNOWN)
        return KNOWN[text], _existing(data)
    if isinstance(source, str) and text in KNOWN:
        return KNOWN[text], None
    if Path(text).expanduser().exists() or isinstance(source, Path) or _looks_like_path(text):
        return None, _existing(source)
    raise UsageError(str(unknown(t("source"), text, KNOWN)) + " " + t("Or give the path of a file or folder."))


def _looks_like_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.startswith((".", "~")) or Path(text).suffix != ""


def _existing(path: str | Path) -> Path:
    place = Path(path).expanduser()
    if not place.exists():
        raise DataNotFound(t("There is no file or folder {path}.", path=place))
    return place


def _with_a_name(place: Path) -> Path:
    """The place by a name that tells of it: "." and ".." are names of any folder."""
    return place if place.name.strip(".") else place.resolve()


def _read(place: Path, known: Known | None, image_size: int | None, progress: Progress | None) -> Raw:
    try:
        if place.is_file():
            return _read_file(place, known, image_size, progress)
        return _read_folder(place, known, image_size, progress)
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=place, reason=error.strerror or error)) from error


def _read_file(path: Path, known: Known | None, image_size: int | None, progress: Progress | None) -> Raw:
    name = path.name.lower()
    if idx.is_idx_name(name):
        return idx.read_folder(path.parent, known.prefix if known else None)
    if name.endswith(tables.SUFFIXES):
        return tables.read_tables(path, progress=progress)
    if name.endswith(".npz"):
        return arrays.read_npz(path)
    if name.endswith(parquet.SUFFIXES):
        return parquet.read_parquet(path, image_size=image_size, progress=progress)
    raise DataError(
        t(
            "{path} is of no format that ropero reads: expected .csv, .csv.gz, .npz, .parquet, "
            "or a folder of IDX files or pictures.",
            path=path,
        )
    )


def _read_folder(folder: Path, known: Known | None, image_size: int | None, progress: Progress | None) -> Raw:
    for inner in (folder / name for name in _INNER):
        if not inner.is_dir():
            continue
        if idx.idx_files(inner):
            return idx.read_folder(inner, known.prefix if known else None)
        names = [path.name.lower() for path in inner.iterdir() if path.is_file() and not path.name.startswith(".")]
        packed = [name for name in names if name.endswith(".npz")]
        # A folder of pictures may bring a table of its own beside the class folders.
        if any(name.endswith(tables.SUFFIXES) for name in names) and not folders.holds_pictures(inner):
            return tables.read_tables(inner, known.name if known else "", progress)
        if len(packed) == 1:
            return arrays.read_npz(next(path for path in inner.iterdir() if path.name.lower() == packed[0]))
        if any(name.endswith(parquet.SUFFIXES) for name in names):
            return parquet.read_parquet(inner, image_size=image_size, progress=progress)
    return folders.read_images(folder, image_size=image_size, progress=progress)
