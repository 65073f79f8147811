"""Portable maps and JPEG 2000: what Pillow reads rightly is read, the rest has a true reason."""

from __future__ import annotations

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.data.images import PixelContract, decode, identify, inspect
from candid.errors import ImageError

CONTRACT = PixelContract(16)
RAMP = np.tile(np.arange(16) * 17, (16, 1)).astype(np.uint8)
COLOURS = cv2.resize(np.random.default_rng(3).integers(0, 256, (4, 4, 3), dtype=np.uint8), (16, 16))


def plain(samples: np.ndarray) -> bytes:
    return b"\n".join(b" ".join(b"%d" % one for one in row) for row in samples.reshape(16, -1))


def packed(samples: np.ndarray, most: int) -> bytes:
    return samples.astype(">u2" if most > 255 else "u1").tobytes()


@pytest.mark.parametrize("most", [1, 15, 100, 255, 1000, 4095, 65535])
@pytest.mark.parametrize("is_plain", [False, True])
@pytest.mark.parametrize("comment", [b"", b"# of 3 4 5\n"])
def test_a_pgm_of_any_range_keeps_its_own(most: int, is_plain: bool, comment: bytes) -> None:
    """A range of 16 bits is that of the header, even if no sample needs more than eight."""
    for dim in (1, 200):
        samples = np.rint(RAMP / 255 * most / dim).astype(">u2")
        body = (
            plain(samples) if is_plain else samples.astype(">u2" if most > 255 else "u1").tobytes()
        )
        data = b"P%d\n%s16 16\n%d\n" % (2 if is_plain else 5, comment, most) + body
        expected = np.floor(samples / most * 255.99)
        assert np.abs(decode(data, CONTRACT)[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("most", [255, 100, 65535])
@pytest.mark.parametrize("is_plain", [False, True])
def test_a_ppm_of_any_range_gives_its_colours(most: int, is_plain: bool) -> None:
    samples = np.rint(COLOURS / 255 * most).astype(">u2")
    body = plain(samples) if is_plain else packed(samples, most)
    data = b"P%d 16 16 %d\n" % (3 if is_plain else 6, most) + body
    assert np.abs(decode(data, CONTRACT) - samples / most * 255).max() <= 1.5


def test_in_a_pbm_ones_are_black() -> None:
    bits = RAMP > 100
    expected = np.where(bits, 0, 255)
    for data in (
        b"P4\n16 16\n" + np.packbits(bits, axis=1).tobytes(),
        b"P1\n16 16\n" + plain(bits.astype(int)),
        b"P1 16 16\n" + plain(bits.astype(int)).replace(b" ", b""),
    ):
        assert np.array_equal(decode(data, CONTRACT)[..., 0], expected)


HEADS = {
    *(b"P1 16 16\n", b"P2 16 16 255\n", b"P3 16 16 255\n", b"P4 16 16\n", b"P5 16 16 255\n"),
    *(b"P5 16 16 999\n", b"P6 16 16 255\n", b"P6 16 16 9\n"),
}


@pytest.mark.parametrize("head", sorted(HEADS))
def test_a_cut_portable_map_is_refused(head: bytes) -> None:
    body = b"1 0 1 0 1 0 1 0 " if head[1] < ord("4") else bytes(20)
    assert identify(head) == "PPM"
    for data in (head + body, head, head[:7]):
        with pytest.raises(ImageError, match=r"truncated|damaged"):
            decode(data, CONTRACT)


@pytest.mark.parametrize("text", [b"P1 is the first plan", b"P6\n\nSix points", b"P7\nWIDTH 4\n"])
def test_a_text_that_begins_so_is_no_portable_map(text: bytes) -> None:
    assert identify(text) is None


def jpeg2000(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG2000", **options)
    return file.getvalue()


PAIRS = [
    *((mode, {"tile_size": (8, 8)}) for mode in ("L", "RGB", "RGBA", "LA")),
    # Pillow 13 writes tiles of 16 bits to the wrong places.
    *((mode, {"no_jp2": no}) for mode in ("L", "RGB", "RGBA", "LA", "I;16") for no in (0, 1)),
]


@pytest.mark.parametrize(("mode", "options"), PAIRS)
def test_jpeg_2000_gives_its_colours(mode: str, options: dict[str, object]) -> None:
    if mode == "I;16":
        image = Image.fromarray(RAMP.astype(np.uint16) << 8)
        expected = np.repeat(RAMP[..., None], 3, axis=2)
    else:
        image = Image.fromarray(COLOURS).convert(mode)
        expected = np.asarray(image.convert("RGB"))
    data = jpeg2000(image, **options)
    assert inspect(data).mode == mode
    assert np.abs(decode(data, CONTRACT).astype(int) - expected).max() <= 1


def test_the_alpha_of_jpeg_2000_is_over_white() -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    assert (decode(jpeg2000(image), CONTRACT) == 255).all()


@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
def test_deep_colours_whose_white_pillow_turns_black_are_refused(suffix: str) -> None:
    deep = np.full((64, 64, 3), 65535, np.uint16)
    data = cv2.imencode(".jp2", deep)[1].tobytes()
    if suffix == ".j2k":
        data = data[data.index(b"\xffO\xffQ") :]
    assert np.asarray(Image.open(io.BytesIO(data))).max() == 0  # why
    with pytest.raises(ImageError, match="JPEG 2000 of 16 bits a colour is not supported: save it"):
        decode(data, CONTRACT)
    grey = cv2.imencode(".jp2", deep[..., 0])[1].tobytes()
    assert (decode(grey, CONTRACT) == 255).all()


def changed(data: bytes, place: int, value: bytes) -> bytes:
    return data[:place] + value + data[place + len(value) :]


def test_jpeg_2000_that_pillow_reads_otherwise_has_a_reason() -> None:
    data = jpeg2000(Image.fromarray(COLOURS))
    siz = data.index(b"\xffO\xffQ") + 4
    for place, value, reason in (
        (siz + 38, b"\x08", "of 9 bits a colour"),
        (siz + 42, b"\x02", "with colours of fewer pixels"),
        (data.index(b"colr") + 7, struct.pack(">I", 14), "in colour space 14"),
    ):
        with pytest.raises(ImageError, match=f"JPEG 2000 {reason} is not supported: save it"):
            decode(changed(data, place, value), CONTRACT)


def test_a_small_jpeg_2000_that_would_take_minutes_is_refused() -> None:
    data = jpeg2000(Image.fromarray(COLOURS), no_jp2=True)
    for place, value, reason in (
        (8, struct.pack(">II", 9000, 9000), "too large: 9000 x 9000 pixels, limit 64000000 in all"),
        (24, struct.pack(">II", 1, 1), "truncated"),  # of 256 tiles there is one
        (24, struct.pack(">II", 0, 0), "truncated"),
        (40, struct.pack(">H", 0), "damaged"),
    ):
        with pytest.raises(ImageError, match=reason):
            decode(changed(data, place, value), CONTRACT)
    wrapped = jpeg2000(Image.fromarray(COLOURS))
    size = wrapped.index(b"\xffO\xffQ") + 8
    with pytest.raises(ImageError, match="damaged: 900 x 900 pixels in a frame of"):
        decode(changed(wrapped, size, struct.pack(">II", 900, 900)), CONTRACT)


@pytest.mark.parametrize("options", [{}, {"no_jp2": True}, {"tile_size": (8, 8)}])
@pytest.mark.parametrize("closing", [b"", b"\xff\xd9"])
def test_jpeg_2000_that_was_cut_is_refused(options: dict[str, object], closing: bytes) -> None:
    data = jpeg2000(Image.fromarray(COLOURS), **options)
    for end in (len(data) - 3, len(data) * 3 // 4, len(data) // 2):
        with pytest.raises(ImageError, match=r"truncated|damaged"):
            decode(data[:end] + closing, CONTRACT)
