"""A head is calibrated, can abstain, and is cross-validated with both."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from candid.models.recipes.abstaining_head import (
    AbstainingHead,
    Answers,
    fit_abstaining,
    predict_by_folds,
)
from candid.models.recipes.cross_validation import cross_validate
from candid.models.recipes.linear_head import fit_head
from candid.splits.grouped_split import Labelled, grouped_folds


def photos(
    num_classes: int = 3, per_class: int = 60, *, seed: int = 0, copies: int = 1, apart: float = 1.0
) -> Labelled:
    """Non-negative embeddings of a few classes that overlap a little."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(5).gamma(2.0, size=(num_classes, 24))
    labels = np.repeat(np.arange(num_classes), per_class * copies)
    units = np.repeat(np.arange(num_classes * per_class), copies)
    noise = np.repeat(rng.gamma(1.0, size=(num_classes * per_class, 24)), copies, axis=0)
    rows = apart * centres[labels] + 2 * noise
    keys = [f"{seed}:{unit:04}" for unit in range(num_classes * per_class)]
    return Labelled(rows.astype(np.float32), labels, units, keys, num_classes)


def by_folds(data: Labelled, *, seed: int = 0) -> Answers:
    folded = predict_by_folds(data, seed=seed)
    assert folded is not None
    return folded.answers


@pytest.fixture(scope="module")
def head() -> AbstainingHead:
    return fit_abstaining(photos())


def test_the_head_is_the_one_of_fit_head_divided_by_the_temperature(head: AbstainingHead) -> None:
    plain = fit_head(photos()).head
    asked = photos(seed=1).embeddings
    assert np.array_equal(head.raw.kernel, plain.kernel)
    expected = replace(head.raw, kernel=plain.kernel / head.temperature)
    assert head.head.kernel == pytest.approx(expected.kernel, rel=1e-5)
    answers = head.answer(asked)
    assert answers.raw == pytest.approx(plain.probabilities(asked), abs=1e-6)
    assert (answers.probabilities.argmax(axis=1) == answers.raw.argmax(axis=1)).all()


def test_coverage_and_false_alarms_are_as_configured() -> None:
    covered, alarms = [], []
    for seed in range(6):
        asked = photos(per_class=200, seed=100 + seed)
        answers = fit_abstaining(photos(per_class=150, seed=seed)).answer(asked.embeddings)
        assert answers.possible is not None
        assert answers.familiarity is not None
        covered.append(answers.possible[np.arange(len(asked.labels)), asked.labels].mean())
        alarms.append((answers.familiarity <= 0.05).mean())
    assert np.mean(covered) == pytest.approx(0.9, abs=0.02)
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.025)


def test_cross_validation_is_the_plain_heads_before_calibration() -> None:
    data = photos()
    answers = by_folds(data, seed=3)
    assert answers is not None
    assert answers.raw == pytest.approx(cross_validate(data, seed=3), abs=1e-6)


def test_an_image_is_answered_by_a_head_of_the_other_folds() -> None:
    data = photos(copies=2)
    answers = by_folds(data)
    folds = grouped_folds(data.labels, data.groups, data.group_keys, num_folds=5, seed=0)
    held_out = folds == 2
    alone = fit_abstaining(data.take(np.flatnonzero(~held_out)), seed=1)
    expected = alone.answer(data.embeddings[held_out])
    assert answers is not None
    assert np.array_equal(answers.probabilities[held_out], expected.probabilities)
    assert answers.possible is not None
    assert expected.possible is not None
    assert np.array_equal(answers.possible[held_out], expected.possible)
    assert answers.familiarity is not None
    assert expected.familiarity is not None
    assert np.array_equal(answers.familiarity[held_out], expected.familiarity)


def test_no_answer_depends_on_the_images_own_label() -> None:
    data = photos(apart=0.7)
    before = by_folds(data)
    labels = data.labels.copy()
    labels[7] = 2
    folds = grouped_folds(data.labels, data.groups, data.group_keys, num_folds=5, seed=0)
    after = by_folds(replace(data, labels=labels))
    moved = grouped_folds(labels, data.groups, data.group_keys, num_folds=5, seed=0)
    assert before is not None
    assert after is not None
    if np.array_equal(folds == folds[7], moved == moved[7]):
        assert before.probabilities[7] == pytest.approx(after.probabilities[7], abs=1e-5)
    else:  # stratified, so these are other folds; compare with a head of the same fold
        train = data.take(np.flatnonzero(folds != folds[7]))
        answer = fit_abstaining(train, seed=1).answer(data.embeddings[7:8])
        assert before.probabilities[7:8] == pytest.approx(answer.probabilities, abs=1e-5)


def test_few_images_give_a_head_without_abstention() -> None:
    answers = fit_abstaining(photos(num_classes=2, per_class=3)).answer(photos(2, 3).embeddings)
    assert answers.possible is None
    assert answers.familiarity is None
    assert answers.probabilities.shape == (6, 2)


def test_a_class_of_one_group_has_no_folds() -> None:
    data = photos(num_classes=2, per_class=20).take(np.arange(21))
    assert predict_by_folds(data) is None
    assert fit_abstaining(data).abstention is None


def test_the_heads_of_the_folds_are_those_that_answered() -> None:
    data = photos()
    folded = predict_by_folds(data, seed=0)
    assert folded is not None
    for fold, head in enumerate(folded.heads):
        here = folded.folds == fold
        predicted = head.probabilities(data.embeddings[here])
        assert predicted == pytest.approx(folded.answers.probabilities[here], abs=1e-6)
