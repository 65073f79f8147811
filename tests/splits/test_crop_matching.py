"""The window of one thumbnail that another is like is found, for many pairs as for one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from candid.splits.registration import Match, _first_of_largest, describe, match_pairs, window_map


def smooth(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9), dtype=np.uint8)
    return cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)


def cut(grey: np.ndarray, window: int) -> np.ndarray:
    """What a window shows, as a thumbnail."""
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(grey, window_map(window, 64), (64, 64), flags=inverse)


def match(a: np.ndarray, b: np.ndarray) -> Match:
    both = np.stack([a, b])
    return match_pairs(np.array([[0, 1]]), lambda which: both[which])[0]


class TestTheDescription:
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
        """However the sum was rounded: each is the other's window 0."""
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


def test_what_differs_by_rounding_alone_is_equally_large() -> None:
    """Sums are rounded differently on other machines, which no test here can show."""
    values = np.array([[0.5, 0.9, 0.9 + 2e-6], [0.5, 0.9, 0.91]], np.float32)
    assert _first_of_largest(values).tolist() == [1, 2]


def test_no_pairs_are_no_matches() -> None:
    matches = match_pairs(np.empty((0, 2), np.int64), lambda which: np.empty((len(which), 64, 64)))
    assert len(matches.correlation) == 0
