"""Compute embedding, colour statistics, thumbnail and properties of each photo, once per content.

    bytes ─ decode ─▶ pixels ─┬─ backbone ──▶ embedding   (n, d) float32, of many photos in a file
                              ├─ colours_of ▶ colours     (n, c) float32, in memory
                              ├─ shrink ────▶ thumbnail   64×64 grey, in the cache until read
                              └─ to_row ────▶ properties  in the cache, for an audit

All are cached by content, so a second run decodes no photo again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache
from candid.core.linalg import Rows, matmul
from candid.core.progress import Progress, Silent
from candid.core.stored_rows import MANY_ROWS, ManyRows, StoredRows
from candid.data.address import ahead, num_readers
from candid.data.catalog import Catalog, Photo, Skipped
from candid.data.file_reader import FileReader
from candid.data.images import PixelContract
from candid.data.images.contract import fit_square
from candid.data.images.decode import as_image_error, decode_upright
from candid.data.location import PhotoFile
from candid.engines import Engine, Local
from candid.errors import CandidError, ImageError
from candid.features.properties import cache_kind, to_row, whole

_NUM_BINS: Final = 8  # of the brightness histogram
#: Mean and standard deviation of brightness, red, green, blue and saturation, and the histogram.
NUM_COLOURS: Final = 2 * 5 + _NUM_BINS
#: Height and width of a thumbnail.
THUMBNAIL_PX = 64

_MOST_PIXELS = 64  # per side, of the grid that colours are measured on
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as OpenCV and Pillow use it
_NUM_AHEAD = 32  # photos, so that one of a hundred megapixels keeps no thread waiting
_STORE_EVERY = 64  # photos whose features are lost at most if the process is killed


class Embeds(Protocol):
    """An embedder: see `candid.features.backbones.registry.Embedder`."""

    fingerprint: str

    def embed(self, pixels: NDArray[np.uint8]) -> Rows:
        """Embed uint8 ``(n, s, s, 3)`` pictures as float32 ``(n, d)``."""
        ...


@dataclass(frozen=True)
class Thumbnails:
    """Grey thumbnails by content, read from the cache on demand."""

    cache: Cache
    kind: str

    def get(self, contents: Sequence[str]) -> NDArray[np.uint8]:
        """Thumbnails, uint8 ``(n, 64, 64)``, in the order of the contents.

        Raises:
            CandidError: The cache has lost one, on a full disk or because it was emptied.
        """
        found = dict(self.cache.get(self.kind, list(dict.fromkeys(contents))))
        if not found.keys() >= set(contents):
            raise CandidError(
                "the cache lost rows while it was in use. Free some disk space, or point "
                "CANDID_CACHE at another folder, and run the command again."
            )
        shape = (THUMBNAIL_PX, THUMBNAIL_PX)
        return np.stack([np.frombuffer(found[c], np.uint8).reshape(shape) for c in contents])


@dataclass(frozen=True)
class Features:
    """Features of a catalog's photos."""

    catalog: Catalog  # the photos that could be decoded; the others are in its ``skipped``
    embeddings: ManyRows  # float32 ``(n, d)``, one row per photo, in the catalog's order
    thumbnails: Thumbnails  # thumbnails by content
    colours: Rows  # float32 ``(n, c)``, see `colours_of`
    contract: PixelContract = field(default_factory=PixelContract)  # how they became pixels
    fingerprint: str = ""  # the embedder's


