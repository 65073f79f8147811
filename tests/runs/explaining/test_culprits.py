"""What leaving training photos out does to an answer, against fits from scratch."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from candid.data.scan import scan
from candid.errors import UsageError
from candid.models.recipes.linear_head import LinearHead, fit_head
from candid.models.recipes.refit import FittedHead
from candid.runs.classifier import load
from candid.runs.explaining import culprits
from candid.runs.explaining.culprits import Culprits, open_culprits
from candid.splits.grouped_split import Labelled
from candid.training import Run

NUM = 60
WRONG = 7  # a photo of the first class, in the place of the second, labelled as the second


def drawn(num_classes: int, *, dimensions: int = 12) -> Labelled:
    """Classes that overlap; the photos 10 and 11 are copies of one picture."""
    rng = np.random.default_rng(3)
    labels = np.arange(NUM) % num_classes
    centres = 1.2 * rng.normal(size=(num_classes, dimensions))
    rows = (centres[labels] + rng.normal(size=(NUM, dimensions))).astype(np.float32)
    rows[11], labels[11] = rows[10], labels[10]
    rows[WRONG] = centres[0]
    labels[WRONG] = 1
    groups = np.arange(NUM)
    groups[11:] -= 1
    keys = [f"{number:016x}" for number in range(NUM - 1)]
    return Labelled(rows, labels.astype(np.int64), groups.astype(np.int64), keys, num_classes)


def contents_of(data: Labelled) -> list[str]:
    return [f"{number:064x}" for number in range(len(data.labels))]


def prepared(data: Labelled, *, temperature: float = 1.5) -> Culprits:
    head = fit_head(data).head
    classes = [f"class {number}" for number in range(data.num_classes)]
    return Culprits(data, contents_of(data), classes, head, temperature=temperature)


@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_head_without_some_images_is_that_of_a_fit_from_scratch(num_classes: int) -> None:
    data, strength = drawn(num_classes), 30.0
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.3, 1, NUM).astype(np.float32)
    rows = np.asarray(data.embeddings[:]) / np.float32(4)

    def from_scratch(kept: np.ndarray) -> np.ndarray:
        solver = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000)
        solver.fit(
            rows[kept].astype(np.float64), data.labels[kept], weights[kept].astype(np.float64)
        )
        both = np.column_stack([solver.coef_, solver.intercept_])
        return np.concatenate([-both / 2, both / 2]) if num_classes == 2 else both

    every = np.ones(NUM, np.bool_)
    head = FittedHead(rows, data.labels, weights, strength, num_classes, from_scratch(every))
    assert head.distance < 1e-4
    masks = [np.arange(NUM) == place for place in (WRONG, 4)] + [np.arange(NUM) < 15]
    query = np.append(rows[5], 1)
    for mask, found in zip(masks, head.leave_out(masks), strict=True):
        expected = from_scratch(~mask) @ query
        got = found.parameters @ query
        assert got - got.mean() == pytest.approx(expected - expected.mean(), abs=2e-4)
        assert np.abs(expected - head.parameters @ query).max() > 1e-3  # that it matters
    again = head.leave_out(masks[:1])[0].leave_out(masks[1:2])[0]
    expected = from_scratch(~(masks[0] | masks[1])) @ query
    got = again.parameters @ query
    assert got - got.mean() == pytest.approx(expected - expected.mean(), abs=2e-4)


def test_influence_is_the_change_to_the_first_order() -> None:
    data = drawn(3)
    head = prepared(data)._head
    query = np.append(head.rows[5], 1).astype(np.float64)
    influence = head.influence(query, 2, 1)
    masks = list(np.eye(NUM, dtype=np.bool_))
    before = (head.parameters @ query)[[2, 1]]
    changes = [
        float(np.subtract(*(one.parameters @ query)[[2, 1]]) - np.subtract(*before))
        for one in head.leave_out(masks)
    ]
    assert np.corrcoef(influence, changes)[0, 1] > 0.97


@pytest.mark.parametrize("num_classes", [2, 3])
def test_a_photo_in_the_wrong_class_is_the_first_culprit(num_classes: int) -> None:
    data = drawn(num_classes)
    one = prepared(data)
    query = np.asarray(data.embeddings[WRONG])
    first, *others = one.pulls(query, 1, 0)
    assert first.contents == (contents_of(data)[WRONG],)
    assert first.label == "class 1"
    assert all(first.nats >= other.nats > 0 for other in others)
    before, after = one.answer(query), one.answer(query, without=first.contents)
    assert after == pytest.approx(first.probabilities, abs=1e-6)
    lost = np.log(before[1] / before[0]) - np.log(after[1] / after[0])
    assert first.nats == pytest.approx(lost, abs=1e-4)
    assert len(one.pulls(query, 1, 0, most=2)) == 2


def test_pulls_add_up_as_photos_are_left_out_one_after_another() -> None:
    data = drawn(2)
    one, query = prepared(data), np.asarray(data.embeddings[WRONG])
    first = one.pulls(query, 1, 0)[0]
    second = one.pulls(query, 1, 0, without=first.contents)[0]
    both = one.answer(query, without=first.contents + second.contents)
    assert both == pytest.approx(second.probabilities, abs=1e-5)
    assert both[0] > first.probabilities[0]


def test_copies_are_left_out_together() -> None:
    data = drawn(2)
    one, names = prepared(data), contents_of(data)
    assert set(one.group_of(names[11])) == {names[10], names[11]}
    query = np.asarray(data.embeddings[0])
    assert one.answer(query, without=names[10:11]) == pytest.approx(
        one.answer(query, without=names[10:12])
    )


def test_what_can_not_be_left_out_is_refused() -> None:
    data = drawn(2)
    one, names = prepared(data), contents_of(data)
    query = np.asarray(data.embeddings[0])
    with pytest.raises(UsageError, match="not trained on 1 photo"):
        one.answer(query, without=["f" * 64])
    first_class = [names[place] for place in np.flatnonzero(data.labels == 0)]
    with pytest.raises(UsageError, match="a class has none left"):
        one.answer(query, without=first_class)
    with pytest.raises(UsageError, match="an embedding of 12 finite numbers"):
        one.answer(query[:5])
    with pytest.raises(UsageError, match="finite"):
        one.answer(np.full(12, np.nan, np.float32))


def test_a_head_of_other_photos_is_refused() -> None:
    data = drawn(2)
    head = fit_head(data).head
    turned = replace(data, labels=1 - data.labels)
    with pytest.raises(UsageError, match="not the photos that the run was trained on"):
        Culprits(turned, contents_of(data), ["a", "b"], head, temperature=1)


def test_a_class_of_one_picture_is_not_named() -> None:
    data = drawn(2)
    labels = data.labels.copy()
    labels[:] = 1
    labels[3] = 0
    data = replace(data, labels=labels)
    head = LinearHead(*fit_both(data), 1.0)
    one = Culprits(data, contents_of(data), ["a", "b"], head, temperature=1)
    found = one.pulls(np.asarray(data.embeddings[3]), 0, 1)
    assert contents_of(data)[3] not in {pull.contents[0] for pull in found}


def fit_both(data: Labelled) -> tuple[np.ndarray, np.ndarray]:
    from candid.models.recipes.linear_head import space_of
    from candid.models.recipes.logistic import Problem, fit

    space = space_of(data)
    problem = Problem(space, data.labels, np.ones(NUM, np.float32), 2)
    fit([problem], 1.0, tolerance=1e-5)
    return space.to_embeddings(problem.fitted)


# --- Of a run -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def opened(trained: Run) -> Culprits:
    return open_culprits(trained.folder)


def test_a_runs_own_answers_come_out(trained: Run, opened: Culprits) -> None:
    with np.load(trained.folder / "golden.npz") as golden:
        for embedding, expected in zip(golden["embedding"], golden["probabilities"], strict=True):
            assert opened.answer(embedding) == pytest.approx(expected, abs=1e-4)


def test_a_run_trained_again_without_the_culprit_answers_nearly_so(
    trained: Run, opened: Culprits
) -> None:
    with np.load(trained.folder / "golden.npz") as golden:
        query = golden["embedding"][0]
    probabilities = opened.answer(query)
    answered = int(probabilities.argmax())
    first = opened.pulls(query, answered, 1 - answered)[0]
    data = opened._data
    kept = [place for content, place in opened._place.items() if content not in first.contents]
    head = fit_head(data.take(np.array(kept, np.int64))).head
    again = head.divided_by(opened._temperature).probabilities(query[None])[0]
    assert first.probabilities[answered] == pytest.approx(again[answered], abs=0.1)


def test_photos_are_found_by_content_wherever_they_are(
    trained: Run, opened: Culprits, tmp_path: Path
) -> None:
    source = Path(trained.contents.folder)
    moved = Path(shutil.copytree(source, tmp_path / "moved"))
    catalog = scan(moved, to_train=False)
    again = open_culprits(trained.folder, catalog)
    query = np.zeros(opened._data.embeddings.shape[1], np.float32)
    assert again.answer(query) == pytest.approx(opened.answer(query), abs=1e-6)
    gone = next(photo for photo in catalog.photos if opened.knows(photo.content))
    without = [photo for photo in catalog.photos if photo.content != gone.content]
    with pytest.raises(UsageError, match="of those that the run was trained on can't be found"):
        open_culprits(trained.folder, replace(catalog, photos=tuple(without)))


def test_other_recipes_are_refused(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = replace(load(trained.folder).require_manifest(), recipe="finetune")
    monkeypatch.setattr(culprits, "read_manifest", lambda _: manifest)
    with pytest.raises(UsageError, match=r"recipe finetune.*a whole training"):
        open_culprits(trained.folder)
