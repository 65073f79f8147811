"""Out-of-distribution photos score higher, in NumPy and in the graph."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from sklearn.metrics import roc_auc_score

from candid.core.onnx_builder import GraphBuilder
from candid.models import ood
from candid.models.ood import Novelty, fit_novelty, fit_novelty_held_out

NUM_FEATURES = 40


def embeddings(
    labels: np.ndarray, *, seed: int = 0, num_features: int = NUM_FEATURES
) -> np.ndarray:
    """Non-negative embeddings whose classes lie in different directions."""
    centres = np.random.default_rng(7).gamma(1.0, size=(10, num_features))
    rows = centres[labels] + 0.5 * np.random.default_rng(seed).gamma(
        1.0, size=(len(labels), num_features)
    )
    return rows.astype(np.float32)


def fit(rows: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> tuple[Novelty, np.ndarray]:
    """Fit to photos that are no copies."""
    return fit_novelty(rows, labels, np.arange(len(rows)), folds)


def fitted(num_classes: int = 3, per_class: int = 60) -> tuple[Novelty, np.ndarray]:
    labels = np.repeat(np.arange(num_classes), per_class)
    return fit(embeddings(labels), labels, np.arange(len(labels)) % 5)


def test_a_class_that_was_left_out_scores_higher() -> None:
    novelty, _ = fitted()
    known, strange = (np.repeat(c, 40) for c in ([0, 1, 2], [5]))
    scores = np.concatenate([novelty.scores(embeddings(rows, seed=1)) for rows in (known, strange)])
    assert roc_auc_score(np.arange(len(scores)) >= len(known), scores) > 0.95


def test_pictures_of_another_kind_score_higher_still() -> None:
    novelty, held_out_scores = fitted()
    noise = np.random.default_rng(2).gamma(0.2, size=(50, NUM_FEATURES)).astype(np.float32)
    assert np.median(novelty.scores(noise)) > held_out_scores.max()


def test_held_out_photos_score_like_new_ones_of_their_kind() -> None:
    _, held_out_scores = fitted(per_class=200)
    novelty, _ = fitted(per_class=200)
    new = novelty.scores(embeddings(np.repeat([0, 1, 2], 200), seed=9))
    allowed = np.quantile(held_out_scores, 0.95)
    assert (new > allowed).mean() == pytest.approx(0.05, abs=0.03)


def test_held_out_photos_are_scored_by_a_fold_that_did_not_see_them() -> None:
    labels = np.repeat(np.arange(2), 30)
    rows = embeddings(labels)
    folds = np.arange(60) % 5
    _, before = fit(rows, labels, folds)
    rows[7] = np.random.default_rng(3).gamma(0.2, size=NUM_FEATURES)
    _, after = fit(rows, labels, folds)
    assert after[7] > before[7] + 3


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("num_classes", [2, 5])
def test_the_graph_computes_the_same_as_numpy(num_classes: int, signed: bool) -> None:
    labels = np.repeat(np.arange(num_classes), 40)
    rows = embeddings(labels) - np.float32(1.0 if signed else 0.0)
    novelty, _ = fit(rows, labels, np.arange(len(labels)) % 5)
    graph = GraphBuilder("novelty")
    embedding = graph.input("embedding", np.float32, ("n", NUM_FEATURES))
    graph.output(novelty.add_to(graph, embedding), np.float32, ("n",))
    session = ort.InferenceSession(graph.finish().SerializeToString())
    asked = np.concatenate([rows[:20], np.zeros((1, NUM_FEATURES), np.float32)])
    [scores] = session.run(None, {"embedding": asked})
    assert scores.shape == (21,)
    assert scores == pytest.approx(novelty.scores(asked), abs=2e-4)


def test_the_order_of_the_photos_does_not_matter() -> None:
    labels = np.repeat(np.arange(3), 40)
    rows, folds = embeddings(labels), np.arange(120) % 5
    order = np.random.default_rng(0).permutation(120)
    one, _ = fit(rows, labels, folds)
    other, _ = fit(rows[order], labels[order], folds[order])
    asked = embeddings(np.array([0, 1, 2, 5, 6]), seed=4)
    assert one.scores(asked) == pytest.approx(other.scores(asked), abs=1e-3)


def test_few_and_many_photos_give_similar_scores() -> None:
    """Both ways to compute principal axes agree."""
    labels = np.repeat(np.arange(3), 260)
    rows = embeddings(labels, num_features=300)
    many, _ = fit(rows, labels, np.arange(780) % 5)
    few, _ = fit(rows[::2], labels[::2], np.arange(390) % 5)
    asked = embeddings(np.repeat([0, 1, 2, 5], 20), seed=4, num_features=300)
    assert np.corrcoef(many.scores(asked), few.scores(asked))[0, 1] > 0.95


def test_standardising_by_a_held_out_part() -> None:
    labels = np.repeat(np.arange(3), 60)
    held_out = embeddings(np.repeat([0, 1, 2], 20), seed=5)
    novelty, held_out_scores = fit_novelty_held_out(embeddings(labels), labels, held_out)
    assert held_out_scores.mean() == pytest.approx(0, abs=1e-4)
    assert novelty.scores(held_out) == pytest.approx(held_out_scores, abs=1e-4)


def test_constant_embeddings_are_no_error() -> None:
    labels = np.repeat(np.arange(2), 20)
    novelty, held_out_scores = fit(np.ones((40, 8), np.float32), labels, np.arange(40) % 5)
    assert np.isfinite(held_out_scores).all()
    assert np.isfinite(novelty.scores(np.random.default_rng(0).random((5, 8), np.float32))).all()


def test_folds_of_few_photos_give_the_measures_of_a_full_geometry() -> None:
    """They are computed without axes, for speed."""
    labels = np.repeat(np.arange(3), 40)
    rows, folds = embeddings(labels, num_features=300), np.arange(120) % 4
    mapped = ood._map(rows)
    found = ood._measure_few(ood._fit_geometry(mapped, labels), mapped, labels, folds)
    for fold in range(4):
        here = folds == fold
        of_fold = ood._fit_geometry(mapped[~here], labels[~here])
        assert found[here] == pytest.approx(of_fold.measures(rows[here]), abs=1e-2)
