"""The pixel contract, on small generated pictures and on unusual files."""

from __future__ import annotations

import io
import json
import os
import random
import stat
import struct
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from damage import damage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from candid.data.images import (
    FORMATS,
    SUFFIXES,
    Header,
    PixelContract,
    decode,
    files,
    identify,
    read_file,
    read_header,
)
from candid.data.images import packages as plugins
from candid.errors import ImageError, UsageError
from tests.dicom import encode_dicom

#: The module, which the package's function of the same name hides.
decoding = sys.modules["candid.data.images.decode"]

# For saving only: the package does not need it registered.
pillow_heif.register_heif_opener()

SHARED = Path(__file__).parents[4] / "shared"
ODD = SHARED / "odd_images"
needs_odd_images = pytest.mark.skipif(not ODD.is_dir(), reason=f"{ODD} is not here")

SMALL = PixelContract(size_px=32)
RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
)


def draw(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """Draw smooth random colours, so that lossy formats and resizing keep them."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def corners(width: int = 96, height: int = 64) -> Image.Image:
    """Draw four quarters: red, green / blue, white."""
    quarters = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8)
    return Image.fromarray(quarters).resize((width, height), Image.Resampling.NEAREST)


def encode(image: Image.Image, name: str, **options: object) -> bytes:
    if name in ("JPEG", "WEBP", "AVIF", "HEIF"):
        options = {"quality": 95} | options
    if name == "DICOM":
        return encode_dicom(np.asarray(image.convert("RGB")))
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def expected(image: Image.Image, size_px: int = 32) -> np.ndarray:
    return cv2.resize(
        np.asarray(image.convert("RGB")), (size_px, size_px), interpolation=cv2.INTER_AREA
    )


def difference(one: np.ndarray, other: np.ndarray) -> float:
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other).mean())


def samples() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = draw()
    named = {name: encode(image, name) for name in FORMATS}
    named["progressive JPEG"] = encode(image, "JPEG", progressive=True, exif=exif)
    named["CMYK JPEG"] = encode(image.convert("CMYK"), "JPEG")
    named["palette PNG"] = encode(image.quantize(16), "PNG", exif=exif)
    named["lossless WEBP"] = encode(image.convert("RGBA"), "WEBP", lossless=True, exif=exif)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        named[f"TIFF {compression}"] = encode(image, "TIFF", compression=compression, exif=exif)
    named["TIFF group4"] = encode(image.convert("1"), "TIFF", compression="group4")
    return named


SAMPLES = samples()


# What it is


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_known_by_its_content(name: str) -> None:
    assert identify(SAMPLES[name]) == name
    assert read_header(SAMPLES[name]) == Header(name, 96, 64)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am a text\n", 'not an image: it starts with "hello, I am'),
        (b"BM is how this text begins, and goes on", "not an image"),
        (
            b"\x00\x00\x01\x00\x01\x00\x10\x10" + bytes(40),
            "ICO is not supported: save it as JPEG or PNG",
        ),
        (b"\0\0\2\0\0\0\0\0\0\0\0\0\4\0\4\0\x18\x20" + bytes(48), "TGA is not supported"),
        (b"#?RADIANCE\n", "HDR is not supported"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video is not supported: save frames of it as"),
        (b"%PDF-1.7\n", "PDF is not supported: save its pages as JPEG or PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL is not supported: save it as JPEG or PNG"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff", "damaged"),
    ],
)
def test_what_is_no_image_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    for read in (decode, read_header):
        with pytest.raises(ImageError) as caught:
            read(data)
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_suffixes_are_lower_case_and_cover_the_formats() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)
    assert {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".avif", ".heic"} <= SUFFIXES


def test_heif_without_its_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r'pip install "candid-image\[heic\]"'):
        decode(SAMPLES["HEIF"])


# What comes out


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"TIFF group4"}))
def test_every_format_gives_its_colours(name: str) -> None:
    pixels = decode(SAMPLES[name], SMALL)
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable
    wanted = expected(draw())
    if name in ("progressive JPEG", "palette PNG", "lossless WEBP") or name.startswith("TIFF "):
        wanted = np.rot90(wanted, -1)
    assert difference(pixels, wanted) < (20 if name == "palette PNG" else 5)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_of_tiff_becomes_rgb(mode: str) -> None:
    image = corners().convert("L") if mode in ("1", "L", "I;16", "I", "F") else corners()
    if mode == "LAB":
        # White; in Pillow's memory 128 is neutral.
        stored = Image.merge("LAB", [Image.new("L", (96, 64), v) for v in (255, 128, 128)])
        wanted = np.full((32, 32, 3), 255, np.uint8)
    elif mode == "1":
        stored = image.point(lambda level: 255 * (level > 100)).convert("1")
        wanted = expected(stored)
    elif mode == "I;16":
        stored = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        wanted = expected(image)
    elif mode == "F":
        stored = Image.fromarray(np.asarray(image).astype(np.float32) / 255)
        wanted = expected(image)
    else:
        stored, wanted = image.convert(mode), expected(image)
    contract = SMALL.with_range((0, 255)) if mode == "I" else SMALL
    pixels = decode(encode(stored, "TIFF"), contract)
    assert difference(pixels, wanted) < 3


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_sixteen_bit_grey_keeps_its_range(name: str) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)
    data = encode(Image.fromarray(np.tile(ramp, (256, 1))), name)
    row = decode(data, PixelContract(256))[0]
    assert np.abs(row.astype(int) - np.arange(256)[:, None]).max() <= 1
    assert (row[0] == 0).all()
    assert (row[-1] == 255).all()


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_colour_keeps_its_range(suffix: str) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16)
    blue_green_red = np.stack([np.tile(ramp, (256, 1)), np.zeros((256, 256), np.uint16)] * 2, -1)
    data = cv2.imencode(suffix, blue_green_red[:, :, :3])[1].tobytes()
    row = decode(data, PixelContract(256))[0].astype(int)
    assert np.abs(row[:, [0, 2]] - np.arange(256)[:, None]).max() <= 1
    assert row[:, 1].max() == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.float32([0, 2.5]), "float 32-bit samples from 0 to 2.5"),
        (np.float32([np.nan, np.nan]), "no sample of it is a number"),
        (np.int32([-4, 9]), "signed 32-bit samples from -4 to 9"),
        (np.int32([0, 255]), "signed 32-bit samples from 0 to 255"),
    ],
)
def test_samples_of_unknown_range_are_refused(values: np.ndarray, reason: str) -> None:
    data = encode(Image.fromarray(values[None]), "TIFF")
    with pytest.raises(ImageError, match=reason):
        decode(data, SMALL)


def test_a_sample_that_is_no_number_is_black() -> None:
    values = np.full((64, 64), 1, np.float32)
    values[:, 32:] = np.nan
    pixels = decode(encode(Image.fromarray(values), "TIFF"), SMALL)
    assert (pixels[:, :16] == 255).all()
    assert (pixels[:, 16:] == 0).all()


@pytest.mark.parametrize("name", ["PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_alpha_is_composed_over_white(name: str) -> None:
    rgba = Image.new("RGBA", (64, 64), (*RED, 128))
    rgba.paste((*BLACK, 0), (0, 0, 32, 64))
    options = {"lossless": True} if name == "WEBP" else {}
    pixels = decode(encode(rgba, name, **options), SMALL).astype(int)
    assert np.abs(pixels[16, 4] - WHITE).max() <= 3
    assert np.abs(pixels[16, 28] - (255, 127, 127)).max() <= 3


def test_transparency_of_grey_palette_and_key_colours_becomes_white() -> None:
    grey = Image.new("LA", (8, 8), (0, 0))
    palette = Image.new("RGB", (8, 8), RED).quantize(2)
    key = Image.new("RGB", (8, 8), GREEN)
    deep = Image.fromarray(np.full((8, 8), 1000, np.uint16))
    files_and_options = [
        (grey, "PNG", {}),
        (palette, "PNG", {"transparency": 0}),
        (palette, "PNG", {"transparency": b"\0"}),
        (palette, "GIF", {"transparency": 0}),
        (key, "PNG", {"transparency": GREEN}),
        (deep, "PNG", {"transparency": 1000}),
    ]
    for image, name, options in files_and_options:
        assert (decode(encode(image, name, **options), SMALL) == 255).all(), (image.mode, options)


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_an_animation_gives_its_first_frame(name: str) -> None:
    first, second = Image.new("RGB", (40, 40), RED), Image.new("RGB", (40, 40), BLUE)
    data = encode(first, name, save_all=True, append_images=[second])
    assert np.abs(decode(data, SMALL).astype(int) - RED).max() <= 3


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(name: str, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = corners()
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    # As bytes: given an Exif object, pillow-heif 1.8 writes the tag but does not turn the picture.
    data = encode(stored, name, exif=exif.tobytes())
    assert difference(decode(data, SMALL), expected(corners())) < 6


def test_adobe_inverted_cmyk_is_not_a_negative() -> None:
    # Pillow writes CMYK JPEG the way Adobe does, inverted and with Adobe's marker.
    data = encode(Image.new("RGB", (64, 64), (200, 30, 30)).convert("CMYK"), "JPEG")
    assert b"Adobe" in data[:100]
    assert np.abs(decode(data, SMALL).astype(int) - (200, 30, 30)).max() <= 6


@pytest.mark.parametrize("metadata", [b"\0" * 20, b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0II*\0"])
def test_nonsense_in_the_metadata_does_not_spoil_the_picture(metadata: bytes) -> None:
    segment = b"\xff\xe1" + struct.pack(">H", len(metadata) + 2) + metadata
    data = SAMPLES["JPEG"][:2] + segment + SAMPLES["JPEG"][2:]
    assert difference(decode(data, SMALL), decode(SAMPLES["JPEG"], SMALL)) == 0


def test_a_png_with_a_damaged_colour_profile_is_read() -> None:
    chunk = struct.pack(">I", 4) + b"iCCP" + b"oops" + b"\0\0\0\0"
    data = SAMPLES["PNG"][:33] + chunk + SAMPLES["PNG"][33:]
    assert difference(decode(data, SMALL), decode(SAMPLES["PNG"], SMALL)) == 0


# How it is fitted


def bands() -> bytes:
    """Draw 300 x 100: red, green, blue, each 100 wide."""
    image = Image.new("RGB", (300, 100))
    for number, colour in enumerate((RED, GREEN, BLUE)):
        image.paste(colour, (100 * number, 0, 100 * number + 100, 100))
    return encode(image, "PNG")


def test_squash_fills_the_square_with_everything() -> None:
    pixels = decode(bands(), PixelContract(30, "squash"))
    assert [tuple(pixels[15, at]) for at in (0, 15, 29)] == [RED, GREEN, BLUE]


def test_crop_keeps_the_centred_square() -> None:
    assert (decode(bands(), PixelContract(30, "crop")) == GREEN).all()


def test_pad_letterboxes_on_white() -> None:
    pixels = decode(bands(), PixelContract(30, "pad"))
    assert (pixels[:10] == 255).all()
    assert (pixels[20:] == 255).all()
    assert [tuple(pixels[15, at]) for at in (0, 15, 29)] == [RED, GREEN, BLUE]


@pytest.mark.parametrize("fit", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (1, 40000), (3, 2), (2000, 10)])
def test_any_shape_becomes_a_square(fit: str, size: tuple[int, int]) -> None:
    data = encode(Image.new("RGB", size, RED), "PNG")
    pixels = decode(data, PixelContract(64, fit))  # type: ignore[arg-type]
    assert pixels.shape == (64, 64, 3)
    assert (pixels == RED).all(axis=2).any()


def test_what_shrinks_on_one_side_and_grows_on_the_other_is_not_aliased() -> None:
    stripes = np.zeros((8, 1024, 3), np.uint8)
    stripes[:, ::2] = 255
    pixels = decode(encode(Image.fromarray(stripes), "PNG"), PixelContract(32))
    assert np.abs(pixels.astype(int) - 128).max() <= 1


@pytest.mark.parametrize(
    ("name", "mode"),
    [("JPEG", mode) for mode in ("RGB", "L", "CMYK")]
    + [("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "P")]
    + [("WEBP", mode) for mode in ("RGB", "RGBA")]
    + [("TIFF", mode) for mode in ("RGB", "RGBA", "L", "CMYK")],
)
def test_a_large_image_reduced_on_the_way_looks_like_one_resized_at_once(
    name: str, mode: str
) -> None:
    image = draw(1600, 1200, seed=3).convert(mode)
    data = encode(image, name)
    assert difference(decode(data, PixelContract(100)), expected(image, 100)) < 1


@pytest.mark.parametrize("options", [{"fit": "stretch"}, {"size_px": 0}, {"max_pixels": 0}])
def test_a_contract_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="Received"):
        PixelContract(**options)  # type: ignore[arg-type]


def test_the_key_tells_contracts_with_different_pixels_apart() -> None:
    assert PixelContract().key == "v2:224:squash"
    assert len({PixelContract(s, f).key for s in (1, 2) for f in ("crop", "pad")}) == 4


# What is refused


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(body))
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + checksum
    return start + struct.pack(">I", 1000) + b"IDAT" + bytes(1000)


def test_what_is_too_large_is_refused_by_its_header() -> None:
    data = png_header(100_000, 100_000)
    started = time.process_time()
    for read in (decode, read_header):
        with pytest.raises(ImageError, match="too large: 100000 x 100000 pixels, limit 178956970"):
            read(data)
    # It decodes nothing: the true picture of that size would take minutes and 40 GB.
    assert time.process_time() - started < 5


class TestALimitAboveTheUsualOne:
    """`--max-megapixels`: where libjpeg scales while decoding, more pixels need no more memory."""

    @pytest.fixture(autouse=True)
    def _usual(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(decoding, "MAX_PIXELS", 90 * 60)

    def test_lets_a_larger_baseline_jpeg_in(self) -> None:
        pixels = decode(SAMPLES["JPEG"], PixelContract(32, max_pixels=96 * 64))
        assert (pixels == decode(SAMPLES["JPEG"], PixelContract(32))).all()
        header = read_header(SAMPLES["JPEG"], max_pixels=96 * 64)
        assert (header.width_px, header.height_px) == (96, 64)

    @pytest.mark.parametrize("name", ["PNG", "TIFF", "DICOM", "progressive JPEG"])
    def test_is_not_for_what_is_decoded_as_a_whole(self, name: str) -> None:
        contract = PixelContract(32, max_pixels=96 * 64)
        with pytest.raises(ImageError, match="limit 5400 in all for all but baseline JPEG"):
            decode(SAMPLES[name], contract)

    def test_is_named_where_it_would_help(self) -> None:
        with pytest.raises(ImageError, match="limit 5400 in all, which --max-megapixels raises"):
            decode(SAMPLES["JPEG"], PixelContract(32, max_pixels=90 * 60))


@pytest.mark.parametrize("name", FORMATS)
def test_the_limit_on_pixels_is_exact(name: str) -> None:
    read_header(SAMPLES[name], max_pixels=96 * 64)
    with pytest.raises(ImageError, match="too large: 96 x 64"):
        decode(SAMPLES[name], PixelContract(32, max_pixels=96 * 64 - 1))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_truncated_file_is_refused(name: str, share: float) -> None:
    data = SAMPLES[name]
    with pytest.raises(ImageError):
        decode(data[: int(len(data) * share)], SMALL)


JPEG_KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restart": {"restart_marker_rows": 1},
    "full colour": {"subsampling": 0},
}


@pytest.mark.parametrize("size_px", [32, 224, 2000])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", JPEG_KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_truncated_jpeg_is_refused_however_it_is_decoded(
    mode: str, kind: str, share: float, size_px: int
) -> None:
    image = draw(700, 500, seed=5).convert(mode)
    data = encode(image, "JPEG", **JPEG_KINDS[kind])
    with pytest.raises(ImageError, match="truncated"):
        decode(data[: int(len(data) * share)], PixelContract(size_px))


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("kind", ["baseline", "restart", "full colour"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_truncated_jpeg_with_an_end_marker_stuck_on_is_refused(
    mode: str, kind: str, share: float
) -> None:
    data = encode(draw(700, 500, seed=5).convert(mode), "JPEG", **JPEG_KINDS[kind])
    with pytest.raises(ImageError, match="truncated"):
        decode(data[: int(len(data) * share)] + b"\xff\xd9", SMALL)


@pytest.mark.parametrize("size_px", [32, 224])
@pytest.mark.parametrize("kind", ["baseline", "restart", "full colour"])
def test_a_jpeg_without_its_end_marker_is_read(kind: str, size_px: int) -> None:
    data = encode(draw(700, 500, seed=5), "JPEG", **JPEG_KINDS[kind])
    whole = decode(data, PixelContract(size_px))
    for cut in (data[:-1], data[:-2]):
        assert difference(decode(cut, PixelContract(size_px)), whole) == 0


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_garbage_after_the_end_does_no_harm(name: str) -> None:
    data = SAMPLES[name]
    garbage = random.Random(7).randbytes(1000)
    assert difference(decode(data + garbage, SMALL), decode(data, SMALL)) == 0


@pytest.mark.parametrize("options", JPEG_KINDS.values())
def test_a_grey_jpeg_is_not_taken_for_a_truncated_one(options: dict[str, object]) -> None:
    data = encode(Image.new("RGB", (300, 200), (128, 128, 128)), "JPEG", **options)
    assert (decode(data, SMALL) == 128).all()


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_damaged_bytes_give_pixels_or_an_image_error(data: st.DataObject) -> None:
    content = damage(data, SAMPLES)
    reason = "fine"
    try:
        assert decode(content, SMALL).shape == (32, 32, 3)
    except ImageError as error:
        reason = str(error)
    assert reason
    assert "\n" not in reason


# Files


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda _: None, "no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "empty file"),
        (os.mkfifo, "not a regular file"),
        (lambda path: path.write_bytes(bytes(11)), "too large"),
    ],
    ids=["missing", "folder", "empty", "pipe", "large"],
)
def test_a_file_that_gives_no_bytes_gives_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: object, reason: str
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 10)
    make(tmp_path / "x.jpg")  # type: ignore[operator]
    with pytest.raises(ImageError, match=reason):
        read_file(tmp_path / "x.jpg")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="maps are listed on Linux only")
def test_files_that_are_held_take_no_mapping_each(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(bytes(3000))

    def num_mappings() -> int:
        return Path("/proc/self/maps").read_bytes().count(b"\n")

    before = num_mappings()
    held = [read_file(tmp_path / "x.jpg") for _ in range(400)]
    assert num_mappings() < before + len(held) / 4


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(b"1234567")
    seen = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, 3, 0, 0, 0))
    monkeypatch.setattr(Path, "stat", lambda *_, **__: seen)
    assert read_file(path) == b"1234567"


def test_a_file_that_may_not_be_read_gives_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may read everything, so the refusal is played.
    path = tmp_path / "x.jpg"
    path.write_bytes(b"x")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match="permission denied"):
        read_file(path)


def test_a_name_that_no_file_can_have_gives_a_reason() -> None:
    with pytest.raises(ImageError, match="can't be read"):
        read_file(Path("a\0b"))


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert read_file(tmp_path / "x") == b"abc"


# How it behaves in a process


def run_python(code: str, *arguments: str, timeout_s: int = 120) -> str:
    """Run code in a fresh interpreter that must leave its standard error empty."""
    command = [sys.executable, "-W", "always", "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout


def test_importing_the_package_imports_no_decoder() -> None:
    code = "import sys, candid.data.images; print({'cv2', 'PIL', 'pillow_heif'} & set(sys.modules))"
    assert run_python(code).strip() == "set()"


def test_a_jpeg_needs_one_plugin_only(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(SAMPLES["JPEG"])
    code = """
import pathlib, sys
from candid.data.images import decode
decode(pathlib.Path(sys.argv[1]).read_bytes())
print([m for m in ("pillow_heif", "PIL.PngImagePlugin", "PIL.AvifImagePlugin") if m in sys.modules])
"""
    assert run_python(code, str(tmp_path / "x")).strip() == "[]"


def test_threads_give_the_same_pixels_as_one_after_the_other() -> None:
    jobs = [SAMPLES[name] for name in sorted(SAMPLES)] * 4
    alone = [decode(data, SMALL) for data in jobs]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode(data, SMALL), jobs))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_damaged_files_print_nothing(tmp_path: Path) -> None:
    randomness = random.Random(11)
    for name, data in SAMPLES.items():
        for number in range(12):
            damaged = bytearray(data)
            for _ in range(3):
                damaged[randomness.randrange(8, len(data))] = randomness.randrange(256)
            (tmp_path / f"{name} {number}").write_bytes(damaged)
    results = json.loads(run_python(DECODE_FOLDER, str(tmp_path)))
    assert len(results["reasons"]) == 12 * len(SAMPLES)


DECODE_FOLDER = """
import json, pathlib, resource, sys
from candid.errors import ImageError
from candid.data.images import decode, read_file
reasons = {}
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    if path.is_file():
        try:
            assert decode(read_file(path)).shape == (224, 224, 3)
            reasons[path.name] = None
        except ImageError as error:
            reasons[path.name] = str(error)
# getrusage alone would begin at the size of the process that forked.
peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if (status := pathlib.Path("/proc/self/status")).exists():
    peak_kib = int(status.read_text().split("VmHWM:")[1].split()[0])
print(json.dumps({"reasons": reasons, "peak_mib": peak_kib / 1024}))
"""


# Other people's odd files


@needs_odd_images
def test_every_odd_file_gives_pixels_or_one_line_quietly_in_bounded_memory() -> None:
    results = json.loads(run_python(DECODE_FOLDER, str(ODD)))
    refused = {name: reason for name, reason in results["reasons"].items() if reason}
    assert len(results["reasons"]) == 598
    assert len(refused) <= 96
    assert not any("\n" in reason or len(reason) > 300 for reason in refused.values())
    assert results["peak_mib"] < 600
    # pngsuite's x*.png are broken on purpose; xcsn0g01 and xhdn0g08 have wrong checksums.
    broken = [name for name in refused if name.startswith("tests__pngsuite__x")]
    assert len(broken) >= 10


@needs_odd_images
@pytest.mark.parametrize("scene", ["Landscape", "Portrait"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_of_every_orientation_come_out_alike(scene: str, orientation: int) -> None:
    folder = ODD / "exif_orientation"
    upright = decode(read_file(folder / f"{scene}_1.jpg"))
    pixels = decode(read_file(folder / f"{scene}_{orientation}.jpg"))
    # Each photo has its own number drawn on it.
    assert difference(pixels, upright) < 4
    assert difference(np.rot90(pixels, 2), upright) > 20


# Where image-rs and Pillow read the same bytes differently, and why ours is kept.
UNLIKE_IMAGE_RS = {
    "V3_A1_R5_G5_B5.bmp": "alpha of a 16-bit BMP, ignored by Pillow and browsers",
    "V3_A1_R5_G5_B5_Top_Down.bmp": "as above",
    "V5_A1_R5_G5_B5.bmp": "as above",
    "V5_A8_R8_G8_B8_Rgb.bmp": "an alpha mask in a BMP that says it has none",
    "pal4rletrns.bmp": "pixels that the run lengths skip: colour 0, not transparent",
    "border_touching_layers.gif": "what the first frame leaves out: background, not transparent",
    "issue_1455_undersized.gif": "as above",
    "oob.gif": "a frame beyond the screen: the screen grows",
    "issue_1455_oversized.gif": "as above",
    "fcTL-dispose-in-region-previous.png": "the default image is no part of the animation",
    "hpredict.tiff": "alpha is associated: image-rs does not divide by it",
    "hpredict_packbits.tiff": "as above",
}


def reference_pairs() -> list[tuple[Path, Path]]:
    folder = ODD / "image_rs"
    pairs = []
    for image in sorted(folder.glob("tests__images__*")) if folder.is_dir() else []:
        stem = image.name.replace("tests__images__", "tests__reference__")
        for reference in (folder / f"{stem}.png", folder / f"{stem}.anim_01.png"):
            is_odd = image.name.split("__")[-1] in UNLIKE_IMAGE_RS
            if reference.exists() and identify(image.read_bytes()) and not is_odd:
                pairs.append((image, reference))
                break
    return pairs


@needs_odd_images
def test_pixels_are_those_of_the_reference_decoder() -> None:
    pairs = reference_pairs()
    unlike, refused = {}, []
    for image, reference in pairs:
        try:
            pixels = decode(read_file(image)).astype(int)
        except ImageError:
            refused.append(image.name)
            continue
        most = np.abs(pixels - decode(read_file(reference))).max()
        # 5 and 6 bits are widened differently; JPEG and WebP decoders differ by rounding.
        if most > (8 if image.suffix in (".jpg", ".webp") else 2):
            unlike[image.name] = most
    assert len(pairs) > 80
    assert not unlike
    assert len(refused) <= 17
    assert all(name.endswith((".bmp", "rgb32f_bw.tiff", "rgb32f_color.tiff")) for name in refused)


def test_pillows_warnings_are_silenced_where_filters_were_reset() -> None:
    # pytest resets the filters for each test, so the plugin module has to look each time.
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plugins.open_image(SAMPLES["PNG"], "PNG")
        warnings.warn_explicit("metadata", UserWarning, "x.py", 1, module="PIL.TiffImagePlugin")
