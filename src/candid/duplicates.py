"""Which photos show the same picture: a `Catalog` → groups.

Candidates come from three sides, and each pair of them has to pass `candid.alignment`:

- the same bytes (these need no proof),
- a perceptual hash, alike as it is or mirrored (finds re-encoded and shrunken copies),
- the nearest neighbours by embedding (finds cropped and mirrored ones too).

Two photos of different classes have to be alike in every place: one face happy and the same face
sad are what there is to tell apart. Within a class a wrong join costs nothing, a missed copy leaks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.alignment import DETAIL_CORRELATION, describe, same_picture
from candid.features import Features, Thumbnails
from candid.progress import Progress, Silent

#: How many nearest neighbours by embedding are looked at.
NUM_NEIGHBOURS = 16
#: Bits of 64 in which the perceptual hashes of candidates may differ.
MAX_HASH_BITS = 10
_MAX_HASH_NEIGHBOURS = 16  # a folder of a thousand blank pages is not a million candidates
_BLOCK = 1024
_MAX_PRODUCTS = 10_000_000  # in memory at a time
_MAX_DESCRIBED = 1024  # pictures whose windows are in memory at a time, 50 kB each
_HASH_SIDE = 8


@dataclass(frozen=True)
class Copy:
    """Two photos that show the same picture.

    Attributes:
        first: The place of one in the catalog's photos.
        second: The place of the other.
        kind: ``exact`` (the same bytes) or ``near``.
        correlation: How alike their details are; 1 for the same bytes.
    """

    first: int
    second: int
    kind: Literal["exact", "near"]
    correlation: float


class _Picture(NamedTuple):
    content: str
    labels: frozenset[str]


@dataclass(frozen=True)
class Groups:
    """The pictures of a catalog.

    Attributes:
        of_photo: int64 ``(n,)``, the number of the picture that each photo shows, from 0.
        copies: The pairs that made the groups.
    """

    of_photo: NDArray[np.int64]
    copies: tuple[Copy, ...]

    @property
    def num_pictures(self) -> int:
        """How many different pictures there are."""
        return int(self.of_photo.max()) + 1 if len(self.of_photo) else 0


def find_duplicates(features: Features, *, progress: Progress | None = None) -> Groups:
    """Group the photos that show the same picture.

    Args:
        features: What was seen in the photos.
        progress: Told how far it is.

    Returns:
        The groups; a photo without copies is alone in its own.
    """
    photos = features.catalog.photos
    if not photos:
        return Groups(np.empty(0, np.int64), ())
    places: dict[str, list[int]] = {}
    for place, photo in enumerate(photos):
        places.setdefault(photo.content, []).append(place)
    exact = [Copy(p[0], other, "exact", 1.0) for p in places.values() for other in p[1:]]
    first = np.array([p[0] for p in places.values()], np.int64)
    pictures = [
        _Picture(content, frozenset(photos[place].label for place in shown))
        for content, shown in places.items()
    ]
    near = _near_copies(
        pictures, features.embeddings[first], features.thumbnails, progress or Silent()
    )
    copies = exact + [Copy(int(first[a]), int(first[b]), "near", c) for a, b, c in near]
    copies.sort(key=lambda copy: (copy.first, copy.second))
    groups = connect(len(photos), [(copy.first, copy.second) for copy in copies])
    return Groups(groups, tuple(copies))


def connect(count: int, pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Number the connected components of a graph.

    Args:
        count: How many nodes there are.
        pairs: Its edges.

    Returns:
        int64 ``(count,)``, the component of each node, numbered from 0 in order of first node.
    """
    parent = list(range(count))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    _, numbers = np.unique([root(node) for node in range(count)], return_inverse=True)
    return numbers.astype(np.int64)


def _near_copies(
    pictures: list[_Picture],
    embeddings: NDArray[np.float32],
    thumbnails: Thumbnails,
    progress: Progress,
) -> list[tuple[int, int, float]]:
    """Pairs of places in ``pictures`` that show the same, with the correlation."""
    signs = _hash_all([picture.content for picture in pictures], thumbnails)
    pairs = np.unique(np.concatenate([_by_embedding(embeddings), _by_hash(*signs)]), axis=0)
    found = []
    with progress.step("Comparing look-alikes", len(pairs)) as advance:
        # Two pictures a pair at most; and where all fit at once, all pairs do.
        size = len(pairs) if len(pictures) <= _MAX_DESCRIBED else _MAX_DESCRIBED // 2
        for start in range(0, len(pairs), size or 1):
            block = pairs[start : start + size]
            found += list(_verify(block, pictures, thumbnails))
            advance(len(block))
    return found