def extract_features(
    catalog: Catalog,
    embedder: Embeds,
    contract: PixelContract,
    *,
    cache: Cache,
    reader: FileReader | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> Features:
    """Decode and embed every photo that is not in the cache.

    Args:
        catalog: The photos.
        embedder: Turns pixels into embeddings.
        contract: How photos become pixels; its size is the embedder's.
        cache: Where features are stored.
        reader: The reader of the scan, whose buffer is used and freed.
        engine: Where photos are decoded and embedded; by default in this process.
        progress: Progress callback.

    Returns:
        The features of the photos that could be decoded.
    """
    kinds = _CacheKinds(
        f"embedding:{contract.key}:{embedder.fingerprint[:24]}",
        f"thumbnail:{contract.key}",
        f"colours:{contract.key}",
        cache_kind(contract),
    )
    table = _Table(catalog, None if cache.path is None else cache.path.parent)
    _load_cached(cache, kinds, table)
    missing = table.missing(catalog)
    reader = reader or FileReader()
    reasons: dict[str, str] = {}
    fresh: dict[str, _Computed] = {}
    if missing:
        with (progress or Silent()).step("Reading the photos", len(missing)) as advance:
            try:
                for content, computed in _compute(
                    missing, embedder, contract, reader, engine or Local()
                ):
                    if isinstance(computed, str):
                        reasons[content] = computed
                    else:
                        fresh[content] = computed
                        table.put(content, computed.embedding, computed.colours)
                    advance(1)
                    if len(fresh) >= _STORE_EVERY:
                        _store(cache, kinds, fresh)
            finally:  # after Ctrl-C or an error too
                _store(cache, kinds, fresh)
    reader.release()
    thumbnails = Thumbnails(cache, kinds.thumbnail)
    features = _gather(catalog, table, reasons, thumbnails)
    return replace(features, contract=contract, fingerprint=embedder.fingerprint)


def colours_of(pixels: NDArray[np.uint8]) -> Rows:
    """Measure brightness, colour and saturation of a picture.

    They tell classes apart that differ in camera, light or background. Positions do not matter:
    shuffled pixels have the same colours. Of a picture with more than 64 pixels a side, an even
    grid of pixels is measured.

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


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Thumbnail, uint8 ``(64, 64)`` grey, of a picture, uint8 ``(s, s, 3)`` RGB."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


class _CacheKinds(NamedTuple):
    embedding: str
    thumbnail: str
    colours: str
    properties: str


class _Computed(NamedTuple):
    embedding: Rows
    colours: Rows
    thumbnail: bytes
    properties: bytes


class _Table:
    """Embeddings and colours by content: in memory, or of many photos the embeddings in a file."""

    def __init__(self, catalog: Catalog, folder: Path | None) -> None:
        contents = dict.fromkeys(photo.content for photo in catalog.photos)
        self.place = {content: place for place, content in enumerate(contents)}
        self.colours = np.zeros((len(contents), NUM_COLOURS), np.float32)
        self._is_known = np.zeros(len(contents), np.bool_)
        self._folder = folder
        self._embeddings: ManyRows = np.empty((0, 0), np.float32)

    def put(self, content: str, embedding: Rows, colours: Rows | None = None) -> None:
        """Take what is known of a content; the colours may be there already."""
        place, size = self.place[content], len(self.place)
        if not self._embeddings.size:
            many = size > MANY_ROWS
            shape = size, len(embedding)
            self._embeddings = StoredRows(*shape, self._folder) if many else np.zeros(shape, "f4")
        if isinstance(self._embeddings, StoredRows):
            self._embeddings.write(place, embedding)
        else:
            self._embeddings[place] = embedding
        if colours is not None:
            self.colours[place] = colours
        self._is_known[place] = True

    def missing(self, catalog: Catalog) -> dict[str, PhotoFile]:
        """The photos of contents of which nothing is known."""
        return {
            photo.content: catalog.file(photo)
            for photo in catalog.photos
            if not self._is_known[self.place[photo.content]]
        }

    def rows(self, photos: Sequence[Photo]) -> tuple[ManyRows, Rows]:
        """Embeddings and colours of photos."""
        places = np.array([self.place[photo.content] for photo in photos], np.int64)
        if len(places) == len(self.place) and (places == np.arange(len(places))).all():
            return self._embeddings, self.colours
        return self._embeddings.take(places, axis=0), self.colours[places]


def _store(cache: Cache, kinds: _CacheKinds, fresh: dict[str, _Computed]) -> None:
    """Write new features to the cache; the embedding last, as it marks the others complete."""
    cache.put(kinds.properties, ((c, row.properties) for c, row in fresh.items() if row.properties))
    cache.put(kinds.thumbnail, ((content, row.thumbnail) for content, row in fresh.items()))
    cache.put(kinds.colours, ((content, bytes(row.colours)) for content, row in fresh.items()))
    cache.put(kinds.embedding, ((content, bytes(row.embedding)) for content, row in fresh.items()))
    fresh.clear()


def _load_cached(cache: Cache, kinds: _CacheKinds, table: _Table) -> None:
    """Read embeddings and colours of the contents whose thumbnail is cached too."""
    names, found = sorted(table.place), np.zeros((2, len(table.place)), np.bool_)
    for content, value in cache.get(kinds.thumbnail, names):
        found[0, table.place[content]] = len(value) == THUMBNAIL_PX * THUMBNAIL_PX
    for content, value in cache.get(kinds.colours, names):
        if len(value) == NUM_COLOURS * 4:
            place = table.place[content]
            table.colours[place], found[1, place] = np.frombuffer(value, np.float32), True
    for content, value in cache.get(kinds.embedding, names):
        if found[:, table.place[content]].all():
            table.put(content, np.frombuffer(value, np.float32))


@dataclass(frozen=True)
class _Extraction:
    """Decodes and embeds a photo, in any thread or process.

    Each thread takes a photo through all steps, with one thread in the embedder: on two cores
    that is 1.6 times faster than decoding in some threads while others share one picture's layers.
    """

    embedder: Embeds
    contract: PixelContract

    def __call__(self, _: str, data: object) -> _Computed:
        pixels, properties = self._see(bytes(data))  # type: ignore[call-overload]
        (row,) = self.embedder.embed(pixels[None])
        return _Computed(row, colours_of(pixels), shrink(pixels).tobytes(), properties)

    def _see(self, data: bytes) -> tuple[NDArray[np.uint8], bytes]:
        """Pixels and properties of a photo."""
        contract = self.contract
        with as_image_error():
            upright = decode_upright(data, contract)
            pixels = fit_square(upright, contract.size_px, contract.fit)
        is_whole = contract == whole(contract)
        square = pixels if is_whole else fit_square(upright, contract.size_px, "squash")
        with suppress(ImageError):  # the first page of a file may be damaged, and not the one read
            return pixels, to_row(data, square, contract.max_pixels)
        return pixels, b""


def _compute(
    files: dict[str, PhotoFile],
    embedder: Embeds,
    contract: PixelContract,
    reader: FileReader,
    engine: Engine,
) -> Iterator[tuple[str, _Computed | str]]:
    """Decode and embed; yields features, or the reason of a failure, by content."""
    work = _Extraction(embedder, contract)
    items: Iterable[tuple[str, PhotoFile]] = files.items()
    if isinstance(engine, Local) and num_readers(files.values()) is not None:
        items = ahead(items, itemgetter(1))
    for row in engine.map(work, items, reader=reader, num_ahead=_NUM_AHEAD):
        yield row.key, row.reason if row.value is None else row.value


def _gather(
    catalog: Catalog, table: _Table, reasons: Mapping[str, str], thumbnails: Thumbnails
) -> Features:
    readable = catalog.without(
        Skipped(photo.path, reasons[photo.content])
        for photo in catalog.photos
        if photo.content in reasons
    )
    embeddings, colours = table.rows(readable.photos)
    return Features(readable, embeddings, thumbnails, colours)
