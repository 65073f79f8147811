"""Header facts, and previews of damaged files, on generated pictures."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from damage import damage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from candid.data.images import FORMATS, decodable_share, decode, inspect, preview, read_header
from candid.data.images.exif import name_camera
from candid.errors import ImageError
from tests.dicom import encode_dicom

# For saving only: the package does not need it registered.
pillow_heif.register_heif_opener()

ODD = Path(__file__).parents[4] / "shared" / "odd_images"
needs_odd_images = pytest.mark.skipif(not ODD.is_dir(), reason=f"{ODD} is not here")

ORIENTATION, MAKE, MODEL = 0x0112, 0x010F, 0x0110


def draw(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """Draw smooth random colours, without libjpeg's filling grey."""
    coarse = np.random.default_rng(seed).integers(140, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))


def encode(image: Image.Image, name: str, **options: object) -> bytes:
    if name == "DICOM":
        return encode_dicom(np.asarray(image.convert("RGB")))
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def exif_of(**tags: object) -> bytes:
    exif = Image.Exif()
    numbers = {"orientation": ORIENTATION, "make": MAKE, "model": MODEL}
    for name, value in tags.items():
        exif[numbers[name]] = value
    return exif.tobytes()


SAMPLES = {name: encode(draw(), name) for name in FORMATS}
SAMPLES["progressive JPEG"] = encode(draw(), "JPEG", progressive=True, exif=exif_of(make="Xi"))
SAMPLES["animated PNG"] = encode(draw(), "PNG", save_all=True, append_images=[draw(seed=1)])
SAMPLES["animated GIF"] = encode(draw(), "GIF", save_all=True, append_images=[draw(seed=1)])


# Size, orientation, mode, frames


@pytest.mark.parametrize("name", FORMATS)
def test_a_header_says_format_and_size(name: str) -> None:
    details = inspect(SAMPLES[name])
    assert (details.format, details.width_px, details.height_px) == (name, 96, 64)
    assert (details.num_frames, details.orientation, details.camera) == (1, 1, "")
    assert details.mode == ("P" if name == "GIF" else "RGB")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_the_size_is_the_one_that_is_seen(name: str, orientation: int) -> None:
    details = inspect(encode(draw(), name, exif=exif_of(orientation=orientation)))
    seen = (64, 96) if orientation >= 5 else (96, 64)
    assert (details.width_px, details.height_px) == seen
    # HEIF is turned by its container, as by every reader of HEIF.
    assert details.orientation == (1 if name == "HEIF" else orientation)


@pytest.mark.parametrize("orientation", [0, 9, 300])
@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_an_orientation_that_makes_no_sense_is_upright(name: str, orientation: int) -> None:
    details = inspect(encode(draw(), name, exif=exif_of(orientation=orientation)))
    assert (details.orientation, details.width_px) == (1, 96)


def deep(channels: int, suffix: str) -> bytes:
    pixels = np.zeros((8, 8, channels), np.uint16)
    return cv2.imencode(suffix, pixels)[1].tobytes()


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (encode(draw().convert("L"), "JPEG"), "L"),
        (encode(draw().convert("CMYK"), "JPEG"), "CMYK"),
        (encode(draw().convert("1"), "PNG"), "1"),
        (encode(draw().convert("LA"), "PNG"), "LA"),
        (encode(draw().convert("RGBA"), "PNG"), "RGBA"),
        (encode(draw().quantize(5), "PNG"), "P"),
        (encode(Image.new("RGBA", (4, 4), (9, 9, 9, 99)), "WEBP"), "RGBA"),
        (encode(draw().convert("YCbCr"), "TIFF"), "YCbCr"),
        (encode(Image.new("F", (4, 4)), "TIFF"), "float32"),
        (deep(1, ".png"), "I;16"),
        (deep(1, ".tiff"), "I;16"),
        (deep(3, ".png"), "RGB;16"),
        (deep(3, ".tiff"), "RGB;16"),
        (deep(4, ".png"), "RGBA;16"),
    ],
)
def test_the_mode_is_the_stored_one(data: bytes, mode: str) -> None:
    assert inspect(data).mode == mode


def test_a_bmp_of_sixteen_bits_a_pixel_is_plain_colour() -> None:
    info = struct.pack("<IIIHHI20x", 40, 2, 2, 1, 16, 3)
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    header = b"BM" + struct.pack("<I4xI", 14 + 52 + 8, 14 + 52)
    assert inspect(header + info + masks + bytes(8)).mode == "RGB"


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"])
def test_frames_and_pages_are_counted(name: str) -> None:
    others = [draw(seed=1), draw(seed=2)]
    assert inspect(encode(draw(), name, save_all=True, append_images=others)).num_frames == 3


