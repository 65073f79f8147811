"""The browser reads unusual files, refuses broken ones and names foreign ones as Python does."""

import base64
import io

import numpy as np
import pytest
from browser import browser
from PIL import Image

from candid.data.images import PixelContract, decode
from candid.data.images.foreign import _MAGIC
from candid.errors import ImageError
from tests.data.images.test_odd_pixels import jpeg, png, scans_of, smooth, without_refinements
from tests.exporting.test_web_pixels import SIZE, ask, file_of, picture, require_same
from tests.exporting.test_web_pixels_upright import exif_of, photo_of
from tests.exporting.web_pages import BLOB, encoded, page

__all__ = ["browser", "page"]

DRAW = f"""async ({{ data }}) => {{
  {BLOB}
  const {{ draw }} = await import("/app/picture.js");
  const canvas = await draw(blob);
  return canvas.toDataURL("image/png").split(",")[1];
}}"""


def verdict(data):
    """Python's reason; None for a file that it reads."""
    try:
        decode(data, PixelContract(SIZE))
    except ImageError as error:
        return str(error)
    return None


def cut_and_closed(share, **options):
    data = jpeg(smooth(), **options)
    return data[: int(len(data) * share)] + b"\xff\xd9"


def small_frame():
    data = bytearray(file_of(picture(16, 16), "GIF"))
    data[6:10] = bytes((64, 0, 64, 0))
    at = data.index(b"\x2c\0\0\0\0") + 1
    data[at : at + 4] = bytes((8, 0, 24, 0))
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(small_frame(), id="GIF on a larger screen"),
        pytest.param(png(2, 0, [b"\x1b"] * 4, b"\0\1", width=4), id="grey of 2 bits"),
        pytest.param(png(4, 0, [b"\x5f"] * 2, b"\0\5", width=2), id="grey of 4 bits"),
        pytest.param(
            png(16, 2, [bytes(range(1, 13))] * 2, bytes(range(1, 7)), width=2), id="16-bit colour"
        ),
        pytest.param(
            png(16, 2, [bytes(range(1, 13))] * 2, b"\1\0\3\0\5\0", width=2), id="its high bytes"
        ),
        pytest.param(jpeg(smooth(), progressive=True), id="progressive JPEG"),
        pytest.param(jpeg(smooth().convert("CMYK"), progressive=True), id="progressive CMYK"),
        pytest.param(
            without_refinements(jpeg(smooth().convert("L"), progressive=True)), id="odd scans"
        ),
    ],
)
def test_unusual_files_give_the_same_pixels(data, page):
    require_same(page, data)


@pytest.mark.parametrize(
    "data",
    [
        *(
            pytest.param(cut_and_closed(share, **options), id=f"{share} of {name}")
            for share in (0.3, 0.5)
            for name, options in {
                "baseline": {},
                "progressive": {"progressive": True},
                "restarts": {"restart_marker_blocks": 2},
            }.items()
        ),
        pytest.param(file_of(picture(40, 40))[:-12], id="PNG without its end"),
    ],
)
def test_files_that_were_cut_are_refused_in_the_same_words(data, page):
    assert ask(page, data) == verdict(data) == "truncated: the data end before the picture does"


def test_a_cut_cmyk_jpeg_is_refused_too(page):
    data = jpeg(smooth().convert("CMYK"))
    data = data[: len(data) // 2] + b"\xff\xd9"
    assert ask(page, data) == verdict(data) == "truncated: the data end before the picture does"


def test_lossless_jpeg_which_only_python_reads_is_named(page):
    data = jpeg(smooth()).replace(b"\xff\xc0", b"\xff\xc3", 1)
    assert ask(page, data) == "this browser can't read lossless JPEG"


@pytest.mark.parametrize(("form", "name"), [("PPM", "PPM"), ("JPEG2000", "JPEG2000")])
def test_formats_that_no_browser_reads_are_named(form, name, page):
    data = file_of(picture(40, 40), form)
    assert verdict(data) is None
    assert ask(page, data) == f"this browser can't read {name}"


def test_a_jpeg_cut_behind_any_scan_has_the_same_verdict(page):
    data = jpeg(smooth(), progressive=True)
    for place in scans_of(data)[1:]:
        received = ask(page, data[:place] + b"\xff\xd9")
        assert verdict(data[:place] + b"\xff\xd9") == (
            received if isinstance(received, str) else None
        )


@pytest.mark.parametrize("name", sorted(_MAGIC))
def test_foreign_formats_are_refused_in_the_same_words(name, page):
    for magic in _MAGIC[name]:
        data = magic + b" and more, so that nothing else fits" * 3
        assert ask(page, data) == verdict(data)
        assert verdict(data).startswith(f"{name} is not supported: ")


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        b"RIFF\0\0\0\0AVI LIST",
        b"\0\0\2\0\0\0\0\0\0\0\0\0\4\0\4\0\x18\x20" + bytes(48),
        bytes(30) + b"TRUEVISION-XFILE.\0",
    ],
    ids=["MP4", "AVI", "TGA by its header", "TGA by its footer"],
)
def test_foreign_formats_without_a_magic_number_too(data, page):
    assert ask(page, data) == verdict(data)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_photo_under_the_heat_map_is_upright(form, orientation, page):
    data = photo_of(picture(48, 80), form, exif_of(orientation))
    drawn = page.evaluate(DRAW, {"data": encoded(data)})
    with Image.open(io.BytesIO(base64.b64decode(drawn))) as image:
        shown = np.asarray(image.convert("RGB"))
        assert (image.width > image.height) is (orientation < 5)
    side = min(shown.shape[:2])
    top, left = (shown.shape[0] - side) // 2, (shown.shape[1] - side) // 2
    middle = decode(data, PixelContract(side, "crop")).astype(int)
    assert np.abs(shown[top : top + side, left : left + side] - middle).mean() < 12
