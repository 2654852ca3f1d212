"""What the classes of a source are called, and in which order; also EMNIST's lying pictures set upright.

Takes what a reader found (`Raw`) and what the user asked for; reads no data itself, but for a `classes.txt` beside it.
Legend: N images, K classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ropero.data.known import FASHION, FASHION_FINGERPRINTS, KNOWN, Known, fingerprint
from ropero.data.raw import CLASS_FILES, LIMIT_CLASSES, Raw, RawPart
from ropero.errors import DataError
from ropero.texts import joined, t

_TELLING = re.compile(
    r"(?P<emnist>emnist[-_ ]?(?P<kind>digits|letters|balanced|byclass|bymerge|mnist))"
    r"|(?P<fashion>fashion)|(?P<kmnist>kmnist|kuzushiji)|(?P<mnist>mnist)",
    re.IGNORECASE,
)
_NAMES_BYTES = 64 << 10


@dataclass(frozen=True, eq=False)
class Named:
    """A source with its name and class names: labels are in 0..K-1, pictures stand upright.

    `known` is the known source it turned out to be, None for data of one's own.
    """

    name: str
    classes: tuple[str, ...]
    parts: Mapping[str, RawPart]
    known: Known | None = None


def name_it(raw: Raw, place: Path, wanted: Known | None = None) -> Named:
    """Decide what the source is and what its classes are called.

    Class names come, in this order, from `classes.txt` or `labels.txt` beside the data, from the data, from the known
    source that was asked for or recognised (by file names, by content, by folder names), and else are "0", "1"...

    Raises:
        DataError: labels out of range, or a classes.txt that does not fit.
    """
    name = place.name.lstrip(".").split(".")[0] or "data"
    own = _class_file(place)
    if raw.classes is not None and not _only_numbers(raw):
        return _with_own_names(raw, name, own)
    known = _usable(raw, wanted) or _recognise(raw, place)
    parts = raw.parts
    if known:
        parts = {part: _as_published(one, known, raw.stored_raw) for part, one in parts.items()}
        name = known.name
    count = len(own) if own else len(known.classes) if known else _count(raw)
    for one in parts.values():
        _check_labels(one, count)
    classes = own or (known.classes if known else tuple(map(str, range(count))))
    return Named(name, classes, parts, known)


def _only_numbers(raw: Raw) -> bool:
    return raw.classes == tuple(map(str, range(len(raw.classes or ()))))


def _is_small_grey(raw: Raw) -> bool:
    return all(one.images.shape[1:] == (28, 28) for one in raw.parts.values())


def _usable(raw: Raw, wanted: Known | None) -> Known | None:
    return wanted if wanted and _is_small_grey(raw) else None


def _recognise(raw: Raw, place: Path) -> Known | None:
    if not _is_small_grey(raw):
        return None
    if raw.known_as in KNOWN:
        return KNOWN[raw.known_as]
    top = max(int(one.labels.max()) for one in raw.parts.values())
    if top == 9 and any(fingerprint(one.images, one.labels) in FASHION_FINGERPRINTS for one in raw.parts.values()):
        return KNOWN[FASHION]
    for name in (*(one.path.name for one in raw.parts.values()), place.name, place.parent.name):
        if match := _TELLING.search(name):
            told = f"emnist-{match['kind'].lower()}" if match["kind"] else match.lastgroup or ""
            known = KNOWN[{"fashion": FASHION}.get(told, told)]
            if top < len(known.classes) + known.first_label:
                return known
    return None


def _as_published(part: RawPart, known: Known, stored_raw: bool) -> RawPart:
    images, labels = part.images, part.labels
    if known.transposed and stored_raw:
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    if known.first_label and (stored_raw or int(labels.max()) == len(known.classes)):
        labels = labels - known.first_label
        if (labels < 0).any():
            row = int(np.argmax(labels < 0))
            raise DataError(
                t(
                    "{path}: label {label} of image {row} is out of range: expected {first} to {last}.",
                    path=part.path,
                    label=int(part.labels[row]),
                    row=row,
                    first=known.first_label,
                    last=len(known.classes) - 1 + known.first_label,
                )
            )
    return replace(part, images=images, labels=labels)


def _count(raw: Raw) -> int:
    """K of unnamed labels: what the train part shows, where most numbers up to the largest occur."""
    labels = raw.parts["train"].labels
    top = int(labels.max())
    found = len(np.unique(labels))
    if top >= LIMIT_CLASSES or (top >= 10 and found < (top + 1) / 2):
        raise DataError(
            t(
                "{path}: label {label} of image {row} looks wrong: only {found} of the labels 0 to {label} occur. "
                "If it is right, name the classes in a file classes.txt beside the data, one a line.",
                path=raw.parts["train"].path,
                label=top,
                row=int(np.argmax(labels)),
                found=found,
            )
        )
    return max(2, top + 1)


def _check_labels(part: RawPart, count: int) -> None:
    wrong = np.flatnonzero(part.labels >= count)
    if len(wrong):
        raise DataError(
            t(
                "{path}: label {label} of image {row} is out of range: expected {first} to {last}.",
                path=part.path,
                label=int(part.labels[wrong[0]]),
                row=int(wrong[0]),
                first=0,
                last=count - 1,
            )
        )


def _with_own_names(raw: Raw, name: str, own: tuple[str, ...] | None) -> Named:
    """Names that the data brings; `classes.txt` may put them in order, and garments go in Fashion-MNIST's order."""
    classes = raw.classes or ()
    for one in raw.parts.values():
        _check_labels(one, len(classes))
    garments = KNOWN[FASHION].classes
    plain = tuple(map(bare_name, classes))
    if own and set(own) == set(classes):
        return Named(name, own, _relabel(raw, classes, own))
    if own:
        raise DataError(
            t(
                "The names in classes.txt are not those of the data: expected {expected}, got {got}.",
                expected=joined(classes[:12]),
                got=joined(own[:12]),
            )
        )
    if set(plain) == set(map(bare_name, garments)) and len(plain) == len(garments):
        parts = _relabel(raw, plain, tuple(map(bare_name, garments)))
        known = KNOWN[FASHION] if _is_small_grey(raw) else None
        return Named(known.name if known else name, garments, parts, known)
    return Named(name, classes, raw.parts)


def bare_name(name: str) -> str:
    """A class name without case, spaces and marks: "T - shirt / top" and "T-shirt_top" are one name."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _relabel(raw: Raw, old: tuple[str, ...], new: tuple[str, ...]) -> dict[str, RawPart]:
    moved = np.array([new.index(name) for name in old], np.int64)
    return {part: replace(one, labels=moved[one.labels]) for part, one in raw.parts.items()}


def _class_file(place: Path) -> tuple[str, ...] | None:
    """The names in a classes.txt or labels.txt in the folder of the data, None when there is none."""
    for path in _beside(place):
        try:
            with path.open("rb") as file:
                text = file.read(_NAMES_BYTES + 1)
            names = tuple(line.strip() for line in text.decode("utf-8-sig").splitlines() if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(t("Cannot read {path}: {reason}", path=path, reason=error)) from error
        if len(text) > _NAMES_BYTES or not 2 <= len(names) <= LIMIT_CLASSES or len(set(names)) != len(names):
            raise DataError(
                t(
                    "{path}: expected at least two different class names, one a line, got {n} lines. "
                    "Rename the file if it is something else.",
                    path=path,
                    n=len(names),
                )
            )
        return names
    return None


def _beside(place: Path) -> Iterator[Path]:
    folder = place if place.is_dir() else place.parent
    yield from (folder / name for name in CLASS_FILES if (folder / name).is_file())
