"""Heads are fitted on subsamples of whole groups, and evaluated on held-out folds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from candid.evaluation import subsampling
from candid.evaluation.subsampling import Share, SubsampledHeads
from candid.models.recipes.logistic import Problem
from candid.splits.grouped_split import Labelled

ALL = 10**9


def photos(
    *,
    counts: tuple[int, ...] = (60, 40),
    copies: int = 1,
    apart: float = 1.0,
    num_features: int = 20,
) -> Labelled:
    """Embeddings around a centre a class; the copies of a group are equal."""
    random = np.random.default_rng(num_features)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = random.normal(size=(len(counts), num_features)) * apart
    rows = centres[labels] + random.normal(size=(len(labels), num_features))
    units = np.repeat(np.arange(len(labels)), copies)
    return Labelled(
        np.repeat(rows, copies, axis=0).astype(np.float32),
        np.repeat(labels, copies),
        units,
        [f"photo{unit}" for unit in range(len(labels))],
        len(counts),
    )


def heads_of(data: Labelled) -> SubsampledHeads:
    return SubsampledHeads(data, seed=0, strength=10)


def test_every_image_is_measured_by_heads_of_every_share() -> None:
    found = heads_of(photos()).mistakes([Share(1), Share(0.5), Share(0.25)], enough=ALL)
    assert found.wrong.shape == (100, 3)
    assert found.places.tolist() == list(range(100))
    np.testing.assert_allclose(found.sizes, [80, 40, 20])
    assert found.num_heads == 25  # five folds of five deals, as the images are few


def test_more_images_make_fewer_mistakes() -> None:
    data = photos(apart=0.35, num_features=30)
    found = heads_of(data).mistakes([Share(1), Share(0.125)], enough=ALL)
    whole, eighth = found.wrong.mean(axis=0)
    assert whole < eighth - 0.03
    assert 0.05 < found.changed[1] < 0.5
    assert found.changed[0] == 0


def test_no_copy_of_a_measured_image_is_learnt_from() -> None:
    data = photos(apart=0, copies=3, num_features=200)
    wrong = heads_of(data).mistakes([Share(1)], enough=ALL).wrong
    assert wrong.mean() > 0.35


def test_parts_are_of_whole_groups_and_lie_within_each_other() -> None:
    seen: list[np.ndarray] = []
    data = photos(copies=3)
    heads = heads_of(data)
    for fold in heads._folds:
        kept = [fold.from_share <= share for share in (1, 0.5, 0.25)]
        for larger, smaller in pairwise(kept):
            assert not (smaller & ~larger).any()
        for part in kept:
            assert not set(data.groups[part]) & set(data.groups[~part])
            assert not part[fold.held_out].any()
        seen.append(kept[2])
    assert (seen[0] != seen[1]).any()


def test_every_class_keeps_its_share() -> None:
    data = photos(counts=(80, 40, 20))
    for fold in heads_of(data)._folds:
        np.testing.assert_array_equal(np.bincount(data.labels[fold.from_share <= 0.25]), [16, 8, 4])


class TestSubsamplingOneClass:
    def test_leaves_the_others_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        sizes = []
        fit = subsampling.fit

        def record(problems: list[Problem], *args: object, **named: object) -> None:
            sizes.extend(np.bincount(one.labels, one.weights).tolist() for one in problems)
            fit(problems, *args, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(subsampling, "fit", record)
        found = heads_of(photos()).mistakes([Share(0.5, label=0)], enough=ALL)
        assert sizes == [[24, 32]] * 25
        assert found.sizes.tolist() == [24]

    def test_does_not_make_the_class_less_likely(self) -> None:
        data = photos(counts=(120, 80), apart=0, num_features=2)
        found = heads_of(data).mistakes([Share(1), Share(0.5, label=0)], enough=ALL)
        # With as many of each, half of all would be wrong, and with fewer of the first 0.6.
        assert found.wrong.mean(axis=0) == pytest.approx([0.4, 0.4], abs=0.06)


class TestManyImages:
    def test_are_fitted_as_few_are_each_head_on_its_own_rows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shares, sizes, fit = [Share(1), Share(0.25), Share(0.5, label=1)], [], subsampling.fit

        def record(problems: list[Problem], *args: object, **named: object) -> None:
            sizes.append([len(one.space.rows) for one in problems])
            fit(problems, *args, **named)  # type: ignore[arg-type]

        data = photos(apart=0.35, num_features=30)
        monkeypatch.setattr(subsampling, "fit", record)
        few = heads_of(data).mistakes(shares, enough=ALL)
        assert [size for chunk in sizes for size in chunk] == [100] * 75
        sizes.clear()
        monkeypatch.setattr(subsampling, "_MOST_SHARED", 100)
        many = heads_of(data).mistakes(shares, enough=ALL)
        assert sorted(sizes) == [[20]] * 25 + [[64]] * 25 + [[80]] * 25
        np.testing.assert_allclose(many.wrong, few.wrong, atol=1e-9)
        np.testing.assert_array_equal(many.sizes, few.sizes)

    def test_are_measured_on_as_many_folds_as_hold_out_enough(self) -> None:
        heads = heads_of(photos(counts=(120, 80)))
        found = heads.mistakes([Share(0.5)], enough=70)
        assert (found.num_heads, len(found.places)) == (2, 80)

    def test_are_drawn_from_whole_groups_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(subsampling, "MOST_IMAGES", 90)
        data = photos(counts=(60, 60), copies=3)
        heads = heads_of(data)
        found = heads.mistakes([Share(1)], enough=ALL)
        assert 90 <= len(heads.places) <= 92
        assert set(found.places) == set(heads.places)
        assert np.isin(data.groups, data.groups[heads.places]).sum() == len(heads.places)


def test_what_is_known_is_not_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    heads = heads_of(photos())
    first = heads.mistakes([Share(1), Share(0.5)], enough=ALL)
    monkeypatch.setattr(subsampling, "fit", lambda *_, **__: pytest.fail("it was fitted"))
    again = heads.mistakes([Share(0.5), Share(1)], enough=ALL)
    np.testing.assert_array_equal(again.wrong, first.wrong[:, ::-1])
