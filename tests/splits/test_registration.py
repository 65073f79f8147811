"""Two thumbnails of one picture are told from two of a scene, whatever became of the copy."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from candid.cli.demo.injected_defects import draw_picture
from candid.data.images import PixelContract, decode, read_file
from candid.features.extract import shrink
from candid.splits.registration import (
    DETAIL_CORRELATION,
    WINDOW_CORRELATION,
    detail_correlation,
    match_pairs,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_photos = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here")
CONTRACT = PixelContract()


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def crop(image: Image.Image, left: float, top: float, *, share: float = 0.9) -> Image.Image:
    """Keep a share of each side; of what is lost, these shares lie left and above."""
    width, height = (round(share * side) for side in image.size)
    x, y = round(left * (image.width - width)), round(top * (image.height - height))
    return image.crop((x, y, x + width, y + height))


def third(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 3, image.height // 3), Image.Resampling.LANCZOS)


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    "quality 40": lambda image: jpeg(image, 40),
    "a third of the size": lambda image: jpeg(third(image)),
    "mirrored": lambda image: jpeg(ImageOps.mirror(image)),
    "cropped at the left": lambda image: jpeg(crop(image, 1, 0.5)),
    "cropped in a corner": lambda image: jpeg(crop(image, 0.3, 1)),
    "cropped by a fifth": lambda image: jpeg(crop(image, 0.4, 0.1, share=0.8)),
    "mirrored, cropped, shrunk": lambda image: jpeg(third(crop(ImageOps.mirror(image), 0.2, 0.7))),
    "darker": lambda image: jpeg(image.point(lambda value: value * 0.7)),
}


def thumbnail(data: bytes) -> np.ndarray:
    return shrink(decode(data, CONTRACT))


def likeness(a: np.ndarray, b: np.ndarray, *, everywhere: bool = False) -> float:
    """What both steps say of two thumbnails; 0 where the second is not worth it."""
    both = np.stack([a, b])
    match = match_pairs(np.array([[0, 1]]), lambda which: both[which])[0]
    if match.correlation < WINDOW_CORRELATION:
        return 0.0
    return detail_correlation(a, b, match, everywhere=everywhere)


def compare(first: bytes, second: bytes, *, everywhere: bool = False) -> float:
    return likeness(thumbnail(first), thumbnail(second), everywhere=everywhere)


def drawn(seed: int, class_name: str = "happy") -> Image.Image:
    return Image.fromarray(draw_picture((seed,), class_name))


def photos(name: str, count: int) -> list[bytes]:
    """Some photos of one of the real sets, spread over it."""
    files = sorted(path for path in (SHARED / name).rglob("*") if path.is_file())
    files = [path for path in files if path.stat().st_size < 400_000]
    return [read_file(path) for path in files[:: len(files) // count][:count]]


@pytest.mark.parametrize("kind", COPIES)
class TestACopyIsFound:
    @pytest.mark.parametrize("everywhere", [False, True])
    def test_of_a_drawn_picture(self, kind: str, everywhere: bool) -> None:
        images = [drawn(seed) for seed in range(8)]
        alike = [
            compare(jpeg(image, 92), COPIES[kind](image), everywhere=everywhere) for image in images
        ]
        lost = 1 if kind == "cropped by a fifth" else 0  # as far as it reaches
        assert sorted(alike)[lost] >= DETAIL_CORRELATION

    @needs_photos
    @pytest.mark.parametrize("name", ["happy_sad", "weather"])
    def test_of_a_real_photo(self, kind: str, name: str) -> None:
        originals = photos(name, 12)
        found = 0
        for data in originals:
            with Image.open(io.BytesIO(data)) as file:
                image = file.convert("RGB")
            found += compare(jpeg(image, 95), COPIES[kind](image)) >= DETAIL_CORRELATION
        # One of a dozen may be a picture of 60 pixels, of which a third is not much.
        assert found >= len(originals) - 1


class TestAnotherPictureIsNot:
    def test_two_drawings(self) -> None:
        images = [jpeg(drawn(seed)) for seed in range(12)]
        pairs = [(a, b) for i, a in enumerate(images) for b in images[:i]]
        assert max(compare(a, b) for a, b in pairs) < 0.9

    def test_a_face_that_is_happy_and_then_sad_differs_in_one_place(self) -> None:
        # Most of these correlate by 0.97 and more as a whole.
        for seed in (9, 7, 68, 83, 161, 276, 287, 385):
            happy, sad = (jpeg(drawn(seed, name), 88) for name in ("happy", "sad"))
            assert compare(happy, sad, everywhere=True) == 0.0, seed
            assert compare(happy, jpeg(drawn(seed), 60), everywhere=True) > 0.98

    def test_a_whole_alike_face_is_the_same_unless_every_place_counts(self) -> None:
        happy, sad = (jpeg(drawn(83, name), 88) for name in ("happy", "sad"))
        assert compare(happy, sad) >= DETAIL_CORRELATION

    @needs_photos
    def test_two_real_photos_of_one_scene(self) -> None:
        """Hands before one wall, the same sign: no two of the 2,062 are one picture."""
        sign = sorted((SHARED / "sign_digits" / "5").iterdir())[:60]
        thumbnails = [thumbnail(read_file(path)) for path in sign]
        alike = [
            likeness(thumbnails[i], thumbnails[j])
            for i in range(len(sign))
            for j in range(max(0, i - 6), i)
        ]
        assert max(alike) < DETAIL_CORRELATION
        assert max(alike) > 0.5  # they are alike enough to be worth the question

    @pytest.mark.parametrize("value", [0, 128, 255])
    def test_blank_pages_show_nothing_and_so_nothing_the_same(self, value: int) -> None:
        blank = np.full((64, 64), value, np.uint8)
        face = thumbnail(jpeg(drawn(0)))
        assert likeness(blank, blank) == 0.0
        assert likeness(blank, face) == 0.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans())
def test_the_order_hardly_matters_and_the_figure_is_a_correlation(
    first: int, second: int, everywhere: bool
) -> None:
    def smooth(seed: int) -> np.ndarray:
        coarse = np.random.default_rng(seed).integers(0, 256, (5, 5), dtype=np.uint8)
        return cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)

    a, b = smooth(first), smooth(second)
    forth = likeness(a, b, everywhere=everywhere)
    back = likeness(b, a, everywhere=everywhere)
    assert -1 <= forth <= 1 + 1e-6
    assert (forth >= DETAIL_CORRELATION) == (back >= DETAIL_CORRELATION)
    assert likeness(a, a, everywhere=everywhere) == pytest.approx(1, abs=1e-4)
