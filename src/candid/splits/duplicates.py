"""Which photos show the same picture: a `Catalog` → groups.

Candidates come from three sides (`candid.splits.neighbours` finds them), and each pair of them has
to pass `candid.splits.registration`:

- the same bytes (these need no proof),
- a perceptual hash, alike as it is or mirrored (finds re-encoded and shrunken copies),
- the nearest neighbours by embedding (finds cropped and mirrored ones too).

Two photos of different classes have to be alike in every place: one face happy and the same face
sad are what there is to tell apart. Within a class a wrong join costs nothing, a missed copy leaks.

Pictures are taken in the order of their content, so that nothing depends on names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.core.progress import Progress, Silent
from candid.features.extract import Features, Thumbnails
from candid.splits.neighbours import Rows, near_pairs
from candid.splits.registration import (
    DETAIL_CORRELATION,
    WINDOW_CORRELATION,
    Match,
    detail_correlation,
    match_pairs,
)

#: How many nearest neighbours by embedding are looked at.
NUM_NEIGHBOURS = 16
#: The cosine of two embeddings from which on they may be neighbours.
MIN_COSINE = 0.4
#: Bits of 64 in which the perceptual hashes of candidates may differ.
MAX_HASH_BITS = 10
_MAX_HASH_NEIGHBOURS = 16  # a folder of a thousand blank pages is not a million candidates
_BLOCK = 1024
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


@dataclass(frozen=True)
class _Pictures:
    """The m different contents, in alphabetical order.

    Attributes:
        contents: SHA-256 of each.
        labels: The classes that each is in.
        places: int64 ``(m,)``, the first photo of each.
        thumbnails: Gives the thumbnails of some contents.
    """

    contents: Sequence[str]
    labels: Sequence[frozenset[str]]
    places: NDArray[np.int64]
    thumbnails: Thumbnails

    def take(self, which: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The thumbnails of some pictures, uint8 ``(k, s, s)``."""
        return self.thumbnails.get([self.contents[number] for number in which])

    def in_two_classes(self, a: int, b: int) -> bool:
        """Whether no class has both pictures."""
        return not self.labels[a] & self.labels[b]


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
    contents = sorted(places)
    pictures = _Pictures(
        contents,
        [frozenset(photos[place].label for place in places[content]) for content in contents],
        np.array([places[content][0] for content in contents], np.int64),
        features.thumbnails,
    )
    near = _near_copies(pictures, features.embeddings, progress or Silent())
    copies = sorted(exact + near, key=lambda copy: (copy.first, copy.second))
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
    pictures: _Pictures, embeddings: NDArray[np.float32], progress: Progress
) -> list[Copy]:
    """Pairs of different contents that show the same."""
    by_embedding = Rows(embeddings, pictures.places)
    pairs = near_pairs(by_embedding, by_embedding, count=NUM_NEIGHBOURS, least=MIN_COSINE)
    pairs = np.unique(np.concatenate([pairs, _by_hash(pictures)]), axis=0)
    matches = match_pairs(pairs, pictures.take)
    worth = np.flatnonzero(matches.correlation >= WINDOW_CORRELATION)
    found: list[Copy] = []
    with (
        progress.step("Comparing look-alikes", len(worth)) as advance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for start in range(0, len(worth), _BLOCK):
            block = worth[start : start + _BLOCK]
            compare = _comparison(pairs[block], [matches[pair] for pair in block], pictures)
            compared = pool.map(compare, range(len(block)))
            found += [copy for copy in compared if copy.correlation >= DETAIL_CORRELATION]
            advance(len(block))
    return found


def _comparison(
    pairs: NDArray[np.int64], matches: Sequence[Match], pictures: _Pictures
) -> Callable[[int], Copy]:
    """What compares the i-th of some pairs, in any thread: the cache is read beforehand."""
    involved, rows = np.unique(pairs, return_inverse=True)
    grey = pictures.take(involved)
    rows = rows.reshape(pairs.shape)

    def compare(pair: int) -> Copy:
        (a, b), (i, j) = pairs[pair], rows[pair]
        everywhere = pictures.in_two_classes(a, b)
        correlation = detail_correlation(grey[i], grey[j], matches[pair], everywhere=everywhere)
        first, second = sorted((int(pictures.places[a]), int(pictures.places[b])))
        return Copy(first, second, "near", correlation)

    return compare


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
    coefficients = matmul(waves, thumbnails.astype(np.float32), waves.T)
    flat = coefficients.reshape(len(thumbnails), -1)
    median = np.median(flat, axis=1, keepdims=True)
    return np.where(flat > median, 1, -1).astype(np.int8)


def _by_hash(pictures: _Pictures) -> NDArray[np.int64]:
    """Pairs whose hashes are alike, as they are or mirrored."""
    every = np.arange(len(pictures.contents))
    plain = np.empty((len(every), _HASH_SIDE**2), np.int8)
    mirrored = np.empty_like(plain)
    for start in range(0, len(every), _BLOCK):
        thumbnails = pictures.take(every[start : start + _BLOCK])
        plain[start : start + _BLOCK] = perceptual_hash(thumbnails)
        mirrored[start : start + _BLOCK] = perceptual_hash(thumbnails[:, :, ::-1])
    least = 1 - 2 * MAX_HASH_BITS / _HASH_SIDE**2  # the cosine of two rows of -1 and 1
    pairs = [
        near_pairs(Rows(hashes, every), Rows(plain, every), count=_MAX_HASH_NEIGHBOURS, least=least)
        for hashes in (plain, mirrored)
    ]
    return np.concatenate(pairs)
