"""Valid files that Pillow misreads, and broken ones that it reads."""

from __future__ import annotations

import io
import struct
import zlib
from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.data.images import PixelContract, decode
from candid.data.images.jpeg import read_scans
from candid.errors import ImageError

TRUNCATED = "truncated: the data end before the picture does"
WHITE = 255


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(depth: int, kind: int, rows: list[bytes], transparent: bytes, *, width: int) -> bytes:
    """A PNG of the given rows (each of packed samples) with a transparent colour."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = (b"IHDR", header), (b"tRNS", transparent), (b"IDAT", pixels), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts)


def smooth(height: int = 96, width: int = 128) -> Image.Image:
    coarse = np.random.default_rng(1).integers(30, 220, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def jpeg(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("extra", [0, 0xFF00], ids=["as it should be", "with bits to ignore"])
def test_the_transparent_value_of_a_grey_png_is_white_at_every_depth(
    depth: int, extra: int
) -> None:
    most = (1 << depth) - 1
    value = most // 2
    bits = f"{value:0{depth}b}{most:0{depth}b}" * (8 // depth if depth < 8 else 1)
    row = int(bits, 2).to_bytes(len(bits) // 8, "big")
    width = len(bits) // depth
    assert value * 255 // most < WHITE
    shown = decode(png(depth, 0, [row], struct.pack(">H", value | extra), width=width))
    assert (shown == WHITE).all()
    other = decode(png(depth, 0, [row], struct.pack(">H", (value + 1) % (most + 1)), width=width))
    assert other.min() < 130


@pytest.mark.parametrize("is_interlaced", [False, True])
def test_a_transparent_colour_of_16_bits_is_compared_by_all_of_them(is_interlaced: bool) -> None:
    colour, near = (0x4D12, 0x2233, 0x9944), (0x4D13, 0x2233, 0x9944)
    rows = [struct.pack(">6H", *colour, *near)]
    data = png(16, 2, rows, struct.pack(">3H", *colour), width=2)
    if is_interlaced:  # of two pixels, the second comes in the sixth pass
        passes = [struct.pack(">3H", *one) for one in (colour, near)]
        pixels = zlib.compress(b"".join(b"\0" + one for one in passes))
        header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 1)
        start = data.index(b"IDAT") - 4
        mark = chunk(b"tRNS", struct.pack(">3H", *colour))
        data = data[:8] + chunk(b"IHDR", header) + mark + chunk(b"IDAT", pixels)
        data += chunk(b"IEND", b"")
        assert start > 0
    assert decode(data, PixelContract(2))[0].tolist() == [[255] * 3, [0x4D, 0x22, 0x99]]


def test_a_png_without_its_end_is_refused_as_in_browsers() -> None:
    file = io.BytesIO()
    smooth().save(file, "PNG")
    data = file.getvalue()
    for cut in (12, 9):
        with pytest.raises(ImageError, match=TRUNCATED):
            decode(data[:-cut])
    assert np.array_equal(decode(data[:-4]), decode(data))  # only the checksum of nothing
    assert np.array_equal(decode(data + b"more"), decode(data))


@pytest.mark.parametrize("mode", ["P", "L"])
def test_around_the_frame_of_a_gif_that_does_not_cover_its_screen_is_white(mode: str) -> None:
    file = io.BytesIO()
    dark = Image.new("L", (16, 16), 40)
    (dark if mode == "L" else dark.convert("RGB").quantize(2)).save(file, "GIF")
    data = bytearray(file.getvalue())
    data[6:10] = struct.pack("<HH", 64, 64)
    at = data.index(b",") + 1
    data[at : at + 4] = struct.pack("<HH", 8, 24)
    pixels = decode(bytes(data), PixelContract(64))[..., 0]
    assert (pixels[24:40, 8:24] == 40).all()
    pixels[24:40, 8:24] = WHITE
    assert (pixels == WHITE).all()


def scans_of(data: bytes) -> list[int]:
    """Where each scan begins, with the tables before it; at last, where the file ends."""
    return [at for at in range(2, len(data)) if data[at : at + 2] in (b"\xff\xda", b"\xff\xd9")]


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4])
@pytest.mark.parametrize("grey", [False, True])
def test_a_progressive_jpeg_that_was_cut_and_closed_is_refused(share: float, grey: bool) -> None:
    data = jpeg(smooth().convert("L" if grey else "RGB"), progressive=True)
    decode(data)
    with pytest.raises(ImageError, match=TRUNCATED):
        decode(data[: int(len(data) * share)] + b"\xff\xd9")


def test_a_progressive_jpeg_needs_all_of_its_scans() -> None:
    data = jpeg(smooth(), progressive=True)
    places = scans_of(data)
    assert len(places) == 11
    for place in places[1:-1]:
        scans = read_scans(data[:place] + b"\xff\xd9")
        assert not scans.is_whole
        assert scans.is_progressive
    assert read_scans(data) == (True, True, False)


def without_refinements(data: bytes) -> bytes:
    """Claim that the first pass of each band holds all of its bits, and drop the later ones."""
    places, kept = scans_of(data), b""
    for start, end in pairwise(places):
        body = 5 + 2 * data[start + 4]
        if data[start + body + 2] >> 4 == 0:
            exact = bytes([data[start + body + 2] & 0xF0])
            kept += data[start : start + body + 2] + exact + data[start + body + 3 : end]
    return data[: places[0]] + kept + b"\xff\xd9"


def test_a_last_scan_that_brings_new_detail_must_be_complete() -> None:
    """In libjpeg's own script the last scan refines; a cut within it changes next to nothing."""
    data = without_refinements(jpeg(smooth().convert("L"), progressive=True))
    assert read_scans(data) == (True, True, True)
    decode(data)
    last = scans_of(data)[-2]
    with pytest.raises(ImageError, match=TRUNCATED):
        decode(data[: (last + len(data)) // 2] + b"\xff\xd9")


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"restart_marker_blocks": 3}])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_every_jpeg_of_pillow_is_whole(
    mode: str, options: dict[str, object], progressive: bool, subsampling: int
) -> None:
    image = smooth(61, 45).convert(mode)
    data = jpeg(image, progressive=progressive, subsampling=subsampling, **options)
    assert read_scans(data).is_whole
    decode(data)


def test_every_progressive_jpeg_of_opencv_is_whole() -> None:
    for seed in range(20):
        pixels = np.random.default_rng(seed).integers(0, 256, (50, 70, 3), dtype=np.uint8)
        flags = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 5 * seed + 3]
        data = cv2.imencode(".jpg", pixels, flags)[1].tobytes()
        assert read_scans(data) == (True, True, False)
        decode(data)


def test_a_sequential_jpeg_needs_a_scan_of_each_component() -> None:
    data = jpeg(smooth())
    at = data.index(b"\xff\xda")
    # Its only scan, told to hold but the first component.
    alone = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    cut = data[:at] + alone + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]
    with pytest.raises(ImageError, match=TRUNCATED):
        decode(cut)
