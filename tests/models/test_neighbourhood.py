"""A stranger is farther from its neighbours than they are from theirs."""

from __future__ import annotations

import numpy as np
import pytest

from candid.models.neighbourhood import fit_neighbourhood


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_stranger_within_a_wide_cloud_is_far_from_its_neighbours_for_theirs() -> None:
    """Varied photos, each with a few similar ones; strangers lie between them."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(60, 30))
    rows = unit(np.repeat(kinds, 6, axis=0) + 0.3 * rng.normal(size=(360, 30)))
    known, held_out = fit_neighbourhood(rows[60:], np.arange(300), np.arange(300) % 5)
    strange = unit(rng.normal(size=(100, 30)))
    assert (known.measure(strange) > np.quantile(held_out, 0.95)).mean() > 0.95
    centre = rows.mean(axis=0)
    limit = np.quantile(np.linalg.norm(rows - centre, axis=1), 0.95)
    assert (np.linalg.norm(strange - centre, axis=1) > limit).mean() < 0.2


def test_copies_are_no_neighbours_of_a_photo() -> None:
    rows = unit(np.random.default_rng(0).normal(size=(40, 10)))
    groups = np.arange(80) // 2
    twice, _ = fit_neighbourhood(np.repeat(rows, 2, axis=0), groups, np.arange(80) // 20)
    apart = np.sort(np.square(rows[:, None] - rows).sum(axis=2), axis=1)
    # The nearest other photo and its copy, then the second nearest.
    assert twice.radii[::2] == pytest.approx(apart[:, 2], abs=1e-5)


def test_held_out_photos_are_measured_by_the_other_folds_alone() -> None:
    rows, folds = unit(np.random.default_rng(0).normal(size=(60, 10))), np.arange(60) % 4
    _, found = fit_neighbourhood(rows, np.arange(60), folds)
    others = folds != 2
    of_others, _ = fit_neighbourhood(rows[others], np.arange(45), folds[others])
    assert found[~others] == pytest.approx(of_others.measure(rows[~others]), rel=1e-5)


@pytest.mark.parametrize("num", [4, 7])
def test_very_few_photos_are_no_error(num: int) -> None:
    rows = unit(np.random.default_rng(0).normal(size=(num, 10)))
    known, found = fit_neighbourhood(rows, np.arange(num) // 2, np.arange(num) // 2)
    assert np.isfinite(found).all()
    assert np.isfinite(known.measure(rows)).all()
