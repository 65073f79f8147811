"""The page reads pictures of more than 8 bits by the range that the run knows, as Python does."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from browser import browser
from PIL import Image

from candid.data.images import PixelContract, decode
from tests.dicom import encode_dicom
from tests.exporting.web_pages import DECODE, encoded, page

__all__ = ["browser", "page"]

SIZE = 32
RANGE = (0.0, 4095.0)


def deep(channels, height=70, width=90):
    """A smooth picture of 12 bits with noise, as a PNG of 16 bits by OpenCV."""
    random = np.random.default_rng(channels)
    coarse = random.integers(0, 4096, (5, 4, channels)).astype(np.uint16)
    smooth = cv2.resize(coarse, (width, height)).reshape(height, width, channels)
    values = np.clip(smooth + random.integers(-60, 61, smooth.shape), 0, 4095).astype(np.uint16)
    if channels == 4:
        values[..., 3] = random.integers(0, 65536, (height, width))
    return cv2.imencode(".png", values)[1].tobytes()


def with_chunk(png, name, content, place=33):
    chunk = struct.pack(">I", len(content)) + name + content
    chunk += struct.pack(">I", zlib.crc32(name + content))
    return png[:place] + chunk + png[place:]


def ask(page, data, **chosen):
    contract = {"size_px": SIZE, "fit": "squash", "sample_range": RANGE, **chosen}
    return page.evaluate(DECODE, {"data": encoded(data), "contract": contract})


def most(page, data, **chosen):
    received = ask(page, data, **chosen)
    assert isinstance(received, list), received
    expected = decode(data, PixelContract(SIZE, sample_range=RANGE)).astype(int)
    return np.abs(np.reshape(received, expected.shape) - expected).max()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_of_16_bits_gives_the_same_pixels(page, channels):
    assert most(page, deep(channels)) == 0


def test_every_filter_of_a_png_is_undone(page):
    rows = np.random.default_rng(0).integers(0, 256, (10, 40), dtype=np.uint8)
    filters = np.arange(10, dtype=np.uint8)[:, None] % 5
    stream = zlib.compress(np.hstack([filters, rows]).tobytes())
    header = with_chunk(
        b"\x89PNG\r\n\x1a\n", b"IHDR", struct.pack(">IIBBBBB", 20, 10, 16, 0, 0, 0, 0), 8
    )
    png = with_chunk(header, b"IDAT", stream)
    assert most(page, with_chunk(png, b"IEND", b"", len(png))) == 0


@pytest.mark.parametrize("size", [(20, 10), (1, 1), (3, 5), (33, 17)])
def test_an_interlaced_png_is_put_together(page, size):
    width, height = size
    random, stream = np.random.default_rng(0), b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4)]
    for left, top, across, down in [*passes, (1, 0, 2, 2), (0, 1, 1, 2)]:
        columns, lines = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and lines > 0:
            rows = random.integers(0, 16, (lines, 2 * columns + 1), dtype=np.uint8)
            rows[:, 0] = 0
            stream += rows.tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 1)
    png = with_chunk(b"\x89PNG\r\n\x1a\n", b"IHDR", header, 8)
    png = with_chunk(png, b"IDAT", zlib.compress(stream))
    assert most(page, with_chunk(png, b"IEND", b"", len(png))) == 0


def test_transparent_samples_are_white(page):
    values = np.full((40, 40), 700, np.uint16)
    values[:, 20:] = 1400
    png = with_chunk(cv2.imencode(".png", values)[1].tobytes(), b"tRNS", struct.pack(">H", 700))
    assert most(page, png) == 0
    pixels = np.reshape(ask(page, png), (SIZE, SIZE, 3))
    assert pixels[0, 0].tolist() == [255] * 3
    assert pixels[0, -1].tolist() == [87] * 3


def test_orientation_applies_to_it_too(page):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = with_chunk(deep(1), b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    assert most(page, turned) == 0
    assert ask(page, turned) != ask(page, deep(1))


def test_a_picture_of_8_bits_is_not_stretched(page):
    grey = np.tile(np.arange(32, dtype=np.uint8), (32, 1))
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    assert most(page, stream.getvalue()) == 0


def test_what_the_page_can_not_read_has_a_true_reason(page):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(stream, "TIFF")
    assert "TIFF" in ask(page, stream.getvalue())
    assert ask(page, encode_dicom(np.zeros((8, 8), np.uint8))) == "this browser can't read DICOM"
    damaged = deep(1)[:-400]
    assert "damaged" in ask(page, damaged)
