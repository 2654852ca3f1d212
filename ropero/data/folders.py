"""Folders of pictures, a folder a class: directly, or below folders for train, validation and test.

Knows the layouts; `pictures.py` knows how to decode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ropero.data import pictures
from ropero.data.raw import CLASS_FILES, LIMIT_CLASSES, PART_WORDS, Progress, Raw, RawPart
from ropero.errors import DataError
from ropero.texts import joined, mark, t

# Why a file is passed over; the keys of `Splits.skipped`.
HIDDEN = mark("hidden file")
NOT_PICTURE = mark("not a picture")
OUTSIDE = mark("outside the class folders")


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder, nothing decoded yet.

    Args:
        root: the folder the layout begins at.
        files: for each part its pictures in order: (path, label).
        classes: the K class names: the folder names, in order.
        skipped: files passed over, by reason.
    """

    root: Path
    files: dict[str, list[tuple[Path, int]]]
    classes: tuple[str, ...]
    skipped: dict[str, int] = field(default_factory=dict)


def read_images(root: Path, *, image_size: int | None = None, progress: Progress | None = None) -> Raw:
    """All pictures of a folder, decoded and made one size (see `pictures.gather`).

    Raises:
        DataError: an unknown layout, an empty class, a picture that cannot be decoded, or too much for the memory.
    """
    listing = scan(root)
    sources: list[pictures.Source] = [(str(path), path) for one in listing.files.values() for path, _ in one]
    images = pictures.gather(sources, image_size=image_size, what=root.name, progress=progress)
    parts: dict[str, RawPart] = {}
    start = 0
    for part, files in listing.files.items():
        labels = np.array([label for _, label in files], np.int64)
        parts[part] = RawPart(images[start : start + len(files)], labels, listing.root)
        start += len(files)
    return Raw(parts, classes=listing.classes, skipped=listing.skipped)


def scan(root: Path) -> Listing:
    """The pictures of a folder in any usual layout, by part and class; hidden files and other files are counted.

    Classes are in the order of their names, whole numbers in the order of their values. A folder that holds nothing
    but one folder is seen through, as archives often unpack so.

    Raises:
        DataError: an unknown layout, an empty class folder, or a class that the train part lacks.
    """
    skipped: Counter[str] = Counter()
    try:
        top = _see_through(root)
        folders = _split(top)
        files, classes = _classes_of(folders, skipped)
        seen = {folder for one in folders.values() for folder in one.values()}
        _count_outside(root, seen, skipped)
    except OSError as error:
        raise DataError(t("Cannot read {path}: {reason}", path=root, reason=error.strerror or error)) from error
    return Listing(top, files, classes, dict(skipped))


def _visible(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not _is_hidden(path)]


def _is_hidden(path: Path) -> bool:
    # __MACOSX is what macOS adds to the archives it packs.
    return path.name.startswith(".") or path.name in ("__MACOSX", "Thumbs.db", "desktop.ini")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in pictures.SUFFIXES


def _see_through(root: Path) -> Path:
    while True:
        inner = _visible(root)
        alone = len(inner) == 1 and inner[0].name.lower() not in PART_WORDS
        if not alone or any(map(_is_picture, root.iterdir())) or not _visible(inner[0]):
            return root
        root = inner[0]


def _split(root: Path) -> dict[str, dict[str, Path]]:
    """For each part, its class folders by name. A folder is a part only when its whole name says so: "test shirts" is a
    class.
    """
    inner = _visible(root)
    named = [folder for folder in inner if folder.name.lower() in PART_WORDS]
    if not inner or (not named and any(_holds_parts(folder) for folder in inner)):
        raise unknown_layout(root)
    if not named:
        return {"train": {folder.name: folder for folder in inner}}
    parts: dict[str, dict[str, Path]] = {}
    for folder in named:
        part = PART_WORDS[folder.name.lower()]
        if part in parts:
            raise DataError(t("{path} has more than one folder for the {part} part.", path=root, part=part))
        parts[part] = {one.name: one for one in _visible(folder)}
        if not parts[part]:
            raise unknown_layout(root, folder)
    if "train" not in parts:
        raise unknown_layout(root)
    return {part: parts[part] for part in ("train", "validation", "test") if part in parts}


