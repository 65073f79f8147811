"""When an int8 export counts as measurably worse than its run."""

import numpy as np
import pytest

from candid.exporting.int8.gate import PairedPredictions, compare_predictions


def predictions(run, export, labels=None, is_test=None):
    size = len(run)
    return PairedPredictions(
        np.zeros(size, np.int64) if labels is None else np.array(labels),
        np.arange(size),
        np.ones(size, np.bool_) if is_test is None else np.array(is_test),
        np.array(run),
        np.array(export),
    )


@pytest.mark.parametrize(
    ("wrong", "size", "holds"),
    [
        (0, 6, True),
        (1, 200, True),
        (8, 200, False),  # the accuracy is measurably lower
        (6, 6, False),
        (12, 21, False),
    ],
)
def test_a_measurably_worse_export_does_not_hold(wrong, size, holds):
    pairs = predictions([0] * size, [1] * wrong + [0] * (size - wrong))
    assert compare_predictions(pairs).holds is holds


@pytest.mark.parametrize(("different", "holds"), [(4, True), (6, False)])
def test_of_100_labels_95_have_to_agree(different, holds):
    run, export = [1] * different + [0] * (100 - different), [0] * 100
    comparison = compare_predictions(predictions(run, export, is_test=[False] * 100))
    assert comparison.accuracy is None
    assert comparison.holds is holds


def test_a_nan_prediction_counts_as_another_label():
    assert compare_predictions(predictions([0] * 20, [-1] * 20)).agreement.value == 0