def test_a_damaged_later_frame_does_not_spoil_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL.GifImagePlugin import GifImageFile

    def fail(_: object) -> int:
        raise SyntaxError("image not found in GIF frame")

    monkeypatch.setattr(GifImageFile, "n_frames", property(fail))
    assert inspect(SAMPLES["animated GIF"]).num_frames == 1


# Quality


def test_the_quality_of_a_jpeg_is_read_back_exactly() -> None:
    image = draw(16, 16)
    saved = [inspect(encode(image, "JPEG", quality=q)).jpeg_quality for q in range(1, 101)]
    assert saved == list(range(1, 101))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_the_quality_of_other_colour_models_is_read_too(mode: str) -> None:
    assert inspect(encode(draw().convert(mode), "JPEG", quality=61)).jpeg_quality == 61


def test_the_table_of_another_maker_gives_the_nearest_quality() -> None:
    from candid.data.images.jpeg import _tables, nearest_quality

    nudged = [step + number % 2 for number, step in enumerate(_tables()[79].tolist())]
    assert abs((nearest_quality(nudged) or 0) - 80) <= 3
    assert nearest_quality([16]) is None


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"JPEG"}))
def test_only_a_jpeg_has_a_quality(name: str) -> None:
    assert inspect(SAMPLES[name]).jpeg_quality is None


# Camera


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_the_camera_is_read_from_every_format_that_has_exif(name: str) -> None:
    data = encode(draw(), name, exif=exif_of(make="Xi", model="M 5000\0\0", orientation=3))
    assert inspect(data).camera == "Xi M 5000"


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("SONY", "ILCE-7", "SONY ILCE-7"),
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D70", "NIKON D70"),
        ("  Xi \0junk", " 5 ", "Xi 5"),
        ("Xi", "", "Xi"),
        ("", "5", "5"),
        ("\0", "\x1b[31m\u202e\ud800 red\n", "[31m red"),
        ("M" * 50, "N" * 50, "M" * 50 + " " + "N" * 9),
    ],
)
def test_a_camera_is_one_short_clean_line(make: str, model: str, camera: str) -> None:
    assert name_camera(make, model) == camera


def test_a_text_whose_place_makes_no_sense_is_no_camera() -> None:
    exif = bytearray(exif_of(make="A maker of cameras"))
    start = exif.index(MAKE.to_bytes(2, "big"))
    exif[start + 8 : start + 12] = b"\xff\xff\xff\xff"
    assert inspect(encode(draw(), "JPEG", exif=bytes(exif))).camera == ""


