"""What Candid sees in each photo: an embedding and a thumbnail, computed once a content.

    bytes ─ decode ─▶ pixels ─┬─ backbone ──▶ embedding   (n, d) float32, in memory
                              ├─ colours_of ▶ colours     (n, c) float32, in memory
                              └─ shrink ────▶ thumbnail   64×64 grey, in the cache until asked for

All go into the cache under the photo's content, so a second run reads no photo again.

How bright and how colourful a picture is, in a few numbers, and nothing of what is where in it.

What a class can be told apart by, when a camera, a light or a background gives it away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache
from candid.core.linalg import matmul
from candid.core.progress import Progress, Silent
from candid.core.threads import map_ahead
from candid.data.catalog import Catalog, Skipped
from candid.data.file_reader import FileReader
from candid.data.images import PixelContract, decode
from candid.errors import CandidError, ImageError

_NUM_BINS: Final = 8  # of the histogram of brightness
#: Mean and standard deviation of brightness, red, green, blue and saturation, and the histogram.
NUM_COLOURS: Final = 2 * 5 + _NUM_BINS

_MOST_PIXELS = 64  # of a row or column that are looked at
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV and Pillow use it


def colours_of(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Measure brightness, colour and saturation of a picture.

    Every pixel counts alike, wherever it is: shuffled pixels have the same colours. Of a picture
    with more than 64 pixels a side, an even grid of pixels is looked at.

    Args:
        pixels: uint8 ``(h, w, 3)``, RGB.

    Returns:
        float32 ``(NUM_COLOURS,)``, each from 0 to 1: mean and standard deviation of brightness
        (ITU-R BT.601), red, green, blue and saturation (of HSV), then the share of the pixels in
        each of 8 equal ranges of brightness, dark to bright.
    """
    height, width = (max(1, -(-side // _MOST_PIXELS)) for side in pixels.shape[:2])
    channels = np.ascontiguousarray(pixels[::height, ::width].reshape(-1, 3).T)
    scaled = channels.astype(np.float32) / np.float32(255)
    brightness = matmul(_LUMA, scaled)
    highest, lowest = scaled.max(axis=0), scaled.min(axis=0)
    saturation = (highest - lowest) / np.maximum(highest, np.float32(1e-6))
    properties = np.stack([brightness, *scaled, saturation])
    bins = np.minimum((brightness * _NUM_BINS).astype(np.intp), _NUM_BINS - 1)
    shares = np.bincount(bins, minlength=_NUM_BINS) / len(bins)
    parts = (properties.mean(axis=1), properties.std(axis=1), shares)
    return np.concatenate(parts).astype(np.float32)


#: Height and width of a thumbnail.
THUMBNAIL_PX = 64
_CHUNK = 2  # photos that one thread decodes and embeds at a time; bounds the pixels in memory
_CHUNKS_AHEAD = 16
_KEEP_EVERY = 64  # photos that are lost to the cache at most when the process is killed


class Embeds(Protocol):
    """An embedder: see `candid.features.backbones.registry.Embedder`."""

    fingerprint: str

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed uint8 ``(n, s, s, 3)`` pictures as float32 ``(n, d)``."""
        ...


@dataclass(frozen=True)
class Features:
    """What was seen in a catalog's photos.

    Attributes:
        catalog: The photos that could be read; the others are among its ``skipped``.
        embeddings: float32 ``(n, d)``, a row a photo, in the catalog's order.
        thumbnails: Gives the thumbnails of some contents.
        colours: float32 ``(n, c)``, brightness and colour of each; see `candid.features.extract`.
    """

    catalog: Catalog
    embeddings: NDArray[np.float32]
    thumbnails: Thumbnails
    colours: NDArray[np.float32]


@dataclass(frozen=True)
class Thumbnails:
    """Grey thumbnails by content, read from the cache when they are asked for."""

    cache: Cache
    kind: str

    def get(self, contents: Sequence[str]) -> NDArray[np.uint8]:
        """Thumbnails, uint8 ``(n, 64, 64)``, in the order asked for."""
        found = dict(self.cache.get(self.kind, list(dict.fromkeys(contents))))
        if not found.keys() >= set(contents):  # a full disk, or somebody emptied it meanwhile
            raise CandidError(
                "the cache lost rows while it was in use. Free some disk space, or point "
                "CANDID_CACHE at another folder, and run the command again."
            )
        shape = (THUMBNAIL_PX, THUMBNAIL_PX)
        return np.stack([np.frombuffer(found[c], np.uint8).reshape(shape) for c in contents])


def extract_features(
    catalog: Catalog,
    embedder: Embeds,
    contract: PixelContract,
    *,
    cache: Cache,
    reader: FileReader | None = None,
    progress: Progress | None = None,
) -> Features:
    """Decode and embed every photo that the cache does not know yet.

    Args:
        catalog: The photos.
        embedder: Turns pixels into embeddings.
        contract: How photos become pixels; its size is the embedder's.
        cache: Where embeddings and thumbnails are kept.
        reader: That of the scan, which may hold what it has read, and lets go of it here.
        progress: Told how far it is.

    Returns:
        The features of the photos that gave pixels.
    """
    kinds = _Kinds.of(contract, embedder)
    files = {photo.content: catalog.file(photo) for photo in catalog.photos}
    contents = list(files)
    known = _known(cache, kinds, contents)
    missing = {content: file for content, file in files.items() if content not in known}
    reader = reader or FileReader()
    reasons: dict[str, str] = {}
    fresh: dict[str, _Seen] = {}
    if missing:
        with (progress or Silent()).step("Looking at the photos", len(missing)) as advance:
            try:
                for batch in _look_at(missing, embedder, contract, reader):
                    fresh |= batch.seen
                    known |= {c: (seen.embedding, seen.colours) for c, seen in batch.seen.items()}
                    reasons |= batch.reasons
                    advance(len(batch.seen) + len(batch.reasons))
                    if len(fresh) >= _KEEP_EVERY:
                        _keep(cache, kinds, fresh)
            finally:  # Ctrl-C or an error: what was seen by then is kept
                _keep(cache, kinds, fresh)
    reader.release()
    return _gather(catalog, known, reasons, Thumbnails(cache, kinds.thumbnail))


@dataclass(frozen=True)
class _Kinds:
    """Under which names the cache keeps what was seen."""

    embedding: str
    thumbnail: str
    colours: str

    @classmethod
    def of(cls, contract: PixelContract, embedder: Embeds) -> _Kinds:
        return cls(
            f"embedding:{contract.key}:{embedder.fingerprint[:24]}",
            f"thumbnail:{contract.key}",
            f"colours:{contract.key}",
        )


@dataclass(frozen=True)
class _Seen:
    embedding: NDArray[np.float32]
    colours: NDArray[np.float32]
    thumbnail: bytes


@dataclass(frozen=True)
class _Batch:
    seen: dict[str, _Seen]
    reasons: dict[str, str]


_Known = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


def _keep(cache: Cache, kinds: _Kinds, fresh: dict[str, _Seen]) -> None:
    """Write what is new into the cache; the embedding last, as it says that all are there."""
    cache.put(kinds.thumbnail, [(content, seen.thumbnail) for content, seen in fresh.items()])
    cache.put(kinds.colours, [(content, seen.colours.tobytes()) for content, seen in fresh.items()])
    cache.put(
        kinds.embedding, [(content, seen.embedding.tobytes()) for content, seen in fresh.items()]
    )
    fresh.clear()


def _known(cache: Cache, kinds: _Kinds, contents: list[str]) -> _Known:
    """Embeddings and colours of the contents whose thumbnail is there too."""
    embeddings = {c: np.frombuffer(v, np.float32) for c, v in cache.get(kinds.embedding, contents)}
    colours = {
        content: np.frombuffer(value, np.float32)
        for content, value in cache.get(kinds.colours, contents)
        if len(value) == NUM_COLOURS * 4
    }
    size = THUMBNAIL_PX * THUMBNAIL_PX
    whole = {
        content for content, value in cache.get(kinds.thumbnail, contents) if len(value) == size
    }
    return {
        content: (row, colours[content])
        for content, row in embeddings.items()
        if content in whole and content in colours
    }


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Make the thumbnail, uint8 ``(64, 64)`` grey, of a picture, uint8 ``(s, s, 3)`` RGB."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _look_at(
    files: dict[str, Path], embedder: Embeds, contract: PixelContract, reader: FileReader
) -> Iterator[_Batch]:
    """Decode and embed in threads.

    Each thread takes a few photos all the way, with one thread in the embedder: on two cores that
    is 1.6 times faster than decoding in some threads while others share one picture's layers.
    """
    items = iter(files.items())
    chunks = iter(lambda: dict(islice(items, _CHUNK)), {})
    work = partial(_look_at_some, embedder=embedder, contract=contract, reader=reader)
    return map_ahead(work, chunks, num_ahead=_CHUNKS_AHEAD)


def _look_at_some(
    files: dict[str, Path], embedder: Embeds, contract: PixelContract, reader: FileReader
) -> _Batch:
    pixels: dict[str, NDArray[np.uint8]] = {}
    reasons: dict[str, str] = {}
    for content, file in files.items():
        try:
            pixels[content] = decode(reader.read(file, content), contract)
        except ImageError as error:
            reasons[content] = str(error)
    if not pixels:
        return _Batch({}, reasons)
    rows = embedder.embed(np.stack(list(pixels.values())))
    seen = {
        content: _Seen(row, colours_of(picture), shrink(picture).tobytes())
        for (content, picture), row in zip(pixels.items(), rows, strict=True)
    }
    return _Batch(seen, reasons)


def _gather(
    catalog: Catalog, known: _Known, reasons: dict[str, str], thumbnails: Thumbnails
) -> Features:
    unreadable = [
        Skipped(photo.path, reasons[photo.content])
        for photo in catalog.photos
        if photo.content in reasons
    ]
    readable = catalog.without(unreadable)
    rows = [known[photo.content] for photo in readable.photos]
    embeddings = np.stack([row for row, _ in rows]) if rows else np.empty((0, 0), np.float32)
    colours = np.stack([row for _, row in rows]) if rows else np.empty((0, NUM_COLOURS), np.float32)
    return Features(readable, embeddings, thumbnails, colours)
