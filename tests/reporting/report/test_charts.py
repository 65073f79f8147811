"""Geometry of the charts of the page."""

from __future__ import annotations

import math

import pytest

from candid.evaluation.estimate import Estimate
from candid.reporting.report.charts import (
    Scale,
    draw_learning_curve,
    draw_reliability,
    draw_rows,
    fit_scale,
    write_share,
)
from tests.reporting.report.made import make_bins, make_curve


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [((0.53, 0.91), 0.5, 1.0), ((0.84, 0.86), 0.84, 0.86), ((0.2,), 0.0, 1.0), ((), 0.0, 1.0)],
)
def test_an_axis_has_round_limits(values: tuple[float, ...], low: float, high: float) -> None:
    scale = fit_scale(values, least=0.0, most=1.0)
    if len(values) > 1:
        assert (scale.low, scale.high) == pytest.approx((low, high))
    assert all(scale.low <= value <= scale.high for value in values)


@pytest.mark.parametrize("span", [1e-6, 0.003, 0.02, 0.5, 1, 37, 200_000])
@pytest.mark.parametrize("most", [4, 6])
def test_an_axis_has_a_readable_number_of_grid_lines(span: float, most: int) -> None:
    scale = fit_scale([0.1, 0.1 + span], most_steps=most)
    assert 2 <= len(scale.ticks(str)) <= most + 2


def test_values_beyond_the_axis_are_clipped_and_non_finite_ones_ignored() -> None:
    scale = Scale(0.0, 2.0, 1.0)
    assert [scale.place(value) for value in (-1, 0, 1, 2, 3)] == [0, 0, 50, 100, 100]
    assert scale.place(math.nan) == 0
    assert fit_scale([0.2, math.inf, math.nan, 0.4]).high == pytest.approx(0.4)


def test_tick_labels_have_as_many_decimals_as_needed() -> None:
    assert [write_share(value) for value in (0.85, 0.875, 1.0, 0.0)] == [
        "85%",
        "87.5%",
        "100%",
        "0%",
    ]


def test_rows_share_one_axis_and_the_interval_of_the_first_is_the_zone() -> None:
    chart = draw_rows(
        [("model", Estimate(0.8, 0.7, 0.9, 10)), ("rule", Estimate(0.5, 0.4, 0.6, 10))]
    )
    model, rule = chart.rows
    # The axis is 40 % to 100 %, with grid lines every 20 %.
    assert rule.start == 0
    assert model.at == pytest.approx(100 * 40 / 60, abs=0.01)
    assert rule.at == pytest.approx(100 * 10 / 60, abs=0.01)
    assert chart.zone == (model.start, model.end)
    assert (model.emphasis, rule.emphasis) == (True, False)
    assert tuple(tick.text for tick in chart.ticks) == ("40%", "60%", "80%", "100%")


def test_differences_can_be_negative_and_are_in_points() -> None:
    rows = [("a", Estimate(-0.02, -0.1, 0.06, 10)), ("b", Estimate(0.2, 0.1, 0.3, 10))]
    chart = draw_rows(rows, num_emphasised=2, mark=0.0, differences=True)
    assert chart.mark is not None
    assert chart.rows[0].start < chart.mark < chart.rows[0].end
    assert chart.zone is None
    texts = {tick.at: tick.text for tick in chart.ticks}
    assert texts[chart.mark] == "0"
    assert "−10" in texts.values()
    assert "+30" in texts.values()


def test_a_reliability_diagram_has_a_point_and_a_bar_per_bin() -> None:
    bins = make_bins(300)
    plot = draw_reliability(bins)
    assert plot.diagonal
    assert len(plot.points) == len(plot.bars) == len(bins)
    assert plot.points[-1].x == pytest.approx(plot.points[-1].y, abs=0.1), (
        "the most confident bin is perfectly calibrated"
    )
    assert all(point.low <= point.y <= point.high for point in plot.points)
    heights = [height for _, _, height in plot.bars]
    assert heights == sorted(heights)
    assert draw_reliability(()).points == ()


def test_a_curve_is_dashed_beyond_the_last_measurement_without_a_gap() -> None:
    curve = make_curve(("a", "b"), 300, 0.86)
    plot = draw_learning_curve(curve)
    line_end = plot.line.split("L")[-1].strip()
    assert plot.dashed.removeprefix("M").startswith(line_end + " ")
    assert float(line_end.split()[0]) <= plot.points[-1].x
    assert plot.dashed.split("L")[-1].strip().startswith("100 ")
    assert plot.band.endswith("Z")
    assert all(0 <= point.low <= point.y <= point.high <= 100 for point in plot.points)


def test_a_curve_without_a_fit_has_only_points() -> None:
    curve = make_curve(("a", "b"), 300, 0.86)
    plot = draw_learning_curve(type(curve)(curve.points, (), ()))
    assert len(plot.points) == len(curve.points)
    assert plot.line == plot.dashed == plot.band == ""
