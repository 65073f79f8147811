"""The benchmark of the recipes: the plot that is drawn of it."""

from __future__ import annotations

import io

import pytest

from tests.scripts import load_script

ROWS = [
    {
        "set": name,
        "photos": 300,
        "recipe": recipe,
        "accuracy": accuracy,
        "log_loss": 0.3,
        "seconds": seconds,
        "cpu_seconds": 2 * seconds,
    }
    for name in ("happy_sad", "a_set")
    for recipe, seconds in (("fast", 5.0), ("best", 500.0))
    for accuracy in (0.8, 0.9)
]


@pytest.fixture
def plot():
    return load_script("docs/make_quality_plot.py")


def test_each_set_has_a_panel_with_its_recipes(plot) -> None:
    figure = plot.draw(ROWS)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["happy_sad (300 photos)", "a_set (300 photos)"]
    for axes in figure.axes:
        assert [text.get_text() for text in axes.texts] == ["fast", "best"]
        assert [each for text in axes.texts for each in text.xy] == pytest.approx(
            [5, 0.85, 500, 0.85]
        )
    figure.savefig(file := io.BytesIO(), format="svg")
    assert b"<svg" in file.getvalue()


def test_a_recipe_that_was_trained_once_has_no_error_bar(plot) -> None:
    assert plot.draw(ROWS[:1]).axes[0].texts[0].get_text() == "fast"
