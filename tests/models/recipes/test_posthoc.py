"""A network's graph is calibrated and gets an OOD score."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from candid.data.images import PixelContract
from candid.models.outputs import Outputs
from candid.models.recipes.cnn import Posthoc, build_onnx, fit_posthoc
from candid.models.temperature import with_temperature
from candid.runs.onnx_session import Model

SIZE_PX = 22
CLASSES = ("a", "b")


def network(num_units: int, sharpness: float = 1.0) -> bytes:
    """The tutorial's layers at 22 pixels, with random weights."""
    rng = np.random.default_rng(0)
    shapes = [(3, 3, 3, 8), (3, 3, 8, 8), (3, 3, 8, 8), (8, 32), (32, num_units)]
    weights = []
    for shape in shapes:
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        weights += [(scale * rng.normal(size=shape)).astype(np.float32)]
        weights += [np.zeros(shape[-1], np.float32)]
    weights[-2] = weights[-2] * np.float32(sharpness)
    return build_onnx(weights, size_px=SIZE_PX)


def pixels(num: int, seed: int, *, contrast: float = 0.2) -> np.ndarray:
    """Coarse patterns of any colours."""
    full = np.random.default_rng(seed).integers(-128, 128, (num, 4, 4, 3))
    coarse = (128 + contrast * full).astype(np.uint8)
    size = (SIZE_PX, SIZE_PX)
    return np.stack([cv2.resize(each, size, interpolation=cv2.INTER_CUBIC) for each in coarse])


def run(model: bytes, shown: np.ndarray, classes: tuple[str, ...] = CLASSES) -> Outputs:
    return Model(model, classes, PixelContract(SIZE_PX, "squash")).run(shown)


def calibrated(model: bytes, num_held_out: int = 80) -> tuple[Posthoc, np.ndarray]:
    """Calibrated on labels that the network predicts right six times of ten, at any confidence."""
    train, held_out = pixels(60, seed=1), pixels(num_held_out, seed=2)
    outputs = run(model, held_out)
    rng = np.random.default_rng(3)
    right = rng.random(num_held_out) < 0.6
    labels = np.where(
        right, outputs.probabilities.argmax(axis=1), rng.integers(2, size=num_held_out)
    )
    train_labels = np.arange(60) % 2
    groups = np.arange(num_held_out)
    return fit_posthoc(model, (run(model, train), train_labels), (outputs, labels, groups)), labels


@pytest.mark.parametrize("num_units", [1, 2])
def test_the_graph_divides_its_scores_by_the_temperature(num_units: int) -> None:
    model = network(num_units, sharpness=400 if num_units == 1 else 100)
    done, _ = calibrated(model)
    assert done.temperature > 2
    before, after = (run(m, pixels(20, seed=5)).probabilities for m in (model, done.model))
    usable = before.min(axis=1) > 1e-30
    assert usable.sum() > 2
    odds = [np.log(p[usable, 1] / p[usable, 0]) for p in (before, after)]
    assert odds[1] == pytest.approx(odds[0] / done.temperature, rel=0.05, abs=0.02)
    assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


@pytest.mark.parametrize(("num_units", "sharpness"), [(1, 200), (2, 120)])
def test_a_saturated_network_is_calibrated_on_what_its_graph_answers(
    num_units: int, sharpness: float
) -> None:
    model = network(num_units, sharpness)
    before = run(model, pixels(80, seed=2)).probabilities
    least = before.min(axis=1)
    assert (least < 1e-8).sum() > 5  # where 1 minus the other one would be 0
    assert (least > 0).all()
    done, _ = calibrated(model)
    after = run(done.model, pixels(80, seed=2)).probabilities
    assert with_temperature(before, done.temperature) == pytest.approx(after, abs=1e-4)


def test_the_graph_scores_ood_pictures_higher() -> None:
    done, _ = calibrated(network(1))
    known = run(done.model, pixels(40, seed=7)).novelty
    strange = run(done.model, pixels(40, seed=8, contrast=1.0)).novelty
    assert known is not None
    assert strange is not None
    assert done.abstention is not None
    assert 0.3 < np.median(done.abstention.familiarity(known)) < 0.7
    assert np.median(done.abstention.familiarity(strange)) < 0.25


def test_a_small_val_part_does_not_change_the_network() -> None:
    model = network(1)
    done, _ = calibrated(model, num_held_out=19)
    assert done.temperature == 1
    assert done.abstention is None
    shown = pixels(5, seed=9)
    assert np.array_equal(run(done.model, shown).probabilities, run(model, shown).probabilities)
    assert run(done.model, shown).novelty is None
