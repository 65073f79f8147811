"""Thumbnails embedded in pages as ``data:`` addresses."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from candid.core.cache import Cache
from candid.core.threads import map_ahead
from candid.data.file_reader import make_once
from candid.data.images import PixelContract, Reading, preview, read_file, read_header
from candid.data.images.preview import JPEG_QUALITY, to_jpeg
from candid.data.location import FindFile
from candid.errors import ImageError

_SIZE_PX = 160
_DEFAULT = Reading()

# Of base64 in all thumbnails together, so that the page stays below 20 MB.
_MOST_CHARACTERS = 12_000_000

#: Encodes the thumbnails of files: from their paths relative to the data folder, with forward
#: slashes, to JPEG files, without those that can't be decoded.
Previews = Callable[[Iterable[str]], Mapping[str, bytes]]


@dataclass(frozen=True)
class Thumbnail:
    """An embedded picture: its ``data:`` address and size."""

    source: str
    width_px: int
    height_px: int


def file_previews(
    find: FindFile,
    *,
    size_px: int = _SIZE_PX,
    quality: int = JPEG_QUALITY,
    reading: Reading = _DEFAULT,
    cache: Cache | None = None,
    contents: Mapping[str, str] | None = None,
) -> Previews:
    """Make a function that encodes JPEG thumbnails of a data set's files.

    Truncated files give a thumbnail of what can be decoded.

    Args:
        find: From a path to where the file is, see `candid.data.catalog.Catalog.find`.
        size_px: The longest side of a thumbnail.
        quality: The quality of the JPEG, 0 to 100.
        reading: What of a file becomes a picture.
        cache: Where thumbnails are kept.
        contents: The SHA-256 of files by path, of those that are to be kept there.
    """
    # Another number when the decoding, resizing or encoding changes.
    kind = f"preview:1:{PixelContract.of(reading, size_px, 'squash').key}:{quality}"
    known = contents or {}

    def encode(data: bytes) -> bytes | None:
        pixels = preview(data, size_px, reading)
        return None if pixels is None else to_jpeg(pixels, quality)

    def preview_files(paths: Iterable[str]) -> dict[str, bytes]:
        names = list(dict.fromkeys(paths))
        kept = {known[name]: file for name in names if name in known and (file := find(name))}
        made = make_once(cache, kind, kept, lambda: encode) if cache else {}

        def encode_file(name: str) -> bytes | None:
            file = find(name)
            if file is None:
                return None
            try:
                return made.get(known.get(name, "")) or encode(read_file(file))
            except ImageError:
                return None

        encoded = map_ahead(encode_file, names)
        return {name: data for name, data in zip(names, encoded, strict=True) if data}

    return preview_files


def make_thumbnails(paths: Iterable[str], previews: Previews) -> dict[str, Thumbnail]:
    """Encode the thumbnails of a page, each once.

    Args:
        paths: Files once per occurrence on the page, the most important first: those beyond the
            page's size limit are left out.
        previews: Encodes them.

    Returns:
        Thumbnails by path; files that can't be decoded have none.
    """
    thumbnails: dict[str, Thumbnail] = {}
    times = Counter(paths)
    left = _MOST_CHARACTERS
    encoded = previews(times)
    for path in filter(encoded.__contains__, times):
        source = f"data:image/jpeg;base64,{b64encode(encoded[path]).decode('ascii')}"
        if len(source) * times[path] <= left:
            header = read_header(encoded[path])
            thumbnails[path] = Thumbnail(source, header.width_px, header.height_px)
            left -= len(source) * times[path]
    return thumbnails
