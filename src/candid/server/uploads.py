"""A request body → images and parameters, from multipart, raw bytes, or JSON with base64."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from email.parser import Parser
from email.utils import collapse_rfc2231_value
from itertools import islice, pairwise
from typing import Any, Final

from candid.core.text import sanitize
from candid.server.schemas import Parameters, Problem, require_known

_MAX_HEADER_BYTES: Final = 4096  # of one part
_MAX_NAME: Final = 255
_MAX_PARAMETERS: Final = 100
#: Brackets and commas of a JSON body besides those of its images, such as in a model's name.
_SPARE: Final = 100
#: Names of a form's text fields that hold an image in base64.
_IMAGES: Final = ("image", "images")
_PARAMETERS: Final = tuple(Parameters.model_fields)
_DATA_URL: Final = re.compile(r"data:[^,]{0,255};base64,", re.IGNORECASE)
_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
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
        uploads = _read_form(content_type, body, max_images)
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
    if not isinstance(values, dict):
        raise Problem(422, "invalid_images", expected)
    require_known(values, ("images", *_PARAMETERS), "field")
    images = values.pop("images", None)
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise Problem(422, "invalid_images", expected)
    if len(images) > max_images:
        raise _too_many(max_images)
    return Uploads([Upload("", _from_base64(image)) for image in images], values)


def _from_base64(text: str, advice: str = _BASE64_ADVICE) -> bytes:
    """Decode base64 (RFC 4648): also URL-safe, in lines, without padding, or as a data: URL."""
    try:
        text = text.strip()
        prefix = _DATA_URL.match(text)
        letters = text[prefix.end() if prefix else 0 :].encode("ascii")
        # A space is not passed over: it may be a plus sign that a form decoded.
        letters = letters.translate(_URL_SAFE, b"\r\n\t").rstrip(b"=")
        return b64decode(letters + b"=" * (-len(letters) % 4), validate=True)
    except ValueError:
        raise Problem(422, "invalid_base64", advice) from None


def _read_form(content_type: str, body: bytes, max_images: int) -> Uploads:
    uploads = Uploads()
    for head, data in _split_form(content_type, body, max_images + len(_PARAMETERS)):
        name = _parameter(head, "name") or ""
        file_name = _parameter(head, "filename")
        kind = head.get_content_type()
        is_file = kind.startswith("image/") or kind == "application/octet-stream"
        if file_name is not None or is_file:
            if (head["Content-Transfer-Encoding"] or "").strip().lower() == "base64":
                data = _from_base64(data.decode("latin-1"))
            if file_name or data:  # a browser sends an empty part where no file was chosen
                base_name = re.split(r"[/\\]", file_name or "")[-1]
                uploads.images.append(Upload(sanitize(base_name)[:_MAX_NAME], data))
        elif name in _IMAGES:
            if data:
                uploads.images.append(Upload("", _image_of_field(name, data)))
        else:
            require_known([*uploads.fields, name], (*_PARAMETERS, *_IMAGES), "text field")
            uploads.fields[name] = data.decode("utf-8", "replace")[: _MAX_NAME + 1]
    if len(uploads.images) > max_images:
        raise _too_many(max_images)
    return uploads


def _image_of_field(name: str, data: bytes) -> bytes:
    """The image in a part without a file name: base64, or bytes that are no text."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    advice = f"{name} is text: expected a file (curl -F {name}=@photo.jpg, with @), or base64."
    return _from_base64(text, advice)


def _split_form(content_type: str, body: bytes, most: int) -> Iterator[tuple[Message, bytes]]:
    """The parts of a multipart body (RFC 7578): headers, and bytes."""
    _require_few_parameters(content_type)
    try:
        named = Parser().parsestr(f"Content-Type: {content_type}").get_boundary() or ""
        boundary = named.encode("latin-1")
    except (TypeError, ValueError):  # by RFC 2231, in a way that Python's parser does not follow
        boundary = b""
    if not boundary:
        raise _malformed("the Content-Type names no boundary.")
    delimiter = rb"\r\n--" + re.escape(boundary) + rb"(?:(--)|[ \t]*(?=\r\n))"
    whole = b"\r\n" + body
    found = list(islice(re.finditer(delimiter, whole), most + 1))
    closing = next((place for place, match in enumerate(found) if match[1]), None)
    if closing is None and len(found) > most:
        raise Problem(422, "too_many_images", f"a form has at most {most} parts.")
    if closing is None:
        raise _malformed("the multipart body is malformed or incomplete.")
    for before, after in pairwise(found[: closing + 1]):
        blank = whole.find(b"\r\n\r\n", before.end(), after.start())
        if not 0 <= blank - before.end() <= _MAX_HEADER_BYTES:
            raise _malformed("a part has no headers, or more than 4 kB of them.")
        head = whole[before.end() + 2 : blank].decode("latin-1")
        _require_few_parameters(head)
        yield Parser().parsestr(head, headersonly=True), whole[blank + 4 : after.start()]


def _require_few_parameters(head: str) -> None:
    if head.count(";") > _MAX_PARAMETERS:  # within quotes, the parser's time is quadratic in them
        raise _malformed("a header has too many parameters.")


def _malformed(message: str) -> Problem:
    return Problem(400, "invalid_multipart", message)


def _parameter(head: Message, name: str) -> str | None:
    """A parameter of the header Content-Disposition, in UTF-8."""
    try:
        value = head.get_param(name, header="Content-Disposition")
        if isinstance(value, tuple):  # filename*, which RFC 7578 forbids, and clients send
            return collapse_rfc2231_value(value)
    except (TypeError, ValueError):  # such as a charset that decodes no bytes
        raise _malformed(f"the {name} of a part can't be read.") from None
    return None if value is None else value.encode("latin-1").decode("utf-8", "replace")
