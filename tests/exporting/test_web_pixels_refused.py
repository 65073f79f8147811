"""The browser refuses too large and truncated images exactly as Python does."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from browser import browser
from PIL import Image

from candid.data.images import PixelContract, decode
from candid.data.images.jpeg import _noise
from candid.errors import ImageError
from tests.exporting.test_web_pixels import SIZE, ask, file_of, picture, require_same
from tests.exporting.web_pages import page

__all__ = ["browser", "page"]


def smooth(height, width):
    return cv2.GaussianBlur(picture(height, width), (0, 0), 3)


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS = [
    pytest.param({}, id="colour"),
    pytest.param({"mode": "L"}, id="grey"),
    pytest.param({"mode": "CMYK"}, id="CMYK"),
    pytest.param({"subsampling": 0, "quality": 30}, id="coarse"),
    pytest.param({"restart_marker_blocks": 2}, id="restart markers"),
    pytest.param({"exif": turned()}, id="turned"),
]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("size", [(61, 45), (300, 411)], ids=str)
@pytest.mark.parametrize("cut", [1, 2], ids=["half of it", "all of it"])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(cut, size, options, page):
    data = file_of(smooth(*size), "JPEG", **({"quality": 95} | options))
    require_same(page, data[:-cut])


@pytest.mark.parametrize("options", [*KINDS, pytest.param({"progressive": True}, id="progressive")])
def test_a_jpeg_that_lacks_more_is_refused_as_in_python(options, page):
    data = file_of(picture(61, 45), "JPEG", **({"quality": 90} | options))
    refused = 0
    for cut in (2, 3, 4, 8, 10, 13, 90, len(data) // 2):
        received = ask(page, data[:-cut])
        try:
            decode(data[:-cut], PixelContract(SIZE))
        except ImageError:
            refused += 1
            assert str(received).startswith("truncated: the data end before the picture does")
        else:
            assert isinstance(received, list)
    assert refused >= 6


def test_the_filler_that_reveals_a_truncated_jpeg_is_pythons(page):
    code = page.evaluate("async () => (await fetch('/app/pixels.js')).text()")
    noise = "".join(
        part.split('"')[1] for part in code.split("const NOISE =")[1].split(";")[0].split("+")
    )
    assert bytes.fromhex(noise) == _noise()[:48]


def claiming(form, width, height):
    """A small file whose header claims another size."""
    pixels = picture(20, 20)
    data = bytearray(file_of(pixels, form))
    if form == "PNG":
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif form == "JPEG":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    elif form == "GIF":
        data[6:10] = struct.pack("<HH", width, height)
    elif form == "BMP":
        data[18:26] = struct.pack("<ii", width, -height)
    else:
        data = bytearray(file_of(pixels, "WEBP", exif=turned()))
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_too_many_pixels_are_refused_by_the_header(form, page):
    received = ask(page, claiming(form, 20_000, 19_000))
    assert received == "too large: 20000 x 19000 pixels, limit 178956970 in all"
    with pytest.raises(ImageError, match=r"too large|exceeds limit"):
        decode(claiming(form, 20_000, 19_000))


@pytest.mark.parametrize("lossless", [False, True], ids=["lossy", "lossless"])
def test_too_many_pixels_of_a_plain_webp_are_refused(lossless, page):
    data = bytearray(file_of(picture(20, 20), "WEBP", lossless=lossless))
    if lossless:
        data[21:25] = (16_382 | 16_381 << 14).to_bytes(4, "little")
    else:
        data[26:30] = struct.pack("<HH", 16_383, 16_382)
    assert ask(page, bytes(data)) == "too large: 16383 x 16382 pixels, limit 178956970 in all"


@pytest.mark.parametrize(("height", "width"), [(8, 70_000), (70_000, 8), (65_536, 8)], ids=str)
def test_a_side_longer_than_a_canvas_is_refused(height, width, page):
    data = file_of(np.zeros((height, width, 3), np.uint8))
    reason = f"too large: {width} x {height} pixels, limit 65535 a side in a browser"
    assert ask(page, data) == reason


@pytest.mark.parametrize("is_wide", [False, True], ids=["tall", "wide"])
def test_the_longest_side_of_a_canvas_is_read(is_wide, page):
    pixels = np.repeat(picture(771, 8), 85, axis=0)
    data = file_of(pixels.transpose(1, 0, 2).copy() if is_wide else pixels)
    require_same(page, data)
