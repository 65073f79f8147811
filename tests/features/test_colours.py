"""Colours know how bright and colourful a picture is, and nothing of what is where in it."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from candid.features.extract import NUM_COLOURS, colours_of


def noise(*, seed: int = 0, size: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def flat(red: int, green: int, blue: int, *, size: int = 32) -> np.ndarray:
    return np.full((size, size, 3), (red, green, blue), np.uint8)


@pytest.mark.parametrize("size", [1, 7, 64, 100, 260])
def test_are_so_many_finite_shares(size: int) -> None:
    colours = colours_of(noise(size=size))
    assert colours.shape == (NUM_COLOURS,)
    assert colours.dtype == np.float32
    assert ((colours >= 0) & (colours <= 1)).all()
    assert colours[10:].sum() == pytest.approx(1)


def test_do_not_change_when_pixels_change_places() -> None:
    pixels = noise()
    shuffled = np.random.default_rng(1).permutation(pixels.reshape(-1, 3)).reshape(pixels.shape)
    np.testing.assert_allclose(colours_of(shuffled), colours_of(pixels), atol=1e-5)


@pytest.mark.parametrize("rgb", [(200, 100, 50), (0, 0, 0), (255, 255, 255), (10, 240, 240)])
def test_of_one_colour_are_that_colour_without_spread(rgb: tuple[int, int, int]) -> None:
    colours = colours_of(flat(*rgb))
    shares = np.array(rgb) / 255
    np.testing.assert_allclose(colours[1:4], shares, atol=1e-5)
    assert colours[0] == pytest.approx(shares @ [0.299, 0.587, 0.114], abs=1e-5)
    assert colours[4] == pytest.approx(colorsys.rgb_to_hsv(*shares)[1], abs=1e-5)
    np.testing.assert_allclose(colours[5:10], 0, atol=1e-5)
    assert colours[10:].max() == 1


def test_have_the_means_and_spreads_of_all_pixels_where_these_are_few() -> None:
    pixels = noise(size=40)
    colours = colours_of(pixels)
    shares = pixels.reshape(-1, 3) / 255
    np.testing.assert_allclose(colours[1:4], shares.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(colours[6:9], shares.std(axis=0), atol=1e-5)


def test_of_a_large_picture_come_from_an_even_grid() -> None:
    pixels = np.concatenate([flat(0, 0, 0, size=260), flat(255, 255, 255, size=260)])
    colours = colours_of(pixels)
    assert colours[0] == pytest.approx(0.5, abs=0.02)
    np.testing.assert_allclose(colours[[10, 17]], 0.5, atol=0.02)
