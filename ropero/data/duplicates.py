"""Images that occur twice, or nearly, inside a part and across parts.

Knows arrays only. Exact duplicates are equal in every pixel. Near duplicates are different images whose pixels
correlate: the cosine of the two images, each less its own mean, is at least NEAR_COSINE. So the same picture a little
brighter, or saved again with loss, counts; a garment moved by a pixel mostly does not.
The threshold comes from looking at Fashion-MNIST: from 0.995 up the pairs are one garment pictured twice, in another
colour perhaps (91 pairs in all 70,000 images); from 0.99 up most are different trousers of one cut (499 pairs), from
0.98 up nearly all are (12,078 pairs).
Legend: R images compared, D pixels of an image, d dimensions kept, M pairs listed.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ropero.data.dataset import Dataset, Images, Labels
from ropero.data.raw import Progress
from ropero.texts import t

Floats = NDArray[np.float32]

NEAR_COSINE = 0.995
LISTED = 200  # pairs listed of each kind; the totals count all

_DIMENSIONS = 128
_SAMPLE = 2048  # images that the dimensions to keep are found from
_DIRECT = 1 << 22  # so few pixels in all are compared in full
_ROWS, _COLUMNS = 1024, 4096  # of a block of cosines: 16 MB
_SLACK = 1e-4  # float32 sums of a few hundred products are right to about 1e-6
_CHECKED = 512  # candidates checked exactly at once
_CANDIDATES = 20_000_000  # beyond this the data is one picture over and over, and counting on would take hours


@dataclass(frozen=True, eq=False)
class Pairs:
    """The duplicates of one kind between two parts, or inside one.

    Args:
        kind: "exact" or "near".
        parts: the two parts, the same name twice for pairs inside one.
        total: how many pairs there are; `same_label` and `different_label` sum to it.
        rows: (M, 2), the rows of origin of the listed pairs: those of different labels first, then the most alike.
        same: (M,), whether the two have the same label.
        cosine: (M,), 1 for exact pairs.
        complete: False when counting was given up; `total` is then a lower bound.
    """

    kind: str
    parts: tuple[str, str]
    total: int
    same_label: int
    different_label: int
    rows: Labels
    same: NDArray[np.bool_]
    cosine: Floats
    complete: bool = True

    def to_json(self) -> dict[str, object]:
        """All of it as JSON types, a listed pair as [row, row, same label, cosine]."""
        listed = zip(self.rows.tolist(), self.same.tolist(), self.cosine.tolist(), strict=True)
        return {
            "kind": self.kind,
            "parts": list(self.parts),
            "total": self.total,
            "same_label": self.same_label,
            "different_label": self.different_label,
            "complete": self.complete,
            "listed": [[*rows, same, round(cosine, 5)] for rows, same, cosine in listed],
        }


@dataclass
class _Found:
    """Pairs of one kind between two parts while they are being collected."""

    same_label: int = 0
    different_label: int = 0
    pairs: list[tuple[bool, float, int, int]] = field(
        default_factory=list
    )  # (same, -cosine, row, row): sorts as listed

    def shorten(self, limit: int) -> None:
        self.pairs = sorted(self.pairs)[:limit]

    def freeze(self, kind: str, parts: tuple[str, str], limit: int, complete: bool) -> Pairs:
        self.shorten(limit)
        return Pairs(
            kind,
            parts,
            self.same_label + self.different_label,
            self.same_label,
            self.different_label,
            np.array([pair[2:] for pair in self.pairs], np.int64).reshape(-1, 2),
            np.array([pair[0] for pair in self.pairs], np.bool_),
            np.array([-pair[1] for pair in self.pairs], np.float32),
            complete,
        )


def find_duplicates(
    parts: Mapping[str, Dataset],
    *,
    near_cosine: float = NEAR_COSINE,
    listed: int = LISTED,
    progress: Progress | None = None,
) -> tuple[Pairs, ...]:
    """Exact and near duplicates inside each part and across each two parts, in the order of `parts`.

    Near ones are sought among the different images of each part: of images that are equal, one takes part. Images of
    one colour have no correlation and take no part. All pairs are compared: blocks of float32 products of the images
    projected to 128 dimensions bound each cosine from above, and the pairs that pass are computed in full.
    """
    names = list(parts)
    combinations = list(itertools.combinations_with_replacement(range(len(names)), 2))
    groups = _equal_groups(list(parts.values()))
    exact = _exact(groups, list(parts.values()), listed)
    near, complete = _near(groups, list(parts.values()), near_cosine, listed, progress)
    return tuple(
        found[pair].freeze(kind, (names[pair[0]], names[pair[1]]), listed, kind == "exact" or complete)
        for kind, found in (("exact", exact), ("near", near))
        for pair in combinations
    )


# For each different image: where it occurs, as (part, position).
_Groups = list[list[tuple[int, int]]]
_FoundByParts = dict[tuple[int, int], _Found]


def _equal_groups(parts: list[Dataset]) -> _Groups:
    groups: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for number, part in enumerate(parts):
        for position, image in enumerate(np.ascontiguousarray(part.images)):
            groups[hashlib.blake2b(image.data, digest_size=16).digest()].append((number, position))
    return list(groups.values())


def _exact(groups: _Groups, parts: list[Dataset], listed: int) -> _FoundByParts:
    found: _FoundByParts = defaultdict(_Found)
    for group in groups:
        if len(group) < 2:
            continue
        counts = Counter((number, int(parts[number].labels[position])) for number, position in group)
        for (a, x), (b, y) in itertools.combinations_with_replacement(sorted(counts), 2):
            n, m = counts[a, x], counts[b, y]
            pairs = n * (n - 1) // 2 if (a, x) == (b, y) else n * m
            found[a, b].same_label += pairs if x == y else 0
            found[a, b].different_label += pairs if x != y else 0
        # An image that occurs thousands of times has millions of pairs; the totals count them, the list need not.
        for (a, i), (b, j) in itertools.islice(itertools.combinations(group, 2), 50 * listed):
            same = bool(parts[a].labels[i] == parts[b].labels[j])
            found[a, b].pairs.append((same, -1.0, int(parts[a].rows[i]), int(parts[b].rows[j])))
        for one in found.values():
            if len(one.pairs) > 100 * listed:
                one.shorten(listed)
    return found


@dataclass(frozen=True, eq=False)
class _Compared:
    """The R images that are compared: which part, position and image each is; parts in order."""

    parts: list[Dataset]
    part: Labels  # (R,)
    position: Labels  # (R,)
    group: Labels  # (R,), equal for equal images of different parts

    def centred(self, chosen: Labels) -> NDArray[np.float64]:
        """(len(chosen), D): pixels less the image's mean, of length 1; zeros for an image of one colour."""
        images = np.stack([self.parts[self.part[at]].images[self.position[at]] for at in chosen])
        return _unit(images)


