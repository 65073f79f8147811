"""The last blocks of a backbone while they are trained, and the plan for a given time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnxruntime as ort
import pytest

from candid.core.progress import Silent
from candid.features.backbones.onnx_graph import build_onnx
from candid.features.backbones.tail import MIDDLE, with_twins
from candid.features.backbones.weights import Weights, load_weights
from candid.models.checkpoint import Checkpoints
from candid.models.recipes.finetune import DIVISION, Plan, Tuner, plan
from candid.models.recipes.linear_head import LinearHead
from candid.splits.grouped_split import Labelled

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NUM_PHOTOS = 12
LABELS = np.arange(NUM_PHOTOS) % 2


@pytest.mark.parametrize(
    ("left_s", "expected"),
    [(10_000, Plan(10, 8)), (60, Plan(4, 3)), (10, None)],
)
def test_the_best_plan_is_chosen_that_the_time_allows(left_s: float, expected: Plan | None) -> None:
    assert plan(300, left_s=left_s, view_s=0.01, step_s=0.013) == expected


def test_a_plan_leaves_time_for_two_networks() -> None:
    for left_s in range(20, 1000, 20):
        found = plan(500, left_s=left_s, view_s=0.01, step_s=0.013)
        if found is not None:
            views_s = (2 + found.num_varied) * 500 * 0.01
            assert views_s + 2 * found.epochs * 500 * 0.013 <= left_s


@pytest.fixture(scope="module")
def weights() -> Weights:
    return load_weights(DIVISION.spec)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 128, (NUM_PHOTOS, 260, 260, 3), dtype=np.uint8)
    return dark + (LABELS * 100).astype(np.uint8)[:, None, None, None]


@pytest.fixture(scope="module")
def middle(weights: Weights, pixels: np.ndarray) -> np.ndarray:
    session = ort.InferenceSession(DIVISION.build_front(weights))
    views = [
        session.run([MIDDLE], {"image": np.ascontiguousarray(view)})[0]
        for view in (pixels, pixels[:, :, ::-1])
    ]
    return np.stack(views).astype(np.float16)


@pytest.fixture(scope="module")
def tuner_of(weights: Weights, middle: np.ndarray, pixels: np.ndarray) -> Callable[..., Tuner]:
    """Makes tuners of one network, which takes seconds to trace."""
    from candid.models.recipes.finetune_keras import Schedule, Tail

    tail = Tail(DIVISION, DIVISION.layers_of(weights), 2, Schedule(2, batch_size=4))
    places = np.arange(NUM_PHOTOS)
    session = ort.InferenceSession(
        build_onnx(DIVISION.spec, weights, with_features=False).SerializeToString()
    )
    [embeddings] = session.run(["embedding"], {"image": pixels})
    keys = [f"{place:02}" for place in places]
    data = Labelled(embeddings, LABELS, places, keys, 2)

    def make(checkpoints: Checkpoints | None = None, tick: Callable[[], None] = int) -> Tuner:
        return Tuner(tail, middle, data, 0, checkpoints or Checkpoints(), Silent(), tick)

    return make


def test_the_pretrained_tail_answers_as_the_whole_network(tuner_of: Callable[..., Tuner]) -> None:
    tuner = tuner_of()
    head = LinearHead(np.zeros((2, 1280), np.float32), np.zeros(2, np.float32), 1.0)
    tuner.tail.restart(head)
    found, _ = tuner.tail.answer(tuner.middle, np.arange(NUM_PHOTOS))
    expected = tuner.data.embeddings[:, :1280]
    np.testing.assert_allclose(found, expected, rtol=0.02, atol=0.01)


def test_a_trained_tail_is_a_part_of_the_graph(
    tuner_of: Callable[..., Tuner], weights: Weights, pixels: np.ndarray
) -> None:
    tuner = tuner_of()
    history, _ = tuner.tune(np.arange(NUM_PHOTOS), "Training")
    assert history[-1]["loss"] < history[0]["loss"]
    embeddings, _ = tuner.answer(np.arange(NUM_PHOTOS))
    trained = with_twins(weights, tuner.tail.layers())
    graph = build_onnx(DIVISION.spec, trained, with_features=False).SerializeToString()
    [found] = ort.InferenceSession(graph).run(["embedding"], {"image": pixels})
    np.testing.assert_allclose(found, embeddings, rtol=0.02, atol=0.02)
    assert np.abs(embeddings[:, -1280:] - embeddings[:, :1280]).max() > 0.05


def test_a_held_out_fold_is_answered_by_a_network_of_the_others(
    tuner_of: Callable[..., Tuner],
) -> None:
    folds = np.arange(NUM_PHOTOS) // 4
    answers = tuner_of().held_out(folds, 1)
    np.testing.assert_array_equal(answers.places, [4, 5, 6, 7])
    turned = tuner_of()
    labels = np.where(folds == 1, 1 - LABELS, LABELS)
    data = Labelled(turned.data.embeddings, labels, turned.data.groups, turned.data.group_keys, 2)
    again = Tuner(turned.tail, turned.middle, data, 0, Checkpoints(), Silent(), int)
    np.testing.assert_array_equal(again.held_out(folds, 1).trained, answers.trained)


def test_a_killed_training_goes_on_to_the_same_weights(
    tuner_of: Callable[..., Tuner], tmp_path
) -> None:
    places = np.arange(NUM_PHOTOS)
    whole = tuner_of()
    whole.tune(places, "Training")
    expected = whole.tail.network.get_weights()
    steps = iter(range(100))

    def stop() -> None:
        if next(steps) == 5:  # in the second of two epochs of three steps
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuner_of(Checkpoints(tmp_path), stop).tune(places, "Training")
    resumed = tuner_of(Checkpoints(tmp_path))
    history, _ = resumed.tune(places, "Training")
    assert [row["epoch"] for row in history] == [1, 2]
    for found, value in zip(resumed.tail.network.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6)


def test_a_label_is_smoothed_over_all_classes() -> None:
    from candid.models.recipes.finetune_keras import smooth

    expected = [[0.95, 0.05], [0.05, 0.95]]
    np.testing.assert_allclose(smooth(np.array([0, 1]), 2, 0.1), expected, rtol=1e-6)
