from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from candid.errors import ParityError
from candid.exporting.format import Tolerance
from candid.exporting.onnx import ONNX
from candid.exporting.parity import compare, require_parity
from candid.exporting.samples import Batch
from candid.models.decision_rule import DecisionRule
from candid.models.outputs import Outputs

CLASSIFIER = SimpleNamespace(rule=DecisionRule(), classes=("happy", "sad"))


def batch(second, novelty=None):
    """A batch on which the run answered these probabilities of the second class."""
    probabilities = np.stack([1 - np.float32(second), np.float32(second)], axis=1)
    known = None if novelty is None else np.float32(novelty)
    outputs = Outputs(probabilities, np.zeros((len(second), 1), np.float32), known)
    return Batch(np.zeros((len(second), 1, 1, 3), np.uint8), outputs)


def answering(*second, novelty=None):
    probabilities = np.stack([1 - np.float32(second), np.float32(second)], axis=1)
    answers = {"probabilities": probabilities}
    if novelty is not None:
        answers["novelty"] = np.float32(novelty)
    return lambda _: answers


def test_the_largest_difference_and_the_labels_are_counted_over_all_batches():
    steps = []
    batches = [batch([0.1, 0.9]), batch([0.1002, 0.9])]
    parity = compare(ONNX, answering(0.1, 0.9), CLASSIFIER, batches, steps.append)
    assert (parity.num_images, parity.num_same_label) == (4, 4)
    assert parity.probability == pytest.approx(2e-4, rel=1e-3)
    assert parity.novelty is None
    assert parity.holds
    assert steps == [2, 2]


def test_one_other_label_is_too_many_however_near_it_is():
    parity = compare(ONNX, answering(0.5 + 1e-6), CLASSIFIER, [batch([0.5])])
    assert parity.probability < 1e-5
    assert not parity.holds
    with pytest.raises(ParityError, match=r"0 of 1 label agree \(all have to\)"):
        require_parity(ONNX, parity)


def test_labels_are_those_of_the_runs_own_rule():
    strict = SimpleNamespace(rule=DecisionRule(0.95), classes=CLASSIFIER.classes)
    run = answering(0.9501)
    assert compare(ONNX, run, CLASSIFIER, [batch([0.9499])]).holds
    assert not compare(ONNX, run, strict, [batch([0.9499])]).holds


@pytest.mark.parametrize(("by", "holds"), [(0.9e-3, True), (1.1e-3, False)])
def test_a_probability_may_differ_by_a_thousandth(by, holds):
    assert compare(ONNX, answering(0.2 + by), CLASSIFIER, [batch([0.2])]).holds is holds


def test_a_format_brings_its_own_tolerance():
    rounded = replace(ONNX, tolerance=Tolerance(probability=0.05))
    assert compare(rounded, answering(0.24), CLASSIFIER, [batch([0.2])]).holds


@pytest.mark.parametrize(("by", "holds"), [(0.009, True), (0.011, False)])
def test_a_novelty_may_differ_by_a_hundredth(by, holds):
    run = answering(0.2, novelty=[1 + by])
    assert compare(ONNX, run, CLASSIFIER, [batch([0.2], novelty=[1])]).holds is holds


def test_what_is_not_a_number_is_refused():
    parity = compare(ONNX, answering(np.nan), CLASSIFIER, [batch([0.2])])
    assert not parity.holds
    later = compare(ONNX, answering(np.nan), CLASSIFIER, [batch([0.2]), batch([0.1])])
    assert not later.holds
    known = answering(0.2, novelty=[np.nan])
    assert not compare(ONNX, known, CLASSIFIER, [batch([0.2], novelty=[1])]).holds


def test_nothing_compared_is_nothing_that_holds():
    parity = compare(ONNX, answering(0.2), CLASSIFIER, [])
    assert not parity.holds
    assert parity.to_json()["label_agreement"] is None


def test_another_number_of_classes_is_refused():
    def run(_):
        return {"probabilities": np.zeros((1, 3), np.float32)}

    with pytest.raises(ParityError, match=r"expected probabilities of shape \(1, 2\), received sh"):
        compare(ONNX, run, CLASSIFIER, [batch([0.2])])


def test_the_text_names_the_runtime_and_the_figures():
    text = compare(ONNX, answering(0.2, 0.6), CLASSIFIER, [batch([0.2, 0.4])]).to_text()
    assert text.startswith("Compared with the run on 2 images, in ONNX Runtime 1.")
    assert "1 of 2 (50%)" in text
    assert "2.0e-01 (allowed: 1e-03)" in text
