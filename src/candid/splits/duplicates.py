"""Groups of photos that show the same picture: exact and near duplicates.

Photos with the same bytes are duplicates. Other candidates are pairs with a similar perceptual
hash, plain or mirrored (re-encoded and shrunken copies), and nearest neighbours by embedding
(cropped and mirrored copies); `candid.splits.registration` verifies them.

Two photos of different classes must be alike in every place: the same face happy and sad is what a
classifier has to tell apart. Within a class a wrong join costs nothing, but a missed copy leaks.
Pictures are processed in the order of their content, so that nothing depends on names.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from struct import pack, unpack
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import LARGE_MATRIX, matmul, one_thread
from candid.core.progress import Progress, Silent
from candid.core.stored_rows import ManyRows
from candid.core.threads import num_cores
from candid.features.extract import Features, Thumbnails
from candid.splits.neighbours import Rows, near_pairs, unique_pairs
from candid.splits.registration import (
    DETAIL_CORRELATION,
    WINDOW_CORRELATION,
    Likeness,
    Match,
    compare_details,
    match_pairs,
)

#: Nearest neighbours by embedding that are candidates.
NUM_NEIGHBOURS = 16
#: Least cosine of two embeddings that are neighbours.
MIN_COSINE = 0.4
#: Most bits of 64 in which the perceptual hashes of candidates differ.
MAX_HASH_BITS = 10
_MAX_HASH_NEIGHBOURS = 16  # a thousand blank pages must not become a million candidates
_BLOCK = 1024
_HASH_SIDE = 8
_CACHE_KIND = "likeness:1"  # another number when the comparison changes


@dataclass(frozen=True)
class Copy:
    """Two photos that show the same picture; exact copies have the same bytes."""

    first: int  # index in the catalog's photos, less than the second
    second: int
    kind: Literal["exact", "near"]
    correlation: float  # of their details; 1 for the same bytes


@dataclass(frozen=True)
class _Pictures:
    """The m different contents in order of their SHA-256, with their classes and first photos."""

    contents: Sequence[str]
    labels: Sequence[frozenset[str]]
    places: NDArray[np.int64]
    thumbnails: Thumbnails

    def take(self, which: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Thumbnails, uint8 ``(k, s, s)``."""
        if len(self.contents) <= _BLOCK:
            return self._all[which]
        return self.thumbnails.get([self.contents[number] for number in which])

    @cached_property
    def _all(self) -> NDArray[np.uint8]:
        """Of few pictures all, as they are asked for five times."""
        return self.thumbnails.get(self.contents)


@dataclass(frozen=True)
class Groups:
    """The photos of a catalog, grouped by the picture they show.

    Attributes:
        of_photo: int64 ``(n,)``, the number of the picture that each photo shows, from 0.
        copies: The pairs of duplicates.
    """

    of_photo: NDArray[np.int64]
    copies: tuple[Copy, ...]

    @property
    def num_pictures(self) -> int:
        """The number of different pictures."""
        return int(self.of_photo.max()) + 1 if len(self.of_photo) else 0


def find_duplicates(features: Features, *, progress: Progress | None = None) -> Groups:
    """Group the photos that show the same picture; a photo without copies is its own group."""
    photos = features.catalog.photos
    if not photos:
        return Groups(np.empty(0, np.int64), ())
    first: dict[str, int] = {}
    labels: dict[str, frozenset[str]] = {}
    alone = {name: frozenset((name,)) for name in features.catalog.classes}
    exact: list[Copy] = []
    for place, photo in enumerate(photos):
        label = alone.setdefault(photo.label, frozenset((photo.label,)))
        if first.setdefault(photo.content, place) != place:
            exact.append(Copy(first[photo.content], place, "exact", 1.0))
            label |= labels[photo.content]
        labels[photo.content] = label
    contents = sorted(first)
    pictures = _Pictures(
        contents,
        [labels[content] for content in contents],
        np.array([first[content] for content in contents], np.int64),
        features.thumbnails,
    )
    near = _near_copies(pictures, features.embeddings, progress or Silent())
    copies = sorted(exact + near, key=lambda copy: (copy.first, copy.second))
    groups = connect(len(photos), [(copy.first, copy.second) for copy in copies])
    return Groups(groups, tuple(copies))