def holds_pictures(root: Path, depth: int = 3) -> bool:
    """Whether some folder below this one, a few floors down, holds a picture."""
    return any(
        any(map(_is_picture, folder.iterdir())) or (depth > 1 and holds_pictures(folder, depth - 1))
        for folder in _visible(root)
    )


def _holds_parts(folder: Path) -> bool:
    return any(inner.name.lower() in PART_WORDS for inner in _visible(folder))


def unknown_layout(root: Path, where: Path | None = None) -> DataError:
    """The error that shows what a folder of pictures should look like, and what was found instead."""
    found = joined(path.name + ("/" if path.is_dir() else "") for path in sorted((where or root).iterdir())[:6])
    return DataError(
        t(
            "{path} is not laid out in a way ropero knows. Expected one of:\n"
            "  {name}/<class>/<pictures>\n"
            "  {name}/train/<class>/<pictures> and {name}/test/<class>/<pictures> (validation/ is welcome too)\n"
            "or IDX, .csv, .npz or .parquet files. Found in {where}: {found}.\n"
            "Rename the folders so, or move each class's pictures into a folder of its own.",
            path=root,
            name=root.name or "data",
            where=where or root,
            found=found or t("nothing"),
        ),
        lines=True,
    )


def _order(names: set[str]) -> tuple[str, ...]:
    if all(name.isascii() and name.isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _classes_of(
    folders: dict[str, dict[str, Path]], skipped: Counter[str]
) -> tuple[dict[str, list[tuple[Path, int]]], tuple[str, ...]]:
    classes = _order(set(folders["train"]))
    if len(classes) > LIMIT_CLASSES:
        raise DataError(t("{n} class folders: expected {limit} at the most.", n=len(classes), limit=LIMIT_CLASSES))
    if len(classes) < 2:
        raise DataError(
            t(
                "{path} is the only class folder: expected at least two.",
                path=next(iter(folders["train"].values())),
            )
        )
    files: dict[str, list[tuple[Path, int]]] = {}
    for part, by_name in folders.items():
        files[part] = []
        for name in _order(set(by_name)):
            if name not in classes:
                raise DataError(
                    t(
                        "{path}: the train part has no class {name!r}; it has: {known}.",
                        path=by_name[name],
                        name=name,
                        known=joined(classes[:12]),
                    )
                )
            found = list(_pictures(by_name[name], skipped))
            if not found:
                raise DataError(
                    t("{path} holds no pictures. Put some into it, or remove the folder.", path=by_name[name])
                )
            files[part] += [(path, classes.index(name)) for path in found]
    return files, classes


def _pictures(folder: Path, skipped: Counter[str]) -> Iterator[Path]:
    """The pictures of a class folder and of the folders below it, in order; links to folders are not followed."""
    for path in sorted(folder.iterdir()):
        if _is_hidden(path):
            skipped[HIDDEN] += 1
        elif path.is_dir():
            if not path.is_symlink():
                yield from _pictures(path, skipped)
        elif _is_picture(path):
            yield path
        else:
            skipped[NOT_PICTURE] += 1


def _count_outside(root: Path, seen: set[Path], skipped: Counter[str]) -> None:
    """Counts the files that lie beside the class folders."""
    for path in root.iterdir():
        if path in seen or path.name.lower() in CLASS_FILES:
            continue
        if _is_hidden(path):
            skipped[HIDDEN] += 1
        elif path.is_dir():
            if not path.is_symlink():
                _count_outside(path, seen, skipped)
        else:
            skipped[OUTSIDE if _is_picture(path) else NOT_PICTURE] += 1
