"""The map puts similar photos near each other, also when only some are laid out by forces."""

from __future__ import annotations

import numpy as np
import pytest

from candid.features import embedding_map
from candid.features.embedding_map import lay_out


def clusters(num: int, *, num_clusters: int = 4, seed: int = 0):
    """Rows of length 1 around as many far directions, and the cluster of each."""
    rng = np.random.default_rng(seed)
    of = np.arange(num) % num_clusters
    rows = np.eye(num_clusters, 16)[of] + rng.normal(0, 0.15, (num, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), of


def share_of_neighbours_alike(places, of) -> float:
    """How often the nearest of the others on the map is of the same cluster."""
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((of[apart.argmin(axis=1)] == of).mean())


@pytest.mark.parametrize("most", [4000, 60])
def test_photos_of_a_kind_are_neighbours(most, monkeypatch):
    monkeypatch.setattr(embedding_map, "_MOST_LAID_OUT", most)
    rows, of = clusters(240)
    places = lay_out(rows)
    assert places.shape == (240, 2)
    assert places.dtype == np.float32
    assert share_of_neighbours_alike(places, of) > 0.95


def test_places_are_within_the_square_and_spread_over_it():
    places = lay_out(clusters(200)[0])
    assert places.min() >= 0
    assert places.max() <= 1
    assert np.ptp(places, axis=0).max() > 0.8


def test_the_same_rows_give_the_same_map():
    rows, _ = clusters(50)
    assert np.array_equal(lay_out(rows), lay_out(rows))
    assert not np.array_equal(lay_out(rows), lay_out(rows, seed=1))


@pytest.mark.parametrize("num", [0, 1, 2, 3, 5])
def test_few_photos_have_places(num):
    places = lay_out(clusters(num)[0])
    assert places.shape == (num, 2)
    assert np.isfinite(places).all()


def test_the_same_photo_many_times_and_rows_of_zeros_have_places():
    same = np.repeat(clusters(1)[0], 40, axis=0)
    assert np.isfinite(lay_out(same)).all()
    assert np.isfinite(lay_out(np.zeros((20, 4), np.float32))).all()
