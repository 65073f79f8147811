"""What is measurably worse in eight bits is refused."""

import numpy as np
import pytest

from candid.exporting.int8.gate import Answered, judge


def answered(run, export, labels=None, tested=None):
    size = len(run)
    return Answered(
        np.zeros(size, np.int64) if labels is None else np.array(labels),
        np.arange(size),
        np.ones(size, np.bool_) if tested is None else np.array(tested),
        np.array(run),
        np.array(export),
    )


@pytest.mark.parametrize(
    ("wrong", "size", "holds"),
    [
        (0, 6, True),
        (1, 200, True),
        (8, 200, False),  # of accuracy: measurably less
        (6, 6, False),
        (12, 21, False),
    ],
)
def test_what_is_measurably_worse_is_refused(wrong, size, holds):
    assert judge(answered([0] * size, [1] * wrong + [0] * (size - wrong))).holds is holds


@pytest.mark.parametrize(("other", "holds"), [(4, True), (6, False)])
def test_of_100_labels_95_have_to_agree_however_right_they_are(other, holds):
    run, export = [1] * other + [0] * (100 - other), [0] * 100
    untested = judge(answered(run, export, tested=[False] * 100))
    assert untested.accuracy is None
    assert untested.holds is holds


def test_an_answer_that_is_no_number_is_another_label():
    assert judge(answered([0] * 20, [-1] * 20)).agreement.value == 0
