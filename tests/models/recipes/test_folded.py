"""Calibration from a few held-out folds of networks that train for minutes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from candid.models.ood import fit_novelty_held_out
from candid.models.recipes.abstaining_head import Answers
from candid.models.recipes.folded import FoldAnswers, choose_share, join_answers, join_folds

RNG = np.random.default_rng(0)
LABELS = np.arange(120) % 2


def scores(labels: np.ndarray, right: float) -> np.ndarray:
    """Scores, float32 ``(n, 2)``, of which a share is right."""
    answers = np.where(RNG.random(len(labels)) < right, labels, 1 - labels)
    return (2.0 * np.eye(2)[answers] + RNG.normal(0, 0.3, (len(labels), 2))).astype(np.float32)


def make_fold(places: np.ndarray, *, frozen: float = 0.7, trained: float = 0.9) -> FoldAnswers:
    labels = LABELS[places]
    known = RNG.normal(size=(60, 8)).astype(np.float32) + (np.arange(60) % 2)[:, None]
    held = (RNG.normal(size=(len(places), 8)) + labels[:, None]).astype(np.float32)
    detector, _ = fit_novelty_held_out(known, np.arange(60) % 2, held)
    of_both = scores(labels, frozen), scores(labels, trained)
    return FoldAnswers(places, labels, places, *of_both, held, detector)


@pytest.fixture
def folds() -> list[FoldAnswers]:
    return [make_fold(np.arange(start, 120, 3)) for start in range(3)]


@pytest.mark.parametrize(
    ("frozen", "trained", "least", "most"),
    [(0.5, 0.98, 0.75, 1.0), (0.98, 0.5, 0.0, 0.25), (0.85, 0.85, 0.25, 0.75)],
)
def test_the_better_layers_have_the_larger_share(
    frozen: float, trained: float, least: float, most: float
) -> None:
    fold = make_fold(np.arange(120), frozen=frozen, trained=trained)
    assert least <= choose_share([fold]) <= most


def test_the_folds_are_joined_in_their_order(folds: list[FoldAnswers]) -> None:
    held_out, _ = join_folds(folds, np.zeros(40, np.int64), folds[0].detector, 0.5)
    np.testing.assert_array_equal(held_out.places, np.concatenate([f.places for f in folds]))
    np.testing.assert_array_equal(held_out.parts, np.repeat([0, 1, 2], 40))
    answers = held_out.answers()
    np.testing.assert_allclose(answers.raw, np.concatenate([f.raw(0.5) for f in folds]))


def test_one_fold_is_measured_by_halves(folds: list[FoldAnswers]) -> None:
    halves = np.arange(40) % 2
    held_out, _ = join_folds(folds[:1], halves, folds[0].detector, 1.0)
    np.testing.assert_array_equal(held_out.parts, halves)


def test_no_photo_is_calibrated_by_its_own_label(folds: list[FoldAnswers]) -> None:
    held_out, _ = join_folds(folds, np.zeros(40, np.int64), folds[0].detector, 0.5)
    before = held_out.answers()
    first = held_out.parts == 0
    turned = replace(held_out, labels=np.where(first, 1 - held_out.labels, held_out.labels))
    after = turned.answers()
    np.testing.assert_array_equal(after.probabilities[first], before.probabilities[first])
    assert (after.probabilities[~first] != before.probabilities[~first]).any()


def test_novelty_is_standardised_alike_in_all_folds(folds: list[FoldAnswers]) -> None:
    held_out, detector = join_folds(folds, np.zeros(40, np.int64), folds[0].detector, 0.5)
    middle = np.mean([fold.detector.middle for fold in folds], axis=0)
    np.testing.assert_allclose(detector.middle, middle, rtol=1e-6)
    expected = [
        replace(f.detector, middle=detector.middle, spread=detector.spread).scores(f.embeddings)
        for f in folds
    ]
    np.testing.assert_allclose(held_out.novelty, np.concatenate(expected), rtol=1e-6)


def test_answers_are_sorted_by_place() -> None:
    def answers(*values: float) -> Answers:
        column = np.array(values, np.float32)[:, None]
        return Answers(column, column, None, None)

    joined = join_answers([answers(0.3, 0.1), answers(0.2)], np.array([7, 1, 4]))
    assert joined.probabilities[:, 0].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert joined.possible is None
