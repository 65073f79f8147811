"""Decoding any bytes gives pixels or a reason, without output, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from candid.data.images import FORMATS, PixelContract, decode, inspect, preview, read_header
from candid.errors import ImageError
from tests.data.images.test_decode import ODD, draw, encode
from tests.fuzz.budget import bounded_memory, fuzz
from tests.fuzz.mutations import mutated

pillow_heif.register_heif_opener()

# Few pixels, so that what decoding takes is not hidden behind what a large picture may take.
CONTRACT = PixelContract(size_px=16, max_pixels=1_000_000)
LIMIT_MIB = 300
_LARGEST = 64 * 1024


def drawn() -> list[bytes]:
    """Small pictures in every format and in what formats do differently within."""
    exif = Image.Exif()
    exif[0x0112] = 6
    colour, frames = draw(24, 16), [draw(24, 16, seed) for seed in (1, 2)]
    plain = [encode(colour, name) for name in FORMATS]
    for mode in ("1", "L", "P", "CMYK", "LAB", "I;16", "F", "RGBA"):
        image = colour.convert("L").convert(mode) if mode in ("I;16", "F", "1") else None
        image = Image.new("LAB", (8, 8)) if mode == "LAB" else image or colour.convert(mode)
        plain.append(encode(image, "TIFF"))
    compressions = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    plain += [encode(colour, "TIFF", compression=name, exif=exif) for name in compressions]
    plain.append(encode(colour.convert("1"), "TIFF", compression="group4"))
    plain.append(encode(colour, "JPEG", progressive=True, exif=exif))
    plain.append(encode(colour.convert("CMYK"), "JPEG"))
    plain += [encode(colour.convert(mode), "PNG", exif=exif) for mode in ("RGBA", "L", "LA", "1")]
    plain.append(encode(colour.quantize(16), "PNG", transparency=b"\0\x80"))
    plain.append(encode(colour.convert("RGBA"), "WEBP", lossless=True, exif=exif))
    plain += [
        encode(colour, name, save_all=True, append_images=frames)
        for name in ("GIF", "PNG", "WEBP", "TIFF", "AVIF")
    ]
    plain += [encode(colour.convert(mode), "BMP") for mode in ("1", "L", "P", "RGBA")]
    return plain


def odd() -> list[bytes]:
    """Other people's files, the smaller ones, where they are at hand."""
    files = sorted(path for path in ODD.rglob("*") if path.is_file()) if ODD.is_dir() else []
    return [path.read_bytes() for path in files if path.stat().st_size <= _LARGEST]


def reason_of(read: Callable[[bytes], object], data: bytes) -> str | None:
    """Why it can't be read, in one line; None where it can."""
    try:
        read(data)
    except ImageError as error:
        reason = str(error)
        assert reason.strip()
        assert "\n" not in reason
        return reason
    return None


@pytest.mark.parametrize(
    "samples",
    [
        pytest.param(drawn, id="drawn"),
        pytest.param(
            odd, id="odd", marks=pytest.mark.skipif(not ODD.is_dir(), reason=f"{ODD} is not here")
        ),
    ],
)
def test_mutated_files_give_pixels_or_one_line(
    samples: Callable[[], list[bytes]], capfd: pytest.CaptureFixture[str]
) -> None:
    def check(data: bytes) -> None:
        def pixels_of(data: bytes) -> None:
            pixels = decode(data, CONTRACT)
            assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)
            assert pixels.flags.c_contiguous

        reason = reason_of(pixels_of, data)
        header = reason_of(lambda data: read_header(data, max_pixels=CONTRACT.max_pixels), data)
        assert reason or not header  # what can be decoded has a header that can be read
        if reason is None:
            assert reason_of(inspect, data) is None
            shown = preview(data, 8)
            assert shown is None or max(shown.shape) <= 8
        output = capfd.readouterr()
        assert (output.out, output.err) == ("", "")

    seeds = samples()
    assert len(seeds) > 30
    check(seeds[0])  # what is imported on the way is not the examples'
    with bounded_memory(LIMIT_MIB):
        fuzz(check, examples=250, data=mutated(seeds))


def test_the_seeds_can_be_decoded() -> None:
    """Else nothing but the refusal of headers would be tried."""
    reasons = [reason_of(lambda data: decode(data, CONTRACT), data) for data in drawn()]
    assert sum(reason is None for reason in reasons) > 0.9 * len(reasons)
