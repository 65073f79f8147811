"""What a report tells to do next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from candid.evaluation.estimate import Estimate
from candid.evaluation.learning_curve import Forecast
from candid.reporting.report.advice import MOST_STEPS, Step, advise
from candid.reporting.report.contents import Contents, Shortcut
from tests.reporting.report.made import bare_contents, empty_contents, make_contents


def titles(contents: Contents) -> list[str]:
    return [step.title.replace("\u00a0", " ") for step in advise(contents)]


def step(contents: Contents, title: str) -> Step:
    return next(row for row in advise(contents) if row.title.startswith(title))


def with_forecasts(*forecasts: Forecast) -> Contents:
    contents = make_contents()
    curve = contents.evaluation.learning_curve
    assert curve is not None
    evaluation = replace(contents.evaluation, learning_curve=replace(curve, forecasts=forecasts))
    return replace(contents, evaluation=evaluation)


def test_it_ends_with_using_it_and_is_short() -> None:
    assert titles(make_contents())[-1] == "Use it"
    assert len(titles(make_contents())) <= MOST_STEPS
    assert step(make_contents(), "Use it").command == (
        "candid predict PHOTO --run runs/faces-transfer-1"
    )


def test_without_an_audit_that_comes_first() -> None:
    contents = replace(make_contents(), shortcut=None, folder="my photos")
    assert titles(contents)[0] == "Audit the photos"
    assert advise(contents)[0].command == "candid audit 'my photos'"


def test_a_shortcut_is_to_be_removed() -> None:
    contents = replace(make_contents(), shortcut=Shortcut("s", (), True, "runs/a"))
    assert titles(contents)[0] == "Remove the shortcut"


def test_nobody_is_told_to_use_what_is_no_better_than_a_rule() -> None:
    contents = make_contents()
    rule = replace(contents.evaluation.baselines[0], gain=Estimate(0.0, -0.1, 0.1, 300))
    weak = replace(contents, evaluation=replace(contents.evaluation, baselines=(rule,)))
    assert titles(weak)[0] == "Do not use it yet"
    assert "Use it" not in titles(weak)
    assert "Use it" not in titles(empty_contents())


def test_sure_mistakes_are_counted_by_picture() -> None:
    contents = make_contents()
    seen = contents.predictions
    probabilities = np.full((4, 2), [0.95, 0.05], np.float32)
    four = replace(
        seen,
        paths=("a", "b", "c", "d"),
        truth=np.array([1, 1, 1, 0]),
        predicted=np.zeros(4, np.int64),
        groups=np.array([5, 5, 6, 7]),
        probabilities=probabilities,
        raw=probabilities,
    )
    text = step(replace(contents, predictions=four), "Look at the worst mistakes").text
    assert text.startswith("2 pictures were answered wrong")
    unsure = replace(four, probabilities=np.full((4, 2), [0.8, 0.2], np.float32))
    assert "Look at the worst mistakes" not in titles(replace(contents, predictions=unsure))


def test_photos_are_asked_for_of_the_class_that_is_recognised_least() -> None:
    contents = make_contents()
    rows = contents.evaluation.believed.per_class
    weakest = min(rows, key=lambda row: row.recall.value if row.recall else 1).name
    assert f"Add 50 photos of {weakest}" in titles(contents)
    assert "They may also bring nothing." in step(contents, "Add").text


def test_where_that_class_promises_nothing_the_best_forecast_is_named() -> None:
    contents = make_contents()
    rows = contents.evaluation.believed.per_class
    weakest = min(rows, key=lambda row: row.recall.value if row.recall else 1).name
    other = next(row.name for row in rows if row.name != weakest)
    forecasts = (
        Forecast(None, 50, Estimate(0.006, 0.001, 0.01, 300)),
        Forecast(weakest, 50, Estimate(0.0, -0.01, 0.01, 300)),
        Forecast(other, 50, Estimate(0.02, 0.01, 0.03, 300)),
    )
    changed = with_forecasts(*forecasts)
    assert f"Add 50 photos of {other}" in titles(changed)
    text = step(changed, "Add").text.replace("\u00a0", " ")
    assert text == (
        "About 2 points of accuracy (+1 to +3, from 300 photos), if they are like the others."
    )


def test_where_no_photos_promise_anything_it_says_so() -> None:
    changed = with_forecasts(Forecast(None, 50, Estimate(0.002, -0.01, 0.01, 300)))
    assert "More photos of this kind bring little" in titles(changed)


def test_few_photos_are_a_reason_to_measure_on_more() -> None:
    text = step(bare_contents(), "Measure on photos from elsewhere").text
    assert text.replace("\u00a0", " ").startswith("40 photos leave the truth between")
    assert "candid evaluate runs/faces-transfer-1 OTHER_PHOTOS" in {
        row.command for row in advise(bare_contents())
    }


def test_a_name_with_spaces_is_quoted() -> None:
    contents = replace(make_contents(), run="runs/my run; rm -rf")
    assert step(contents, "Use it").command.endswith("--run 'runs/my run; rm -rf'")
