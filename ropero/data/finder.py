"""Where named data lies on this machine, and fetching it when it lies nowhere.

Knows places, and asks `download.py` and `packages.py` for what is missing; reads no image.
"""

from __future__ import annotations

import os
from pathlib import Path

import filelock

from ropero.data import idx, packages, tables
from ropero.data.download import MIRRORS, FetchError, fetch_known, is_content, remove_parts
from ropero.data.known import FASHION, KNOWN, Known
from ropero.data.raw import Progress
from ropero.errors import DataNotFound
from ropero.storage import cache_folder
from ropero.texts import joined, t

# Where a system's package puts the files of a source; {name} is the source's name.
SYSTEM_FOLDERS: tuple[str, ...] = ("/usr/share/datasets/{name}", "/usr/local/share/datasets/{name}")
LOCK_SECONDS = 900.0  # another process may be fetching the same files

# What torchvision calls the folder of a source.
_TORCHVISION = {FASHION: "FashionMNIST", "mnist": "MNIST", "kmnist": "KMNIST"}


def find(known: Known, progress: Progress | None = None) -> Path:
    """The folder or file that holds a known source.

    Looks, in this order, in ROPERO_DATA, in the user's cache, and where a system's package puts it. Fashion-MNIST is
    then fetched into the cache: from its public mirrors, and last, where there is apt-get, from Debian's package.

    Raises:
        DataNotFound: the one message lists each place tried, why it failed, and the cure.
    """
    tried: list[str] = []
    place = _in_environment(known, tried) or _in_folders(known, tried)
    if place is None and known.files:
        place = _fetched(known, tried, progress)
    if place is None:
        raise DataNotFound(_nowhere(known, tried))
    return place


def data_cache(known: Known) -> Path:
    """Where the files of a source are kept once fetched."""
    return cache_folder() / "data" / known.name


def _in_environment(known: Known, tried: list[str]) -> Path | None:
    value = os.environ.get("ROPERO_DATA")
    if not value:
        tried.append(t("ROPERO_DATA: not set"))
        return None
    root = Path(value).expanduser()
    try:
        place = _below(root, known)
    except OSError as error:
        tried.append(t("ROPERO_DATA: cannot read {path} ({reason})", path=root, reason=error.strerror or error))
        return None
    if place is None:
        tried.append(t("ROPERO_DATA: {path} does not hold {name}", path=root, name=known.name))
    return place


def _below(root: Path, known: Known) -> Path | None:
    """What a folder holds of a source: a folder or file of its name, or its files."""
    for name in (known.name, _TORCHVISION.get(known.name, known.name), known.name.replace("-", "_")):
        for place in (root / name, root / f"{name}.npz", root / f"{name}.parquet"):
            if place.is_file() or (place.is_dir() and any(place.iterdir())):
                return place
    if root.is_dir() and (_holds(root, known) or _holds_tables(root, known)):
        return root
    return None


def _in_folders(known: Known, tried: list[str]) -> Path | None:
    for folder in (data_cache(known), *(Path(place.format(name=known.name)) for place in SYSTEM_FOLDERS)):
        if _holds(folder, known):
            return folder
        tried.append(t("{path}: not there", path=folder))
    return None


def _holds(folder: Path, known: Known) -> bool:
    """Whether a folder holds all IDX files of this very source, not of another with the same file names."""
    try:
        found = idx.idx_files(folder) if folder.is_dir() else {}
    except OSError:
        return False
    files = found.get(known.prefix, {})
    if len(files) < 4:  # images and labels of train and test
        return False
    if known.prefix:
        return True
    # Small and telling: the training labels.
    digest, size = KNOWN[FASHION].files["train-labels-idx1-ubyte"]
    return is_content(files["train", "labels"], digest, size) == (known.name == FASHION)


def _holds_tables(folder: Path, known: Known) -> bool:
    return any(
        path.name.lower().startswith(known.name) and path.name.lower().endswith(tables.SUFFIXES)
        for path in folder.iterdir()
    )


def _fetched(known: Known, tried: list[str], progress: Progress | None) -> Path | None:
    folder = data_cache(known)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock", timeout=LOCK_SECONDS):
            if _holds(folder, known) or _from_mirrors(known, folder, tried, progress):
                return folder
            return folder if _from_package(known, folder, tried, progress) else None
    except (OSError, filelock.Timeout) as error:
        tried.append(t("{path}: cannot be written ({reason})", path=folder, reason=error))
        return None


def _from_mirrors(known: Known, folder: Path, tried: list[str], progress: Progress | None) -> bool:
    for mirror in MIRRORS.get(known.name, ()):
        try:
            fetch_known(known, folder, mirror, progress)
        except FetchError as error:
            tried.append(t("download: {reason}", reason=error))
        else:
            remove_parts(folder)
            return True
    return False


def _from_package(known: Known, folder: Path, tried: list[str], progress: Progress | None) -> bool:
    if known.name not in packages.PACKAGES or not packages.has_apt():
        tried.append(t("Debian package: this system has no apt-get"))
        return False
    try:
        packages.fetch_package(known, folder, progress)
    except FetchError as error:
        tried.append(t("Debian package: {reason}", reason=error))
        return False
    remove_parts(folder)
    return True


def _nowhere(known: Known, tried: list[str]) -> str:
    lines = [t("Cannot find {name}. Tried:", name=known.name), *(f"  - {one}" for one in tried)]
    prefix, test = known.prefix, "test" if known.prefix else "t10k"
    whats = ("images-idx3-ubyte", "labels-idx1-ubyte")
    files = joined(f"{prefix}{part}-{what}.gz" for part in ("train", test) for what in whats)
    if known.name in packages.PACKAGES:
        lines.append(t("To get it: sudo apt-get install {package}", package=packages.PACKAGES[known.name]))
        lines.append(t("or download {files} from {url}", files=files, url=" / ".join(MIRRORS.get(known.name, ()))))
    else:
        lines.append(t("ropero does not download {name}. Download {files}", name=known.name, files=files))
    lines.append(t("into a folder, and say where it is: {name}=FOLDER, or ROPERO_DATA.", name=known.name))
    return "\n".join(lines)
