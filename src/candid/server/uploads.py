"""A request body → images, from multipart, raw bytes, or JSON with base64."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from candid.core.text import sanitize
from candid.server.schemas import Problem

_MAX_HEADER_BYTES: Final = 4096  # of one part
_MAX_NAME: Final = 255
_FORMS: Final = (
    "an image as multipart/form-data (curl -F image=@photo.jpg), as the body itself with "
    "Content-Type: image/jpeg or the like (application/octet-stream for any), or as "
    'application/json, {"images": ["<base64>", …]}'
)


@dataclass(frozen=True)
class Upload:
    """An uploaded file.

    Attributes:
        name: The file name sent by the client, without folders; empty if there is none.
        data: Its bytes.
    """

    name: str
    data: bytes


def read_uploads(content_type: str, body: bytes, max_images: int) -> list[Upload]:
    """Extract the images of a body.

    Args:
        content_type: The header of the request.
        body: The whole body.
        max_images: Limit of images.

    Returns:
        At least one image, in their order.

    Raises:
        Problem: 415 for other types, 400 if the body is malformed, 422 without an image or with too
            many.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        uploads = _read_multipart(content_type, body, max_images)
    elif kind == "application/json":
        uploads = _read_json(body, max_images)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        uploads = [Upload("", body)]
    else:
        raise Problem(415, "unsupported_media_type", f"expected {_FORMS}.")
    if not uploads:
        raise Problem(422, "no_image", f"there is no image in the request; expected {_FORMS}.")
    return uploads


def _too_many(max_images: int) -> Problem:
    return Problem(422, "too_many_images", f"a request has at most {max_images} images.")


def _invalid_images() -> Problem:
    return Problem(422, "invalid_images", 'expected {"images": ["<base64>", …]} and nothing else.')


def _read_json(body: bytes, max_images: int) -> list[Upload]:
    # Checked before parsing, as a list of empty lists takes twenty times its bytes.
    if body.count(b"[") > 1 or body.count(b"{") > 1:
        raise _invalid_images()
    if body.count(b",") >= max_images:
        raise _too_many(max_images)
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(400, "invalid_json", "the body is not JSON in UTF-8.") from None
    images = values.get("images") if isinstance(values, dict) and len(values) == 1 else None
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise _invalid_images()
    if len(images) > max_images:
        raise _too_many(max_images)
    try:
        return [Upload("", b64decode(image, validate=True)) for image in images]
    except (binascii.Error, ValueError):
        raise Problem(
            422, "invalid_base64", "an image is expected in base64, without a data: prefix."
        ) from None


def _read_multipart(content_type: str, body: bytes, max_images: int) -> list[Upload]:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Problem(400, "invalid_multipart", "the Content-Type names no boundary.")
    # One per part, and the last. Near matches make the parser go back, byte by byte.
    if body.count(b"--" + boundary) > max_images + 1:
        raise _too_many(max_images)
    parts = _Parts(max_images)
    try:
        parser = MultipartParser(boundary, parts.callbacks(), max_size=len(body) + 1)
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError):
        parts.is_complete = False
    if not parts.is_complete:
        raise Problem(400, "invalid_multipart", "the multipart body is malformed or incomplete.")
    return parts.uploads


class _Parts:
    """Collects the parts of a multipart body (RFC 7578)."""

    def __init__(self, max_images: int) -> None:
        self.uploads: list[Upload] = []
        self.is_complete = False
        self._max_images = max_images
        self._begin()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
            "on_end": self._on_end,
        }

    def _begin(self) -> None:
        self._field = bytearray()
        self._value = bytearray()
        self._num_header_bytes = 0
        self._name = ""
        self._chunks: list[bytes] = []

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._count_header(end - start)
        self._value += data[start:end]

    def _count_header(self, count: int) -> None:
        self._num_header_bytes += count
        if self._num_header_bytes > _MAX_HEADER_BYTES:
            raise Problem(400, "invalid_multipart", "the headers of a part are too long.")

    def _on_header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            name = parse_options_header(bytes(self._value))[1].get(b"filename", b"")
            base_name = re.split(r"[/\\]", name.decode("utf-8", "replace"))[-1]
            self._name = sanitize(base_name)[:_MAX_NAME]
        self._field.clear()
        self._value.clear()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def _end(self) -> None:
        if len(self.uploads) == self._max_images:
            raise _too_many(self._max_images)
        self.uploads.append(Upload(self._name, b"".join(self._chunks)))
        self._chunks = []

    def _on_end(self) -> None:
        self.is_complete = True
