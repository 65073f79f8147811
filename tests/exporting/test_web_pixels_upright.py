"""The browser applies EXIF orientation exactly as Python does."""

import base64
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from browser import browser
from PIL import Image

from candid.data.images import PixelContract, decode
from tests.exporting.test_web_pixels import SIZE, file_of, picture, require_same
from tests.exporting.web_pages import BLOB, encoded, page

__all__ = ["browser", "page"]

STRIP = f"""async ({{ data, format }}) => {{
  {BLOB}
  const {{ withoutMetadata }} = await import("/app/files.js");
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const left = new Blob(withoutMetadata(bytes, format));
  const text = Array.from(new Uint8Array(await left.arrayBuffer()), (b) => String.fromCharCode(b));
  return btoa(text.join(""));
}}"""


def exif_of(orientation, kind="SHORT", tag=0x0112):
    """An EXIF block with one entry of the given type."""
    code, form = {"BYTE": (1, "B3x"), "SHORT": (3, "H2x"), "LONG": (4, "I"), "TEXT": (2, "H2x")}[
        kind
    ]
    entry = struct.pack(f">HHI{form}", tag, code, 1, orientation)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def photo_of(pixels, form, exif, **options):
    """A file with an EXIF block; in a JPEG it needs a prefix, which Pillow does not add."""
    if form == "WEBP":
        options["lossless"] = True
    prefix = b"Exif\0\0" if form == "JPEG" else b""
    return file_of(pixels, form, exif=prefix + exif, **options)


def turns(form, orientation, size=(61, 45), fit="squash"):
    """Whether Python turns a file with this orientation."""
    files = [photo_of(smooth(*size), form, exif_of(value)) for value in (orientation, 1)]
    return not np.array_equal(*(decode(file, PixelContract(SIZE, fit)) for file in files))


def smooth(height, width):
    return cv2.GaussianBlur(picture(height, width), (0, 0), 3)


@pytest.mark.parametrize("size", [(61, 45), (300, 411), (1040, 776)], ids=str)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_upright(size, orientation, page):
    data = photo_of(smooth(*size), "JPEG", exif_of(orientation), quality=95)
    require_same(page, data)
    assert turns("JPEG", orientation, size) is (orientation != 1)


@pytest.mark.parametrize("fit", ["squash", "crop"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF"])
def test_other_formats_are_turned_upright(kind, orientation, fit, page):
    data = photo_of(smooth(61, 45), kind, exif_of(orientation))
    require_same(page, data, fit)
    assert turns(kind, orientation, fit=fit) is (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_image_is_averaged_before_it_is_turned(orientation, page):
    data = file_of(picture(301, 411), "WEBP", lossless=True, exif=exif_of(orientation))
    require_same(page, data)


@pytest.mark.parametrize("kind", ["BYTE", "SHORT", "LONG", "TEXT"])
@pytest.mark.parametrize("value", [0, 6, 9])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_odd_exif_entries_are_read_as_in_python(form, kind, value, page):
    data = photo_of(smooth(61, 45), form, exif_of(value, kind))
    require_same(page, data)


def chunk(name, body, checksum=None):
    checksum = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def odd_exif():
    """Files with EXIF in places that decoders treat differently."""
    pixels = smooth(61, 45)
    png, jpeg = file_of(pixels), file_of(pixels, "JPEG", quality=95)
    block = chunk(b"eXIf", exif_of(6))
    yield pytest.param(png[:-12] + block + png[-12:], id="PNG, behind the pixels")
    yield pytest.param(png + block, id="PNG, behind the end")
    yield pytest.param(png[:33] + chunk(b"eXIf", exif_of(6), 0) + png[33:], id="PNG, wrong sum")
    prefixed = chunk(b"eXIf", b"Exif\0\0" + exif_of(6))
    yield pytest.param(png[:33] + prefixed + png[33:], id="PNG, with a JPEG's prefix")
    yield pytest.param(png[:33] + chunk(b"eXIf", exif_of(6)[:15]) + png[33:], id="PNG, cut off")
    webp = bytearray(file_of(pixels, "WEBP", lossless=True, exif=exif_of(6)))
    webp[20] &= ~8
    yield pytest.param(bytes(webp), id="WebP, not announced")
    blocks = [b"Exif\0\0" + part for part in (exif_of(6)[:12], exif_of(6)[12:])]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", 2 + len(one)) + one for one in blocks)
    yield pytest.param(jpeg[:2] + segments + jpeg[2:], id="JPEG, in two segments")
    foreign = b"\xff\xe1" + struct.pack(">H", 8 + len(exif_of(6))) + b"Exif\0\1" + exif_of(6)
    yield pytest.param(jpeg[:2] + foreign + jpeg[2:], id="JPEG, with another prefix")
    # Pillow moves an orientation into the container, but leaves other tags.
    avif = file_of(pixels, "AVIF", exif=exif_of(6, tag=0x0115))
    entry = struct.pack(">HH", 0x0115, 3)
    assert entry in avif
    contradicting = avif.replace(entry, struct.pack(">HH", 0x0112, 3))
    yield pytest.param(contradicting, id="AVIF, not in the container")


@pytest.mark.parametrize("data", list(odd_exif()))
def test_exif_in_odd_places_is_read_as_in_python(data, page):
    require_same(page, data)


def test_a_gif_has_no_orientation(page):
    data = file_of(smooth(61, 45), "GIF", exif=exif_of(6))
    require_same(page, data)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_the_browser_gets_images_without_exif(form, page):
    """Browsers differ in which formats they turn by EXIF."""
    data = photo_of(smooth(61, 45), form, exif_of(6))
    stripped = base64.b64decode(page.evaluate(STRIP, {"data": encoded(data), "format": form}))
    with Image.open(io.BytesIO(data)) as given, Image.open(io.BytesIO(stripped)) as left:
        assert given.getexif()[0x0112] == 6
        assert not left.getexif()
        assert np.array_equal(given, left)
