"""JPEG of photos for the screens, made when they are asked for and kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from candid.data.images import PixelContract, Reading
from candid.data.images.contract import resize_longest
from candid.data.images.decode import decode_upright
from candid.errors import ImageError
from candid.studio.project import Project

#: Longest sides that are made, in pixels.
SIZES: Final = (160, 320, 1280)
_QUALITY: Final = 82
_MOST_BYTES: Final = 96 * 2**20


class Pictures:
    """Makes and keeps them."""

    def __init__(self, project: Project) -> None:
        """Of a project's photos."""
        self._project = project
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._num_bytes = 0
        self._lock = threading.Lock()

    def jpeg(self, number: int, size_px: int) -> bytes:
        """A photo, upright, as JPEG.

        Args:
            number: Of the photo.
            size_px: Its longest side; photos are never enlarged.

        Raises:
            CandidError: There is no such photo, or it can't be read.
        """
        photo = self._project.photo(number)
        key = photo.content, size_px
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        data = self._make(self._project.read(photo), size_px)
        with self._lock:
            self._kept[key] = data
            self._num_bytes += len(data)
            while self._num_bytes > _MOST_BYTES:
                self._num_bytes -= len(self._kept.popitem(last=False)[1])
        return data

    def _make(self, data: bytes, size_px: int) -> bytes:
        import cv2

        features = self._project.features
        reading = Reading() if features is None else features.contract
        rgb = decode_upright(data, PixelContract.of(reading, size_px, "squash"))
        if max(rgb.shape[:2]) > size_px:
            rgb = resize_longest(rgb, size_px)
        is_made, jpeg = cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        if not is_made:
            raise ImageError("it can't be shown.")
        return bytes(jpeg)
