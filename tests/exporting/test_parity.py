from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from candid.errors import ParityError
from candid.exporting.format import Tolerance
from candid.exporting.onnx import ONNX
from candid.exporting.parity import (
    DecodedParity,
    compare,
    compare_decoded,
    require_parity,
)
from candid.exporting.samples import Batch
from candid.models.decision_rule import DecisionRule
from candid.models.outputs import Outputs
from candid.runs.prediction import Prediction

CLASSIFIER = SimpleNamespace(rule=DecisionRule(), classes=("happy", "sad"))


def batch(second, novelty=None):
    """A batch with the run's probabilities of the second class."""
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


def test_largest_difference_and_equal_labels_are_over_all_batches():
    steps = []
    batches = [batch([0.1, 0.9]), batch([0.1002, 0.9])]
    parity = compare(ONNX, answering(0.1, 0.9), CLASSIFIER, batches, steps.append)
    assert (parity.num_images, parity.num_same_label) == (4, 4)
    assert parity.probability == pytest.approx(2e-4, rel=1e-3)
    assert parity.novelty is None
    assert parity.holds
    assert steps == [2, 2]


def test_one_different_label_is_refused_whatever_its_probability():
    parity = compare(ONNX, answering(0.5 + 1e-6), CLASSIFIER, [batch([0.5])])
    assert parity.probability < 1e-5
    assert not parity.holds
    with pytest.raises(ParityError, match=r"0 of 1 label agree \(all have to\)"):
        require_parity(ONNX, parity)


def test_labels_follow_the_runs_decision_rule():
    strict = SimpleNamespace(rule=DecisionRule(0.95), classes=CLASSIFIER.classes)
    run = answering(0.9501)
    assert compare(ONNX, run, CLASSIFIER, [batch([0.9499])]).holds
    assert not compare(ONNX, run, strict, [batch([0.9499])]).holds


@pytest.mark.parametrize(("by", "holds"), [(0.9e-3, True), (1.1e-3, False)])
def test_a_probability_may_differ_by_0_001(by, holds):
    assert compare(ONNX, answering(0.2 + by), CLASSIFIER, [batch([0.2])]).holds is holds


def test_a_format_can_have_its_own_tolerance():
    tolerant = replace(ONNX, tolerance=Tolerance(probability=0.05))
    assert compare(tolerant, answering(0.24), CLASSIFIER, [batch([0.2])]).holds


@pytest.mark.parametrize(("by", "holds"), [(0.009, True), (0.011, False)])
def test_a_novelty_may_differ_by_0_01(by, holds):
    run = answering(0.2, novelty=[1 + by])
    assert compare(ONNX, run, CLASSIFIER, [batch([0.2], novelty=[1])]).holds is holds


def test_nan_is_refused():
    parity = compare(ONNX, answering(np.nan), CLASSIFIER, [batch([0.2])])
    assert not parity.holds
    later = compare(ONNX, answering(np.nan), CLASSIFIER, [batch([0.2]), batch([0.1])])
    assert not later.holds
    known = answering(0.2, novelty=[np.nan])
    assert not compare(ONNX, known, CLASSIFIER, [batch([0.2], novelty=[1])]).holds


def test_a_comparison_of_no_images_does_not_hold():
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


class Sure:
    """A run that predicts the same for every photo."""

    def predict(self, _):
        return Prediction("", "sad", 0.9, {"happy": 0.1, "sad": 0.9}, verdict="sure")


def prediction(label, sad, answer=None):
    probabilities = {"happy": 1 - sad, "sad": sad}
    return {
        "label": label,
        "answer": answer or label,
        "verdict": "uncertain" if answer else "sure",
        "probabilities": probabilities,
    }


