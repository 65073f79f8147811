"""Recommended next steps of a report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from candid.evaluation.estimate import Estimate
from candid.evaluation.learning_curve import CurvePoint, Forecast, LearningCurve
from candid.reporting.report.advice import MOST_STEPS, Step, advise, enough, tell_curve
from candid.reporting.report.contents import Contents, Shortcut
from tests.reporting.report.made import bare_contents, empty_contents, make_contents, share


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


def test_the_last_step_is_to_use_the_model_and_the_list_is_short() -> None:
    assert titles(make_contents())[-1] == "Use the model"
    assert len(titles(make_contents())) <= MOST_STEPS
    assert step(make_contents(), "Use the model").command == (
        "candid predict PHOTO --run runs/faces-transfer-1"
    )


def test_without_an_audit_the_first_step_is_to_run_one() -> None:
    contents = replace(make_contents(), shortcut=None, folder="my photos")
    assert titles(contents)[0] == "Audit the photos"
    assert advise(contents)[0].command == "candid audit 'my photos'"


def test_a_shortcut_should_be_removed() -> None:
    contents = replace(make_contents(), shortcut=Shortcut("s", (), True, "runs/a"))
    assert titles(contents)[0] == "Remove the shortcut"


def test_a_model_that_is_not_better_than_a_baseline_is_not_recommended() -> None:
    contents = make_contents()
    rule = replace(contents.evaluation.baselines[2], gain=Estimate(-0.1, -0.15, -0.05, 300))
    weak = replace(contents, evaluation=replace(contents.evaluation, baselines=(rule,)))
    assert titles(weak)[0] == "Do not use the model yet"
    assert "Use the model" not in titles(weak)
    assert "Use the model" not in titles(empty_contents())


def test_confident_mistakes_are_counted_by_picture() -> None:
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
    text = step(replace(contents, predictions=four), "Check the labels of the worst mistakes").text
    assert text.startswith("2 pictures were misclassified with a probability of 90")
    unsure = replace(four, probabilities=np.full((4, 2), [0.8, 0.2], np.float32))
    assert "Check the labels of the worst mistakes" not in titles(
        replace(contents, predictions=unsure)
    )


def test_more_photos_are_recommended_for_the_class_with_the_lowest_recall() -> None:
    contents = make_contents()
    rows = contents.evaluation.believed.per_class
    weakest = min(rows, key=lambda row: row.recall.value if row.recall else 1).name
    assert f"Add 50 photos of {weakest}" in titles(contents)
    assert "There may be no gain." in step(contents, "Add").text


def test_if_that_class_has_no_forecast_gain_the_best_forecast_is_recommended() -> None:
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
        "Expected gain: 2 points of accuracy (+1 to +3, from 300 photos), if they are like the "
        "others."
    )


def test_if_no_forecast_has_a_gain_more_photos_are_not_recommended() -> None:
    changed = with_forecasts(Forecast(None, 50, Estimate(0.002, -0.01, 0.01, 300)))
    assert "More photos of this kind bring little" in titles(changed)


def test_with_few_photos_evaluation_on_more_is_recommended() -> None:
    text = step(bare_contents(), "Evaluate on photos from elsewhere").text
    assert text.replace("\u00a0", " ").startswith(
        "With 40 photos, accuracy is only known to be between"
    )
    assert "candid evaluate runs/faces-transfer-1 OTHER_PHOTOS" in {
        row.command for row in advise(bare_contents())
    }


def test_a_run_with_special_characters_is_quoted_for_the_shell() -> None:
    contents = replace(make_contents(), run="runs/my run; rm -rf")
    assert step(contents, "Use the model").command.endswith("--run 'runs/my run; rm -rf'")


def test_whether_the_photos_are_enough_is_the_step_that_the_curve_gives() -> None:
    contents = make_contents()
    found = enough(contents)
    assert found in advise(contents)
    assert found.section == "more-photos"


def test_whether_the_photos_are_enough_is_not_known_without_a_curve() -> None:
    contents = make_contents()
    few = replace(contents, evaluation=replace(contents.evaluation, learning_curve=None))
    assert "not measured" in enough(few).title
    assert "not known" in enough(empty_contents()).title


def test_without_mistakes_the_photos_are_enough() -> None:
    contents = make_contents()
    predictions = contents.predictions
    perfect = replace(contents, predictions=replace(predictions, predicted=predictions.truth))
    assert enough(perfect).title.startswith("Enough photos of this kind")


def test_the_curve_is_told_in_a_sentence() -> None:
    points = (CurvePoint(29.6, share(0.71, 200)), CurvePoint(1240, share(0.88, 200)))
    text = tell_curve(LearningCurve(points, (), ()))
    said = text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert said == (
        "Learning from 30 photos, it is right on 71 % of new ones; from 1,240, on 88 %."
    )
