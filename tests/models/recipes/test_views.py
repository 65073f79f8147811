"""Varied views of a picture."""

from __future__ import annotations

import numpy as np

from candid.models.recipes.views import vary, vary_lightly

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def test_a_view_has_the_size_of_the_picture_and_leaves_it_as_it_is() -> None:
    before = PICTURE.copy()
    for draw in (vary, vary_lightly):
        view = draw(PICTURE, np.random.default_rng(1))
        assert (view.shape, view.dtype) == (PICTURE.shape, PICTURE.dtype)
        np.testing.assert_array_equal(PICTURE, before)


def test_the_same_random_numbers_give_the_same_view() -> None:
    for draw in (vary, vary_lightly):
        first, same, other = (draw(PICTURE, np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, same)
        assert (first != other).any()


def test_a_light_view_differs_in_place_and_light_and_keeps_the_colour() -> None:
    rng = np.random.default_rng(0)
    picture = np.full((40, 40, 3), (150, 100, 50), np.uint8)
    picture[:, :20] //= 2
    views = [vary_lightly(picture, rng).astype(float) for _ in range(50)]
    left, right = (np.array([view[:, at].mean() for view in views]) for at in (0, -1))
    assert 10 < (left > right).sum() < 40  # mirrored
    brightest = np.maximum(left, right)
    assert brightest.min() < 80
    assert brightest.max() > 120
    assert all(np.allclose(view[..., 0], 3 * view[..., 2], atol=5) for view in views)


def test_some_views_are_grey_and_most_are_not() -> None:
    rng = np.random.default_rng(0)
    picture = np.full((40, 40, 3), (200, 100, 30), np.uint8)
    spread = [np.ptp(vary(picture, rng).mean(axis=(0, 1))) for _ in range(100)]
    grey = sum(value < 20 for value in spread)  # a tint is left
    assert 5 < grey < 30


def test_a_view_keeps_the_middle_of_the_picture() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[24:40, 24:40] = 255  # within every crop, as one has at least 0.63 of each side
    rng = np.random.default_rng(3)
    assert all(vary(picture, rng).max() > 100 for _ in range(50))