def test_equal_labels_equal_answers_and_unreadable_photos_are_counted(tmp_path):
    answers = [
        prediction("sad", 0.9),
        prediction("sad", 0.8, "uncertain: happy or sad"),
        prediction("happy", 0.4),
        Prediction.unreadable("", "damaged").to_json(),
    ]
    files = [tmp_path / name for name in ("0.png", "1.jpg", "2.png", "3.webp")]
    for file in files:
        cv2.imwrite(str(file), np.zeros((2, 2, 3), np.uint8))
    steps, left = [], iter(answers)
    gone = tmp_path / "gone.png"
    decoded = compare_decoded(lambda _: next(left), Sure(), [*files, gone], steps.append)
    assert decoded == DecodedParity(3, 2, 1, 1, pytest.approx(0.5), "3.webp: damaged")
    assert decoded.to_json()["label_agreement"] == pytest.approx(2 / 3)
    assert "not read by the browser" in decoded.to_lines()[1]
    assert sum(steps) == 4


def test_a_verdict_is_not_taken_for_a_class_of_that_name(tmp_path):
    class Named:
        def predict(self, _):
            return Prediction("", "unknown", 0.9, {"unknown": 0.9}, verdict="sure")

    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((2, 2, 3), np.uint8))
    other = Prediction("", "unknown", 0.9, {"unknown": 0.9}, verdict="unknown")
    assert other.answer == Named().predict(b"").answer
    decoded = compare_decoded(lambda _: other.to_json(), Named(), [tmp_path / "0.png"])
    assert (decoded.num_images, decoded.num_same_answer) == (1, 0)


@pytest.mark.parametrize(("same", "is_noted"), [(100, False), (99, False), (98, True)])
def test_fewer_equal_labels_than_usual_are_noted(same, is_noted):
    notes = DecodedParity(100, same, same, 0, 0.1).notes
    assert (notes == ()) is not is_noted
    assert not is_noted or notes[0].startswith("only 98 of 100 labels agree")


def test_no_agreement_is_reported_if_no_photo_was_compared():
    decoded = DecodedParity(0, 0, 0, 0, 0.0)
    assert decoded.label_agreement is None
    assert decoded.to_json()["label_agreement"] is None
    assert decoded.notes == ("no photo was compared as decoded by the browser",)
    assert decoded.to_lines() == ["  decoded by the browser, no photo was compared"]


@pytest.mark.parametrize(
    ("count", "note"),
    [(1, "1 photo is not read by the browser"), (3, "3 photos are not read by the browser")],
)
def test_photos_that_the_browser_can_not_read_are_noted(count, note):
    assert DecodedParity(9, 9, 9, count, 0.0).notes == (note,)
    assert DecodedParity(0, 0, 0, count, 0.0).notes[0] == note
    assert DecodedParity(9, 9, 9, 0, 0.0).notes == ()


class Unable:
    """A run that can't read any photo."""

    def predict(self, _):
        return Prediction.unreadable("", "damaged")


UNREADABLE = {"label": None, "probabilities": {}, "reason": "truncated:\x1b the data end"}


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_a_photo_that_only_the_run_reads_is_passed_over_with_its_reason(suffix, tmp_path):
    """A photo may be odd; that the page reads sound ones is asked with drawn photos."""
    file = tmp_path / f"photo.{suffix}"
    cv2.imwrite(str(file), np.zeros((2, 2, 3), np.uint8))
    found = compare_decoded(lambda _: UNREADABLE, Sure(), [file])
    assert found.num_unreadable == 1
    such = f"such as photo.{suffix}: truncated:\\x1b the data end"
    assert found.notes[0] == f"1 photo is not read by the browser, {such}"
    both = compare_decoded(lambda _: UNREADABLE, Unable(), [file])
    assert (both.num_unreadable, both.unreadable) == (1, "")


def test_a_photo_too_large_for_a_canvas_is_counted_and_not_refused(tmp_path):
    file = tmp_path / "scan.png"
    cv2.imwrite(str(file), np.zeros((2, 2, 3), np.uint8))
    reason = "too large: 70000 x 2 pixels, limit 65535 a side in a browser"
    found = compare_decoded(lambda _: UNREADABLE | {"reason": reason}, Sure(), [file])
    assert (found.num_unreadable, found.num_images) == (1, 0)
