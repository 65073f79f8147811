"""The order of labelling: uncertain and different, in batches of one guess; and labels in doubt."""

from __future__ import annotations

import numpy as np
import pytest

from candid.core.stored_rows import StoredRows
from candid.models.labelling import BATCH, Labelling, _cover


def clusters(
    num: int, *, per_class: int = 40, width: int = 12, apart: float = 6.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Photos of classes that lie around centres, and their classes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, apart / np.sqrt(2 * width), (num, width))
    truth = np.repeat(np.arange(num), per_class)
    rows = centres[truth] + rng.normal(0, 1 / np.sqrt(width), (len(truth), width))
    return rows.astype(np.float32), truth


def known(truth: np.ndarray, *places: int) -> np.ndarray:
    """Only some of the labels."""
    labels = np.full(len(truth), -1)
    labels[list(places)] = truth[list(places)]
    return labels


def test_without_labels_every_cluster_is_asked_for_at_once():
    embeddings, truth = clusters(6)
    batch = Labelling(embeddings).suggest(known(truth), 6, size=6)
    assert batch.guess == -1
    assert set(truth[batch.places]) == set(range(6))
    assert len(Labelling(embeddings).suggest(known(truth), 6).places) == BATCH


def test_clusters_with_a_label_wait():
    embeddings, truth = clusters(6)
    labels = known(truth, 0, 1, 2)  # of one class only, so that nothing can be guessed
    batch = Labelling(embeddings).suggest(labels, 6, size=5)
    assert batch.guess == -1
    assert set(truth[batch.places]) == set(range(1, 6))


def test_a_batch_shares_its_guess_and_has_no_labelled_photo():
    embeddings, truth = clusters(3)
    labels = known(truth, 0, 40, 80, 1)
    batch = Labelling(embeddings).suggest(labels, 3)
    assert set(truth[batch.places]) == {batch.guess}
    assert len(set(batch.places)) == len(batch.places) == 12
    assert not (labels[batch.places] >= 0).any()
    assert (batch.probabilities > 1 / 3).all()


def test_uncertain_photos_come_before_clear_ones():
    rng = np.random.default_rng(0)
    across = np.concatenate([np.full(50, -4.0), np.full(50, 4.0), np.full(6, 0.1)])
    embeddings = np.column_stack([across, rng.normal(0, 1, (len(across), 2))]).astype(np.float32)
    labels = np.full(len(across), -1)
    labels[:30], labels[50:80] = 0, 1
    batch = Labelling(embeddings).suggest(labels, 2, size=3)
    assert set(batch.places) <= set(range(100, 106))


def test_of_copies_one_is_asked_for():
    embeddings, truth = clusters(2, per_class=30)
    embeddings[1:25] = embeddings[0]  # the same picture
    batch = Labelling(embeddings).suggest(known(truth), 2, size=20)
    assert (batch.places < 25).sum() == 1


@pytest.mark.parametrize(("num_labels", "size"), [(2, 12), (128, 16), (192, 24), (300, 24)])
def test_batches_grow_with_what_is_known(num_labels, size):
    embeddings, truth = clusters(2, per_class=200)
    labels = known(truth, *range(num_labels // 2), *range(200, 200 + num_labels // 2))
    assert len(Labelling(embeddings).suggest(labels, 2).places) == size


def test_refused_classes_are_not_guessed_again_and_others_may_be_excluded():
    embeddings, truth = clusters(3)
    labelling, labels = Labelling(embeddings), known(truth, 0, 40, 80)
    batch = labelling.suggest(labels, 3, size=200)
    refused = np.zeros((len(truth), 3), np.bool_)
    refused[batch.places, batch.guess] = True
    among = np.isin(np.arange(len(truth)), batch.places)
    following = labelling.suggest(labels, 3, among=among, refused=refused, size=200)
    assert following.guess != batch.guess
    assert set(following.places) <= set(batch.places)
    refused[:] = True  # of none of the classes: any guess will do
    assert len(labelling.suggest(labels, 3, refused=refused).places)


def test_nothing_is_left_when_all_have_a_label():
    embeddings, truth = clusters(2)
    batch = Labelling(embeddings).suggest(truth, 2)
    assert (batch.guess, len(batch.places)) == (-1, 0)


def test_chosen_photos_cover_as_well_as_those_of_a_plain_search():
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 1, (60, 4))
    alike = np.exp(-np.square(rows[:, None] - rows[None]).sum(axis=2)).astype(np.float32)
    covered, weights = rng.uniform(0, 0.2, 60).astype("f4"), rng.uniform(0, 1, 60).astype("f4")
    candidates = np.arange(0, 60, 2)
    total, chosen = _cover(alike, covered, weights, candidates, 7)
    expected, reached, worth = [], covered.copy(), 0.0
    for _ in range(7):
        gains = {c: float(np.maximum(alike[c] - reached, 0) @ weights) for c in candidates}
        best = max((c for c in candidates if c not in expected), key=gains.__getitem__)
        worth += gains[best]
        expected.append(best)
        reached = np.maximum(reached, alike[best])
    assert chosen.tolist() == expected
    assert total == pytest.approx(worth, rel=1e-4)


def test_the_order_needs_fewer_labels_than_chance():
    embeddings, truth = clusters(12, per_class=30, apart=3.0)
    labelling, rng = Labelling(embeddings), np.random.default_rng(0)
    every = np.arange(len(truth))

    def accuracy(places: np.ndarray) -> float:
        return float(
            (labelling.predict(places, truth[places], every, 12).argmax(1) == truth).mean()
        )

    labels = known(truth)
    while (labels >= 0).sum() < 36:
        batch = labelling.suggest(labels, 12, size=4)
        labels[batch.places] = truth[batch.places]
    drawn = [accuracy(rng.permutation(every)[:36]) for _ in range(5)]
    assert accuracy(np.flatnonzero(labels >= 0)) > max(drawn)


def test_wrong_labels_are_in_doubt_and_a_copy_does_not_vouch_for_another():
    embeddings, truth = clusters(3)
    labels, groups = truth.copy(), np.arange(len(truth))
    labels[[0, 1]] = 2
    embeddings[1], groups[1] = embeddings[0], groups[0]
    labelling = Labelling(embeddings)
    batch = labelling.doubt(labels, 3, groups)
    assert batch.guess == 0
    assert set(batch.places) == {0, 1}
    among = np.arange(len(truth)) != 0
    assert labelling.doubt(labels, 3, groups, among=among).places.tolist() == [1]


def test_labels_that_are_right_or_of_one_class_are_not_in_doubt():
    embeddings, truth = clusters(3)
    labelling, groups = Labelling(embeddings), np.arange(len(truth))
    assert not len(labelling.doubt(truth, 3, groups).places)
    assert not len(labelling.doubt(np.zeros_like(truth), 3, groups).places)


def test_the_same_photos_from_a_file_give_the_same_batch(tmp_path):
    embeddings, truth = clusters(3)
    stored = StoredRows(*embeddings.shape, tmp_path)
    stored.write(0, embeddings)
    labels = known(truth, 0, 40, 80)
    one, other = (Labelling(rows).suggest(labels, 3) for rows in (embeddings, stored))
    assert one.places.tolist() == other.places.tolist()