# What is shown


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_preview_has_the_shape_and_the_colours_of_the_picture(name: str) -> None:
    shown = preview(SAMPLES[name], 48)
    assert shown is not None
    assert shown.shape == (32, 48, 3)
    assert shown.dtype == np.uint8
    wanted = cv2.resize(np.asarray(draw()), (48, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - wanted).mean() < (20 if "GIF" in name else 5)


def test_a_preview_is_upright() -> None:
    shown = preview(encode(draw(), "JPEG", exif=exif_of(orientation=6)), 48)
    wanted = preview(encode(draw().transpose(Image.Transpose.ROTATE_270), "PNG"), 48)
    assert shown is not None
    assert wanted is not None
    assert shown.shape == (48, 32, 3)
    assert np.abs(shown.astype(int) - wanted).mean() < 5


@pytest.mark.parametrize(
    ("size", "shape"),
    [((1, 1), (48, 48)), ((1, 4000), (48, 1)), ((3000, 2), (1, 48)), ((4000, 3000), (36, 48))],
)
def test_any_shape_has_a_preview(size: tuple[int, int], shape: tuple[int, int]) -> None:
    shown = preview(encode(Image.new("RGB", size, "red"), "PNG"), 48)
    assert shown is not None
    assert shown.shape == (*shape, 3)
    assert (shown == (255, 0, 0)).all()


KINDS = {
    "baseline": {},
    "restart": {"restart_marker_rows": 1},
    "full colour": {"subsampling": 0},
    "with a preview": {"exif": b"Exif\0\0" + encode(draw(32, 32), "JPEG")},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_share_of_a_jpeg_that_breaks_off_is_told(mode: str, kind: str) -> None:
    # Noise, so that all rows take equally many bytes.
    noise = np.random.default_rng(0).integers(0, 256, (640, 480, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise).convert(mode), "JPEG", **KINDS[kind])
    for kept in (0.25, 0.5, 0.9):
        part = data[: int(len(data) * kept)]
        assert decodable_share(part) == pytest.approx(kept, abs=0.04)
        assert decodable_share(part + b"\xff\xd9") == decodable_share(part)
    assert decodable_share(data) == 1


def test_the_missing_part_of_a_jpeg_is_shown_grey() -> None:
    data = encode(draw(700, 500), "JPEG")
    part = data[: int(len(data) * 0.6)]
    shown, whole = preview(part, 70), preview(data, 70)
    assert shown is not None
    assert whole is not None
    num_rows = int(50 * decodable_share(part)) - 1
    assert num_rows > 20
    assert np.abs(shown[:num_rows].astype(int) - whole[:num_rows]).max() <= 2
    assert np.abs(shown[-5:].astype(int) - 128).max() <= 1
    with pytest.raises(ImageError):
        decode(part)


def test_a_progressive_jpeg_that_breaks_off_in_a_later_pass_is_coarse_but_whole() -> None:
    data = encode(draw(700, 500), "JPEG", progressive=True)
    part = data[: int(len(data) * 0.8)]
    shown = preview(part, 70)
    assert decodable_share(part) == 1
    assert shown is not None
    assert shown[-1].min() > 130
    assert 0 < decodable_share(data[: data.index(b"\xff\xda") + 80]) < 1


@pytest.mark.parametrize("name", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_nothing_is_shown_of_the_part_of_another_format(name: str) -> None:
    part = SAMPLES[name][: int(len(SAMPLES[name]) * 0.7)]
    assert preview(part, 48) is None
    assert decodable_share(part) == 0


HEADER_ONLY = SAMPLES["JPEG"][: SAMPLES["JPEG"].index(b"\xff\xda") + 20]


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\xff\xd8\xff", SAMPLES["JPEG"][:200], HEADER_ONLY]
)
def test_nothing_is_shown_where_there_is_nothing(data: bytes) -> None:
    assert preview(data, 48) is None
    assert decodable_share(data) == 0


def test_what_is_too_large_is_neither_inspected_nor_shown() -> None:
    with pytest.raises(ImageError, match="too large: 96 x 64"):
        inspect(SAMPLES["JPEG"], max_pixels=96 * 64 - 1)
    huge = bytearray(SAMPLES["JPEG"])
    start = huge.index(b"\xff\xc0") + 5
    huge[start : start + 4] = b"\xff\xdc\xff\xdc"
    assert preview(bytes(huge), 48) is None
    assert decodable_share(bytes(huge)) == 0


# Whatever the bytes are


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_damaged_bytes_raise_nothing_but_an_image_error(data: st.DataObject) -> None:
    content = damage(data, SAMPLES)
    shown = preview(content, 24)
    assert shown is None or max(shown.shape[:2]) == 24
    assert 0 <= decodable_share(content) <= 1
    try:
        header = read_header(content)
    except ImageError:
        with pytest.raises(ImageError):
            inspect(content)
        return
    details = inspect(content)
    assert details.format == header.format
    assert details.num_frames >= 1
    assert {details.width_px, details.height_px} == {header.width_px, header.height_px}


INSPECT_FOLDER = """
import pathlib, sys
from candid.errors import ImageError
from candid.data.images import decodable_share, inspect, preview
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    if path.is_file():
        data = path.read_bytes()
        preview(data, 64), decodable_share(data)
        try:
            inspect(data)
        except ImageError:
            pass
"""


def look_at_quietly(folder: Path) -> None:
    command = [sys.executable, "-W", "always", "-c", INSPECT_FOLDER, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_damaged_files_print_nothing(tmp_path: Path) -> None:
    randomness = random.Random(5)
    for name, data in SAMPLES.items():
        for number in range(8):
            damaged = bytearray(data)
            for _ in range(3):
                damaged[randomness.randrange(8, len(data))] = randomness.randrange(256)
            (tmp_path / f"{name} {number}").write_bytes(damaged[: randomness.randrange(12, 4000)])
    look_at_quietly(tmp_path)


@needs_odd_images
def test_odd_files_print_nothing() -> None:
    look_at_quietly(ODD)


def test_metadata_that_pillow_would_refuse_is_read_past() -> None:
    bomb = PngImagePlugin.PngInfo()
    bomb.add_text("Comment", "x" * 5_000_000, zip=True)
    assert inspect(encode(draw(), "PNG", pnginfo=bomb)).width_px == 96
