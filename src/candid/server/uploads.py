"""A request body → images and parameters, from multipart, raw bytes, or JSON with base64."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from candid.core.text import sanitize
from candid.server.schemas import Parameters, Problem, require_known

_MAX_HEADER_BYTES: Final = 4096  # of one part
_MAX_NAME: Final = 255
#: Brackets and commas of a JSON body besides those of its images, such as in a model's name.
_SPARE: Final = 100
#: Names of a form's text fields that hold an image in base64.
_IMAGES: Final = ("image", "images")
_PARAMETERS: Final = tuple(Parameters.model_fields)
_DATA_URL: Final = re.compile(r"data:[^,]{0,255};base64,", re.IGNORECASE)
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
# RFC 7578 forbids it, but clients send it for names that are not ASCII (RFC 5987).
_EXTENDED_NAME: Final = re.compile(r"filename\*=[\w-]*'[^']*'([^;\s]*)", re.IGNORECASE)
_BASE64_ADVICE: Final = "an image is expected in base64, or as data:image/jpeg;base64,…"
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


@dataclass
class Uploads:
    """What a body holds.

    Attributes:
        images: At least one, in their order.
        fields: Values of `Parameters` by name, not validated.
    """

    images: list[Upload] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)


def read_uploads(content_type: str, body: bytes, max_images: int) -> Uploads:
    """Extract the images and parameters of a body.

    Args:
        content_type: The header of the request.
        body: The whole body.
        max_images: Limit of images.

    Raises:
        Problem: 415 for other types, 400 if the body is malformed, 422 without an image, with too
            many, or with an unknown field.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        uploads = _read_multipart(content_type, body, max_images)
    elif kind == "application/json":
        uploads = _read_json(body, max_images)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        uploads = Uploads([Upload("", body)])
    else:
        raise Problem(415, "unsupported_media_type", f"expected {_FORMS}.")
    if not uploads.images:
        raise Problem(422, "no_image", f"there is no image in the request; expected {_FORMS}.")
    return uploads


def _too_many(max_images: int) -> Problem:
    return Problem(422, "too_many_images", f"a request has at most {max_images} images.")


def _read_json(body: bytes, max_images: int) -> Uploads:
    expected = 'expected {"images": ["<base64>", …]}.'
    # Checked before parsing, as a list of empty lists takes twenty times its bytes.
    if body.count(b"[") + body.count(b"{") > _SPARE:
        raise Problem(422, "invalid_images", expected)
    if body.count(b",") > 2 * max_images + _SPARE:  # a data: URL has one too
        raise _too_many(max_images)
    try:
        values = json.loads(body, strict=False)  # base64(1) writes lines
    except (ValueError, RecursionError):
        raise Problem(400, "invalid_json", "the body is not JSON in UTF-8.") from None
    images = values.pop("images", None) if isinstance(values, dict) else None
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise Problem(422, "invalid_images", expected)
    require_known(values, _PARAMETERS, "field beside images")
    if len(images) > max_images:
        raise _too_many(max_images)
    return Uploads([Upload("", _from_base64(image)) for image in images], values)


def _from_base64(text: str, advice: str = _BASE64_ADVICE) -> bytes:
    """Decode base64 (RFC 4648): also URL-safe, in lines, without padding, or as a data: URL."""
    try:
        letters = _DATA_URL.sub("", text.strip(), count=1).encode("ascii")
        # A space is not passed over: it may be a plus sign that a form decoded.
        letters = letters.translate(_URL_SAFE, b"\r\n\t").rstrip(b"=")
        return b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except ValueError:
        raise Problem(422, "invalid_base64", advice) from None


def _read_multipart(content_type: str, body: bytes, max_images: int) -> Uploads:
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise Problem(400, "invalid_multipart", "the Content-Type names no boundary.")
    # One per part, and the last. Near matches make the parser go back, byte by byte.
    if body.count(b"--" + boundary) > max_images + len(_PARAMETERS) + 1:
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
        self.uploads = Uploads()
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
        self._headers: dict[bytes, bytes] = {}
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
        self._headers[bytes(self._field.lower())] = bytes(self._value)
        self._field.clear()
        self._value.clear()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def _end(self) -> None:
        data = b"".join(self._chunks)
        disposition = self._headers.get(b"content-disposition", b"")
        options = parse_options_header(disposition)[1]
        kind = self._headers.get(b"content-type", b"").lower()
        file_name = _file_name(disposition, options)
        if file_name is None and not kind.startswith((b"image/", b"application/octet-stream")):
            self._take_text(options.get(b"name", b"").decode("utf-8", "replace"), data)
        elif file_name or data:  # a browser sends an empty part where no file was chosen
            if self._headers.get(b"content-transfer-encoding", b"").lower() == b"base64":
                data = _from_base64(data.decode("latin-1"))
            self._take_image(Upload(file_name or "", data))

    def _take_image(self, upload: Upload) -> None:
        if len(self.uploads.images) == self._max_images:
            raise _too_many(self._max_images)
        self.uploads.images.append(upload)

    def _take_text(self, name: str, data: bytes) -> None:
        fields = self.uploads.fields
        require_known([*fields, name], (*_IMAGES, *_PARAMETERS), "text field")
        if name not in _IMAGES:
            fields[name] = data.decode("utf-8", "replace")[: _MAX_NAME + 1]
        elif data:
            advice = (
                f"{name} is text: expected a file (curl -F {name}=@photo.jpg, with @), or base64."
            )
            self._take_image(Upload("", _from_base64(data.decode("latin-1"), advice)))

    def _on_end(self) -> None:
        self.is_complete = True


def _file_name(disposition: bytes, options: dict[bytes, bytes]) -> str | None:
    """The file name of a part, without folders; None if it is a text field."""
    name = options.get(b"filename", b"").decode("utf-8", "replace")
    if b"filename" not in options:
        extended = _EXTENDED_NAME.search(disposition.decode("latin-1"))
        if extended is None:
            return None
        name = unquote(extended[1])
    return sanitize(re.split(r"[/\\]", name)[-1])[:_MAX_NAME]
