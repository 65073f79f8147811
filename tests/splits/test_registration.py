"""The best window of a pair, and which pairs show the same picture."""

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
    Match,
    _first_of_largest,
    compare_details,
    describe,
    match_pairs,
    window_map,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"
needs_photos = pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is not here")
CONTRACT = PixelContract()


def smooth(seed: int, size: int = 9) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)
    return cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)


def cut(grey: np.ndarray, window: int) -> np.ndarray:
    """The content of a window as a thumbnail."""
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(grey, window_map(window, 64), (64, 64), flags=inverse)


def match(a: np.ndarray, b: np.ndarray) -> Match:
    both = np.stack([a, b])
    return match_pairs(np.array([[0, 1]]), lambda which: both[which])[0]


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
    """The result of both steps for two thumbnails; 0 if the first rejects them."""
    found = match(a, b)
    if found.correlation < WINDOW_CORRELATION:
        return 0.0
    return compare_details(a, b, found).of_copy(everywhere=everywhere)


def compare(first: bytes, second: bytes, *, everywhere: bool = False) -> float:
    return likeness(thumbnail(first), thumbnail(second), everywhere=everywhere)


def drawn(seed: int, class_name: str = "happy") -> Image.Image:
    return Image.fromarray(draw_picture((seed,), class_name))


def photos(name: str, count: int) -> list[bytes]:
    """Some photos of one of the real sets, spread over it."""
    files = sorted(path for path in (SHARED / name).rglob("*") if path.is_file())
    files = [path for path in files if path.stat().st_size < 400_000]
    return [read_file(path) for path in files[:: len(files) // count][:count]]


class TestTheDescriptor:
    def test_every_window_has_mean_zero_and_length_one(self) -> None:
        described = describe(np.stack([smooth(seed) for seed in range(3)]))
        assert described.shape == (3, 49, 256)
        assert described.dtype == np.float32
        np.testing.assert_allclose(described.mean(axis=-1), 0, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(described, axis=-1), 1, atol=1e-4)

    def test_the_first_window_is_the_whole_by_area(self) -> None:
        grey = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
        small = cv2.resize(grey.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA)
        small -= small.mean()
        expected = small.ravel() / np.linalg.norm(small)
        np.testing.assert_allclose(describe(grey[None])[0, 0], expected, atol=1e-5)

    def test_a_window_is_what_its_map_shows(self) -> None:
        for window in (1, 8, 17, 48):
            described = describe(np.stack([smooth(0), cut(smooth(0), window)]))
            assert described[0, window] @ described[1, 0] > 0.99


class TestTheBestWindow:
    @pytest.mark.parametrize("window", [3, 10, 24, 45])
    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("in_second", [False, True])
    def test_of_a_crop_is_where_it_was_cut(
        self, window: int, mirrored: bool, in_second: bool
    ) -> None:
        whole = smooth(1)
        part = cut(whole, window)
        part = part[:, ::-1] if mirrored else part
        found = match(part, whole) if in_second else match(whole, part)
        assert found[1:] == (window, in_second, mirrored)
        assert found.correlation > 0.99

    def test_of_two_equally_good_ones_is_the_first(self) -> None:
        """Independent of rounding: each is the other's window 0."""
        rng = np.random.default_rng(2)
        noise = rng.normal(0, 2, (400, 64, 64))
        grey = np.stack([smooth(seed % 40) for seed in range(400)])
        grey = np.concatenate([grey[:40], np.clip(grey + noise, 0, 255).astype(np.uint8)])
        pairs = np.stack([np.arange(400) % 40, np.arange(40, 440)], axis=1)
        matches = match_pairs(pairs, lambda which: grey[which])
        assert matches.in_second.all()
        assert not matches.mirrored.any()
        assert not matches.window.any()

    def test_of_unrelated_pictures_is_not_alike(self) -> None:
        assert match(smooth(3), smooth(4)).correlation < 0.7

    def test_of_a_blank_page_is_not_alike(self) -> None:
        assert match(np.full((64, 64), 90, np.uint8), smooth(4)).correlation < 0.1


def test_many_pairs_at_once_give_what_each_gives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candid.splits.registration._BLOCK", 7)
    rng = np.random.default_rng(5)
    grey = np.stack([cut(smooth(seed % 8), int(rng.integers(49))) for seed in range(40)])
    pairs = np.unique(np.sort(rng.integers(0, 40, (200, 2)), axis=1), axis=0)
    together = match_pairs(pairs, lambda which: grey[which])
    for number, (a, b) in enumerate(pairs):
        alone = match(grey[a], grey[b])
        assert together[number][1:] == alone[1:]
        assert together[number].correlation == pytest.approx(alone.correlation, abs=1e-5)


def test_values_that_differ_by_rounding_count_as_equal() -> None:
    """Other machines round sums differently."""
    values = np.array([[0.5, 0.9, 0.9 + 2e-6], [0.5, 0.9, 0.91]], np.float32)
    assert _first_of_largest(values).tolist() == [1, 2]


def test_no_pairs_are_no_matches() -> None:
    matches = match_pairs(np.empty((0, 2), np.int64), lambda which: np.empty((len(which), 64, 64)))
    assert len(matches.correlation) == 0


@pytest.mark.parametrize("kind", COPIES)
class TestACopyIsFound:
    @pytest.mark.parametrize("everywhere", [False, True])
    def test_of_a_drawn_picture(self, kind: str, everywhere: bool) -> None:
        images = [drawn(seed) for seed in range(8)]
        alike = [
            compare(jpeg(image, 92), COPIES[kind](image), everywhere=everywhere) for image in images
        ]
        lost = 1 if kind == "cropped by a fifth" else 0  # the limit of the method
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
        # One of a dozen may have only 60 pixels, too few at a third of the size.
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

    def test_a_face_that_differs_in_one_place_is_the_same_without_everywhere(self) -> None:
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
        assert max(alike) > 0.5  # similar enough for the test to mean something

    @pytest.mark.parametrize("value", [0, 128, 255])
    def test_blank_pages_do_not_match(self, value: int) -> None:
        blank = np.full((64, 64), value, np.uint8)
        face = thumbnail(jpeg(drawn(0)))
        assert likeness(blank, blank) == 0.0
        assert likeness(blank, face) == 0.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.booleans())
def test_the_order_hardly_matters_and_the_figure_is_a_correlation(
    first: int, second: int, everywhere: bool
) -> None:
    a, b = smooth(first, 5), smooth(second, 5)
    forth = likeness(a, b, everywhere=everywhere)
    back = likeness(b, a, everywhere=everywhere)
    assert -1 <= forth <= 1 + 1e-6
    assert (forth >= DETAIL_CORRELATION) == (back >= DETAIL_CORRELATION)
    assert likeness(a, a, everywhere=everywhere) == pytest.approx(1, abs=1e-4)
