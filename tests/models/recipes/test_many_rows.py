"""Heads fitted to rows of a file, in streams, are those fitted to rows in memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from candid.core.stored_rows import StoredRows
from candid.models.recipes import linear_head
from candid.models.recipes.abstaining_head import fit_abstaining, predict_by_folds
from candid.models.recipes.linear_head import fit_heads, turn_many
from candid.splits.grouped_split import Labelled


def photos(num: int, width: int, num_classes: int, *, seed: int = 0) -> Labelled:
    """Embeddings of overlapping classes, two of each picture."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) // 2 % num_classes
    rows = rng.normal(size=(num_classes, width))[labels] + rng.normal(0, 2, (num, width))
    keys = [f"{number:06}" for number in range(num // 2)]
    return Labelled(rows.astype(np.float32), labels, np.arange(num) // 2, keys, num_classes)


def in_file(data: Labelled) -> Labelled:
    stored = StoredRows(*data.embeddings.shape)
    stored.write(0, data.embeddings[:])
    return turn_many(replace(data, embeddings=stored), np.arange(len(data.labels)))


@pytest.mark.parametrize("num_classes", [2, 4])
def test_cross_validated_answers_are_the_same(num_classes: int) -> None:
    data = photos(1500, 20, num_classes)
    streamed, plain = predict_by_folds(in_file(data)), predict_by_folds(data)
    assert streamed is not None
    assert plain is not None
    assert np.array_equal(streamed.folds, plain.folds)
    assert streamed.answers.probabilities == pytest.approx(plain.answers.probabilities, abs=0.02)
    assert streamed.answers.possible is not None
    assert (streamed.answers.possible == plain.answers.possible).mean() > 0.98


@pytest.mark.parametrize("num_classes", [3, 60])
def test_the_head_is_the_same(num_classes: int) -> None:
    data = photos(1200, 16, num_classes)
    streamed, plain = fit_abstaining(in_file(data)), fit_abstaining(data)
    asked = photos(50, 16, num_classes, seed=1).embeddings[:]
    assert streamed.raw.strength == pytest.approx(plain.raw.strength, rel=0.05)
    expected = plain.head.probabilities(asked)
    assert streamed.head.probabilities(asked) == pytest.approx(expected, abs=2e-3)


def test_labels_that_are_not_fitted_on_change_nothing() -> None:
    data = photos(1500, 20, 3)
    places = np.arange(1200)
    shuffled = data.labels.copy()
    shuffled[1200:] = np.random.default_rng(3).permutation(shuffled[1200:])

    def fit(labels: np.ndarray) -> np.ndarray:
        whole = replace(in_file(data), labels=labels)
        return fit_abstaining(turn_many(whole, places).take(places)).head.kernel

    assert np.array_equal(fit(data.labels), fit(shuffled))


def test_strengths_tried_on_a_sample_are_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    data = photos(3000, 20, 3)
    monkeypatch.setattr(linear_head, "MANY_ROWS", 2000)  # where there is a sample, all count alike
    [plain] = fit_heads([data])
    monkeypatch.setattr(linear_head, "_SAMPLE", 1500)
    stored = in_file(data)
    assert stored.turned is not None
    assert len(stored.turned.sample) == pytest.approx(1500, abs=2)
    [sampled] = fit_heads([stored])
    asked = photos(50, 20, 3, seed=1).embeddings[:]
    expected = plain.head.probabilities(asked)
    assert sampled.head.probabilities(asked) == pytest.approx(expected, abs=0.05)


def test_memory_does_not_grow_with_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_head, "_SAMPLE", 400)

    def peak(num: int) -> int:
        data = in_file(photos(num, 300, 2))
        tracemalloc.start()
        fit_heads([data])
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    few, many = peak(12_000), peak(36_000)
    assert many - few < 24_000 * 300 * 4 / 4, "a quarter of the rows that there are more"
