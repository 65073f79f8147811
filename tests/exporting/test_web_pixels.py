"""The browser decodes photos to the same pixels as Python."""

import io

import cv2
import numpy as np
import pytest
from browser import browser
from PIL import Image

from candid.data.images import PixelContract, decode
from candid.data.images.contract import resize
from candid.errors import ImageError
from tests.exporting.web_pages import DECODE, encoded, page

__all__ = ["browser", "page"]

SIZE = 32
RESIZE = """async ({ pixels, width, height, to }) => {
  const { resize } = await import("/app/resize.js");
  return [...resize({ width, height, data: Uint8Array.from(pixels) }, ...to).data];
}"""


def picture(height, width, channels=3, seed=0):
    """A smooth picture with noise on it, so that both wrong shifts and wrong averages show."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 5, channels), dtype=np.uint8)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    smooth = smooth.reshape(height, width, channels).astype(np.int64)
    return np.clip(smooth + random.integers(-30, 31, smooth.shape), 0, 255).astype(np.uint8)


def file_of(pixels, kind="PNG", mode=None, **options):
    image = Image.fromarray(pixels if pixels.shape[-1] > 1 else pixels[..., 0])
    file = io.BytesIO()
    (image if mode is None else image.convert(mode)).save(file, kind, **options)
    return file.getvalue()


def ask(page, data, fit="squash"):
    arguments = {"data": encoded(data), "contract": {"size_px": SIZE, "fit": fit}}
    return page.evaluate(DECODE, arguments)


def require_same(page, data, fit="squash"):
    """The browser has Python's pixels, but for a JPEG that libjpeg reduces for Python."""
    received = ask(page, data, fit)
    assert isinstance(received, list), received
    expected = decode(data, PixelContract(SIZE, fit))
    differences = np.abs(np.reshape(received, expected.shape) - expected.astype(np.int64))
    if data.startswith(b"\xff\xd8") and min(Image.open(io.BytesIO(data)).size) >= 4 * SIZE:
        assert differences.mean() < 0.5  # its samples are rounded and limited after the reduction
    else:
        assert differences.max() == 0


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize(
    "size",
    [
        (45, 61),
        (64, 96),
        (32, 32),
        (20, 24),
        (20, 90),
        (90, 20),
        (7, 300),
        (1, 1),
        (517, 301),
        (1, 9000),
    ],
    ids=str,
)
def test_lossless_images_give_the_same_pixels(size, fit, page):
    require_same(page, file_of(picture(*size)), fit)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(file_of(picture(70, 50, 4)), id="alpha"),
        pytest.param(file_of(picture(517, 301, 4)), id="large with alpha"),
        pytest.param(file_of(picture(70, 50, 1)), id="grey"),
        pytest.param(file_of(picture(300, 411), mode="P"), id="palette"),
        pytest.param(file_of(picture(300, 411), transparency=(9, 9, 9)), id="transparent colour"),
        pytest.param(file_of(picture(300, 411), "BMP"), id="BMP"),
        pytest.param(file_of(picture(300, 411), "WEBP", lossless=True), id="WebP"),
        pytest.param(file_of(picture(300, 411), "GIF"), id="GIF"),
    ],
)
def test_other_formats_and_modes_give_the_same_pixels(data, page):
    require_same(page, data)


def test_bytes_after_the_end_of_a_jpeg_are_ignored(page):
    """Some cameras pad their files with zeros."""
    data = file_of(picture(61, 45), "JPEG", quality=95)
    require_same(page, data + bytes(100_000))


def test_the_end_marker_of_a_preview_does_not_end_the_photo(page):
    preview = file_of(picture(20, 20), "JPEG")
    data = file_of(picture(61, 45), "JPEG", comment=preview)
    require_same(page, data)
    assert ask(page, data[:-90]).startswith("truncated")


@pytest.mark.parametrize(
    ("size", "to"),
    [
        *[((40, 30), (30, 40)), ((40, 30), (15, 20)), ((41, 31), (17, 13)), ((9, 40), (31, 13))],
        ((38, 931), (19, 19)),  # 49 times, but not as floating point computes it
        ((1, 1), (30, 40)),
        ((2, 3), (300, 200)),
        ((319, 545), (260, 260)),
        ((1, 4000), (30, 30)),
    ],
    ids=str,
)
def test_resizing_gives_opencvs_pixels(size, to, page):
    pixels = picture(*size)
    arguments = {"pixels": pixels.ravel().tolist(), "width": size[1], "height": size[0], "to": to}
    received = np.reshape(page.evaluate(RESIZE, arguments), (to[1], to[0], 3))
    assert np.array_equal(received, resize(pixels, *to))


#: A PNG with valid chunks, whose first pixel data are zeros.
HOLED = file_of(picture(40, 40))[:45] + bytes(300) + file_of(picture(40, 40))[345:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello, world", 'not an image: it starts with "hello, world"; expected one of JPEG, '),
        (file_of(picture(40, 40))[:300], "truncated: the data end before the picture does"),
        (file_of(picture(40, 40), "JPEG")[:-90], "truncated: the data end before the picture does"),
        (HOLED, "damaged or unsupported (it can't be decoded)"),
        (file_of(picture(40, 40), "TIFF"), "this browser can't read TIFF"),
    ],
    ids=["empty", "text", "half a PNG", "half a JPEG", "damaged", "TIFF"],
)
def test_unreadable_files_give_a_reason_in_one_line(data, reason, page):
    received = ask(page, data)
    assert received.startswith(reason)
    assert "\n" not in received
    if "TIFF" not in reason:
        with pytest.raises(ImageError):
            decode(data, PixelContract(SIZE))