def _unit(images: Images) -> NDArray[np.float64]:
    pixels = images.reshape(len(images), -1).astype(np.float64)
    pixels -= pixels.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(pixels, axis=1, keepdims=True)
    np.divide(pixels, lengths, out=pixels, where=lengths > 1e-6)
    pixels[lengths[:, 0] <= 1e-6] = 0
    return pixels


def _compared(groups: _Groups, parts: list[Dataset]) -> _Compared:
    entries = sorted(
        (number, position, at) for at, group in enumerate(groups) for number, position in dict(reversed(group)).items()
    )
    table = np.array(entries, np.int64).reshape(-1, 3)
    return _Compared(parts, *table.T)


def _near(
    groups: _Groups, parts: list[Dataset], near_cosine: float, listed: int, progress: Progress | None
) -> tuple[_FoundByParts, bool]:
    found: _FoundByParts = defaultdict(_Found)
    compared = _compared(groups, parts)
    few = len(compared.part) * parts[0].images[0].size <= _DIRECT
    projected = compared.centred(np.arange(len(compared.part))).astype(np.float32) if few else _project(compared)
    seen = 0
    for pairs in _candidates(projected, near_cosine - _SLACK, progress):
        seen += len(pairs)
        if seen > _CANDIDATES:
            return found, False
        for start in range(0, len(pairs), _CHECKED):
            _check(compared, pairs[start : start + _CHECKED], near_cosine, listed, found)
    return found, True


def _project(compared: _Compared) -> Floats:
    """(R, d + 1): each unit image in d dimensions, then the length of what they leave out.

    For unit images u and v, projected to p and q, what is left out has lengths r and s, and u.v = p.q + rest.rest
    <= p.q + r s: one product of these rows bounds the cosine from above, whatever the dimensions are. Those that hold
    most of the images' variation, found by randomised subspace iteration on a sample, make the bound tight.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    count = len(compared.part)
    sample = compared.centred(np.sort(rng.permutation(count)[:_SAMPLE])).astype(np.float32)  # (S, D)
    basis = rng.standard_normal((sample.shape[1], min(_DIMENSIONS, sample.shape[1])), np.float32)
    for _ in range(3):
        basis = np.linalg.qr(sample.T @ (sample @ basis))[0]
    projected = np.empty((count, basis.shape[1] + 1), np.float32)
    for start in range(0, count, _ROWS):
        unit = compared.centred(np.arange(start, min(start + _ROWS, count))).astype(np.float32)
        kept = unit @ basis
        projected[start : start + _ROWS, :-1] = kept
        # From the pixels left out, not from 1 - |p|^2, which loses half its digits when little is left out.
        projected[start : start + _ROWS, -1] = np.linalg.norm(unit - kept @ basis.T, axis=1)
    return projected


def _candidates(projected: Floats, bound: float, progress: Progress | None) -> Iterator[Labels]:
    """(n, 2) pairs i < j whose bound reaches `bound`, block by block."""
    count = len(projected)
    for start in range(0, count, _ROWS):
        block = projected[start : start + _ROWS]
        for other in range(start, count, _COLUMNS):
            products = block @ projected[other : other + _COLUMNS].T
            hits = np.flatnonzero(products >= bound)
            if len(hits):
                i, j = np.divmod(hits, products.shape[1])
                pairs = np.stack([i + start, j + other], axis=1)
                yield pairs[pairs[:, 0] < pairs[:, 1]]
        if progress:
            progress(t("Looking for near duplicates"), min(start + _ROWS, count), count, "images")


def _check(compared: _Compared, pairs: Labels, near_cosine: float, listed: int, found: _FoundByParts) -> None:
    """Adds the pairs whose cosine, in float64 over all pixels, reaches the threshold."""
    pairs = pairs[compared.group[pairs[:, 0]] != compared.group[pairs[:, 1]]]
    if not len(pairs):
        return
    left, right = compared.centred(pairs[:, 0]), compared.centred(pairs[:, 1])
    cosines = np.einsum("nd,nd->n", left, right)
    for (i, j), cosine in zip(pairs[cosines >= near_cosine], cosines[cosines >= near_cosine], strict=True):
        a, b = int(compared.part[i]), int(compared.part[j])
        row, other = compared.position[i], compared.position[j]
        same = bool(compared.parts[a].labels[row] == compared.parts[b].labels[other])
        one = found[a, b]
        one.same_label += same
        one.different_label += not same
        one.pairs.append((same, -float(cosine), int(compared.parts[a].rows[row]), int(compared.parts[b].rows[other])))
        if len(one.pairs) > 100 * listed:
            one.shorten(listed)
