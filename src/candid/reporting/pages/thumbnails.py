"""Thumbnails embedded in pages as ``data:`` addresses."""

from __future__ import annotations

import os
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from candid.data.images import Reading, preview, read_file, read_header
from candid.data.images.preview import to_jpeg
from candid.errors import ImageError

_SIZE_PX = 160
_DEFAULT = Reading()

#: Formats that browsers show; others are not embedded.
_MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}

# Of base64 in all thumbnails together, so that the page stays below 20 MB.
_MOST_CHARACTERS = 10_000_000

_MOST_THREADS = 8


#: Encodes the thumbnail of a file: from its path relative to the data folder, with forward slashes,
#: to a JPEG, PNG or WebP file, or None if it can't be decoded. Called from several threads at once.
Previews = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Thumbnail:
    """An embedded picture: its ``data:`` address and size."""

    source: str
    width_px: int
    height_px: int


def file_previews(
    folder: Path, *, size_px: int = _SIZE_PX, reading: Reading = _DEFAULT
) -> Previews:
    """Make a function that encodes JPEG thumbnails of the files of a folder.

    Truncated files give a thumbnail of what can be decoded.

    Args:
        folder: The data folder.
        size_px: The longest side of a thumbnail.
        reading: What of a file becomes a picture.
    """

    def preview_file(path: str) -> bytes | None:
        try:
            pixels = preview(read_file(folder / path), size_px, reading)
        except ImageError:
            return None
        return None if pixels is None else to_jpeg(pixels)

    return preview_file


def make_thumbnails(paths: Iterable[str], previews: Previews) -> dict[str, Thumbnail]:
    """Encode the thumbnails of a page, each once.

    Args:
        paths: Files once per occurrence on the page, the most important first: those beyond the
            page's size limit are left out.
        previews: Encodes one.

    Returns:
        Thumbnails by path; files that can't be decoded have none.
    """
    thumbnails: dict[str, Thumbnail] = {}
    times = Counter(paths)
    left = _MOST_CHARACTERS
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        for path, data in zip(times, pool.map(previews, times), strict=True):
            thumbnail = _embed(data) if data else None
            if thumbnail and len(thumbnail.source) * times[path] <= left:
                thumbnails[path] = thumbnail
                left -= len(thumbnail.source) * times[path]
    return thumbnails


def _embed(data: bytes) -> Thumbnail | None:
    try:
        header = read_header(data)
    except ImageError:
        return None
    if header.format not in _MEDIA_TYPES:
        return None
    source = f"data:{_MEDIA_TYPES[header.format]};base64,{b64encode(data).decode('ascii')}"
    return Thumbnail(source, header.width_px, header.height_px)