def _verify(
    pairs: NDArray[np.int64], pictures: list[_Picture], thumbnails: Thumbnails
) -> Iterator[tuple[int, int, float]]:
    involved, places = np.unique(pairs, return_inverse=True)
    grey = thumbnails.get([pictures[place].content for place in involved])
    described = describe(grey)
    for (a, b), (i, j) in zip(pairs, places.reshape(pairs.shape), strict=True):
        two_classes = not pictures[a].labels & pictures[b].labels
        correlation = same_picture(
            grey[i], grey[j], described[i], described[j], everywhere=two_classes
        )
        if correlation >= DETAIL_CORRELATION:
            yield int(a), int(b), correlation


def perceptual_hash(thumbnails: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Hash pictures by the signs of their low frequencies.

    The method is Zauner's pHash (2010): 8×8 coefficients of the cosine transform against their
    median, without the constant one.

    Args:
        thumbnails: uint8 ``(n, s, s)`` grey.

    Returns:
        int8 ``(n, 64)`` of -1 and 1.
    """
    size = thumbnails.shape[1]
    frequency = np.arange(1, _HASH_SIDE + 1)[:, None]
    waves = np.cos(np.pi * frequency * (2 * np.arange(size) + 1) / (2 * size)).astype(np.float32)
    coefficients = waves @ thumbnails.astype(np.float32) @ waves.T
    flat = coefficients.reshape(len(thumbnails), -1)
    median = np.median(flat, axis=1, keepdims=True)
    return np.where(flat > median, 1, -1).astype(np.int8)


def _hash_all(
    contents: list[str], thumbnails: Thumbnails
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Hashes of the pictures and of their mirror images, each ``(n, 64)``."""
    plain, mirrored = [], []
    for start in range(0, len(contents), _BLOCK):
        pictures = thumbnails.get(contents[start : start + _BLOCK])
        plain.append(perceptual_hash(pictures))
        mirrored.append(perceptual_hash(pictures[:, :, ::-1]))
    return np.concatenate(plain), np.concatenate(mirrored)


def _by_hash(plain: NDArray[np.int8], mirrored: NDArray[np.int8]) -> NDArray[np.int64]:
    bits = plain.shape[1]
    least = bits - 2 * MAX_HASH_BITS  # the product of two hashes is 64 - 2 × the differing bits
    pairs = [
        _neighbours(hashes, plain, count=_MAX_HASH_NEIGHBOURS, least=least)
        for hashes in (plain, mirrored)
    ]
    return np.concatenate(pairs)


def _by_embedding(embeddings: NDArray[np.float32]) -> NDArray[np.int64]:
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = embeddings / np.maximum(length, 1e-12)
    return _neighbours(unit, unit, count=NUM_NEIGHBOURS, least=0.4)


def _neighbours(
    rows: NDArray[np.generic], others: NDArray[np.generic], *, count: int, least: float
) -> NDArray[np.int64]:
    """Pairs (lower, higher) of a row and its ``count`` largest products of ``least`` or more."""
    num_rows = len(others)
    block = max(1, min(_BLOCK, _MAX_PRODUCTS // max(num_rows, 1)))
    right = others.astype(np.float32).T
    pairs = [np.empty((0, 2), np.int64)]
    for start in range(0, num_rows, block):
        products = rows[start : start + block].astype(np.float32) @ right
        here = np.arange(len(products))
        products[here, start + here] = -np.inf
        top = np.argpartition(-products, min(count, num_rows - 1), axis=1)[:, :count]
        near = np.take_along_axis(products, top, axis=1) >= least
        row, column = np.nonzero(near)
        found = np.stack([row + start, top[row, column]], axis=1)
        pairs.append(np.sort(found, axis=1))
    return np.unique(np.concatenate(pairs), axis=0)
