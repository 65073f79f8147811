"""Plots on Matplotlib's axes: what is drawn, on whose axes, and what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from candid.errors import DependencyError, UsageError
from candid.evaluation.estimate import Estimate
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.learning_curve import CurvePoint, LearningCurve
from candid.evaluation.measures import measure


@pytest.fixture
def plt(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


def evaluation(num_classes: int, curve: LearningCurve | None = None) -> Evaluation:
    rng = np.random.default_rng(0)
    truth = np.arange(120) % num_classes
    odds = np.exp(rng.normal(size=(120, num_classes)) + 2 * np.eye(num_classes)[truth])
    probabilities = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
    names = [f"$class_{number}$\n" + "x" * 80 for number in range(num_classes)]
    predicted = probabilities.argmax(axis=1)
    made = measure(names, truth, probabilities, np.arange(120), predicted=predicted)
    return Evaluation(made, learning_curve=curve)


def test_the_confusion_has_a_number_in_each_cell(plt: Any) -> None:
    given = evaluation(3)
    axes = given.plot_confusion()
    assert isinstance(axes, plt.Axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    numbers = {text.get_position()[::-1]: int(text.get_text()) for text in axes.texts}
    assert numbers == {place: int(n) for place, n in np.ndenumerate(given.believed.confusion)}
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert [label[:9] for label in labels] == ["$class_0$", "$class_1$", "$class_2$"]
    assert max(map(len, labels)) <= 24
    axes.figure.canvas.draw()  # no mathtext in names


def test_a_large_confusion_has_no_text(plt: Any) -> None:
    del plt
    assert not evaluation(40).plot_confusion().texts


def test_all_are_drawn_on_axes_that_are_given(plt: Any) -> None:
    point = CurvePoint(10, Estimate(0.6, 0.5, 0.7, 100))
    rows = tuple((float(n), 0.6, 0.5, 0.7) for n in range(5, 31))
    given = evaluation(2, LearningCurve((point,), rows, ()))
    for plot in (given.plot_confusion, given.plot_reliability, given.plot_learning_curve):
        axes = plt.figure().add_subplot()
        assert plot(axes) is axes
        axes.figure.canvas.draw()
    fitted, beyond = axes.lines[0].get_xdata(), axes.lines[1].get_xdata()
    assert (fitted[-1], beyond[0], beyond[-1]) == (10, 10, 30)
    assert len(plt.get_fignums()) == 3


def test_reliability_has_the_bins_of_the_estimate_to_believe(plt: Any) -> None:
    del plt
    given = evaluation(2)
    points = given.plot_reliability().containers[0][0]
    expected = [(row.confidence, row.accuracy.value) for row in given.believed.reliability]
    np.testing.assert_allclose(points.get_xydata(), expected)


def test_without_a_learning_curve_or_matplotlib_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(UsageError, match=r"there is no learning curve: .* 20 different pictures"):
        evaluation(2).plot_learning_curve()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(DependencyError, match=r'pip install "candid-image\[notebook\]"'):
        evaluation(2).plot_confusion()