def connect(count: int, pairs: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Number the connected components of a graph with ``count`` nodes and the edges ``pairs``.

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


def _near_copies(pictures: _Pictures, embeddings: ManyRows, progress: Progress) -> list[Copy]:
    one = one_thread(embeddings.size < LARGE_MATRIX, required=False)  # `evaluate` may lack it
    with progress.step("Looking for copies", 0), one:
        by_embedding = Rows(embeddings, pictures.places)
        pairs = near_pairs(by_embedding, by_embedding, count=NUM_NEIGHBOURS, least=MIN_COSINE)
        pairs = unique_pairs([pairs, *_pairs_by_hash(pictures)], len(pictures.contents))
        matches = match_pairs(pairs, pictures.take)
    candidates = np.flatnonzero(matches.correlation >= WINDOW_CORRELATION)
    found: list[Copy] = []
    with progress.step("Comparing similar photos", len(candidates)) as advance:
        for start in range(0, len(candidates), _BLOCK):
            block = candidates[start : start + _BLOCK]
            compared = _compare(pairs[block], [matches[pair] for pair in block], pictures)
            for (a, b), likeness in zip(pairs[block].tolist(), compared, strict=True):
                everywhere = not pictures.labels[a] & pictures.labels[b]  # no class has both
                correlation = likeness.of_copy(everywhere=everywhere)
                if correlation >= DETAIL_CORRELATION:
                    first, second = sorted((int(pictures.places[a]), int(pictures.places[b])))
                    found.append(Copy(first, second, "near", correlation))
            advance(len(block))
    return found


def _compare(
    pairs: NDArray[np.int64], matches: Sequence[Match], pictures: _Pictures
) -> list[Likeness]:
    """How alike the pictures of pairs are: from the cache, or in threads and into it."""
    cache, kind = pictures.thumbnails.cache, f"{_CACHE_KIND}:{pictures.thumbnails.kind}"
    names = [
        "-".join(map(str, (pictures.contents[a], pictures.contents[b], *map(int, match[1:]))))
        for (a, b), match in zip(pairs.tolist(), matches, strict=True)
    ]
    stored = cache.get(kind, names)
    known = {name: Likeness(*unpack("<2d", value)) for name, value in stored if len(value) == 16}
    missing = [place for place, name in enumerate(names) if name not in known]
    if missing:
        compared = _compute(pairs[missing], [matches[place] for place in missing], pictures)
        fresh = dict(zip([names[place] for place in missing], compared, strict=True))
        cache.put(kind, [(name, pack("<2d", *likeness)) for name, likeness in fresh.items()])
        known |= fresh
    return [known[name] for name in names]


def _compute(
    pairs: NDArray[np.int64], matches: Sequence[Match], pictures: _Pictures
) -> list[Likeness]:
    involved, rows = np.unique(pairs, return_inverse=True)
    grey = pictures.take(involved)
    sides = grey[rows.reshape(pairs.shape)]
    with ThreadPoolExecutor(num_cores()) as pool:
        return list(pool.map(compare_details, sides[:, 0], sides[:, 1], matches))


def perceptual_hash(thumbnails: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Perceptual hash: the signs of low frequencies, after Zauner's pHash (2010).

    8×8 coefficients of the cosine transform, without the constant one, relative to their median.

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


def _pairs_by_hash(pictures: _Pictures) -> list[NDArray[np.int64]]:
    """Pairs with similar hashes, plain or mirrored."""
    every = np.arange(len(pictures.contents))
    plain = np.empty((len(every), _HASH_SIDE**2), np.int8)
    mirrored = np.empty_like(plain)
    for start in range(0, len(every), _BLOCK):
        thumbnails = pictures.take(every[start : start + _BLOCK])
        plain[start : start + _BLOCK] = perceptual_hash(thumbnails)
        mirrored[start : start + _BLOCK] = perceptual_hash(thumbnails[:, :, ::-1])
    least = 1 - 2 * MAX_HASH_BITS / _HASH_SIDE**2  # the cosine of two rows of -1 and 1
    return [
        near_pairs(Rows(hashes, every), Rows(plain, every), count=_MAX_HASH_NEIGHBOURS, least=least)
        for hashes in (plain, mirrored)
    ]
