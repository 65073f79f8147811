"""Recommended next steps, derived from the figures."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from candid.evaluation.baselines import LARGEST_CLASS
from candid.models.decision_rule import DecisionRule
from candid.reporting.number_format import (
    percent,
    percent_between,
    photo_count,
    points,
    signed_points,
)
from candid.reporting.report.answer import NO_PHOTO, baseline_statement, class_recalls

if TYPE_CHECKING:
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.learning_curve import Forecast, LearningCurve
    from candid.reporting.report.contents import Contents

#: Steps that are shown; a longer list would not be followed.
MOST_STEPS: Final = 4
#: Probability from which a mistake counts as a confident one.
CONFIDENT_MISTAKE: Final = 0.9
# A smaller gain in accuracy is not worth collecting photos for.
_LEAST_GAIN: Final = 0.005
_WIDE_INTERVAL: Final = 0.15


@dataclass(frozen=True)
class Step:
    """A recommended step.

    Attributes:
        title: The step in a few words.
        text: The reason.
        command: A command to type; may be empty.
        section: Id of the page's section that it refers to; may be empty.
    """

    title: str
    text: str
    command: str = ""
    section: str = ""


def advise(contents: Contents) -> tuple[Step, ...]:
    """At most `MOST_STEPS` next steps, the most urgent first, each of which applies to this run.

    The last is to use the model, if it was measured and is better than guessing.
    """
    evaluation = contents.evaluation
    steps = [
        *_baseline_steps(evaluation),
        *_shortcut_steps(contents),
        *_mistake_steps(contents),
        *_more_photos_steps(contents),
        *_elsewhere_steps(contents),
    ]
    if fails(evaluation) or not _is_shown_to_work(evaluation):
        return tuple(steps[:MOST_STEPS])
    text = "Each prediction comes with a probability"
    text += " and says when the model is unsure." if evaluation.abstained is not None else "."
    use = Step("Use the model", text, predict_command(contents))
    return (*steps[: MOST_STEPS - 1], use)


def fails(evaluation: Evaluation) -> bool:
    """Whether a measured figure says that the model is of no use."""
    return baseline_statement(evaluation).tone == "bad"


def _is_shown_to_work(evaluation: Evaluation) -> bool:
    """Whether it was measured, and there were photos enough to see that it is not guessing."""
    blind = [row for row in evaluation.baselines if row.name == LARGEST_CLASS]
    known = all(row.beaten or row.unmasks for row in blind) or evaluation.rule != DecisionRule()
    return evaluation.believed.accuracy is not None and known


def _baseline_steps(evaluation: Evaluation) -> Iterator[Step]:
    accuracy = evaluation.believed.accuracy
    if accuracy is None:
        return
    if fails(evaluation):
        title = baseline_statement(evaluation).title
        text = f"{title}: the photos may not show what tells the classes apart, or be too few."
        yield Step("Do not use the model yet", text, section="baselines")
    elif not _is_shown_to_work(evaluation):
        text = (
            f"With {photo_count(accuracy.n)} it can't be told whether the model is better than "
            "always predicting the largest class."
        )
        yield Step("Add photos before you rely on it", text, section="baselines")


def _shortcut_steps(contents: Contents) -> Iterator[Step]:
    if contents.shortcut is None:
        text = "The audit finds wrong labels, copies, broken files and shortcuts. It was not run."
        yield Step("Audit the photos", text, audit_command(contents), "shortcut")
    elif contents.shortcut.found:
        text = (
            "The files of the classes differ in more than what they show. Take the photos of all "
            "classes in the same way; if this is what the classes are, keep it in decisions.csv."
        )
        yield Step("Remove the shortcut", text, section="shortcut")


def _mistake_steps(contents: Contents) -> Iterator[Step]:
    predictions = contents.predictions
    wrong = np.flatnonzero(predictions.predicted != predictions.truth)
    probability = predictions.probabilities[wrong, predictions.predicted[wrong]]
    confident = wrong[probability >= CONFIDENT_MISTAKE]
    # Copies of a picture count once.
    number = len(np.unique(predictions.groups[confident]))
    if number:
        pictures = "1 picture was" if number == 1 else f"{number:,} pictures were"
        its, label = ("Its label", "label") if number == 1 else ("Their labels", "labels")
        text = (
            f"{pictures} misclassified with a probability of {percent(CONFIDENT_MISTAKE)} or more. "
            f"{its} may be wrong."
        )
        of = "mistake" if number == 1 else "mistakes"
        yield Step(f"Check the {label} of the worst {of}", text, section="mistakes")


def enough(contents: Contents) -> Step:
    """Whether the photos are enough, by the learning curve."""
    evaluation, section = contents.evaluation, "more-photos"
    if evaluation.believed.accuracy is None:
        return Step("Whether there are enough photos is not known", NO_PHOTO, section=section)
    if evaluation.learning_curve is None or not evaluation.learning_curve.forecasts:
        text = "What more photos would bring is measured from about 20 different photos a class on."
        return Step("Whether there are enough photos was not measured", text, section=section)
    for step in _more_photos_steps(contents):
        return step
    text = "So more photos like these can't show that it gets better. Try it on harder ones."
    return Step("Enough photos of this kind: it makes no mistake on them", text, section=section)


def tell_curve(curve: LearningCurve) -> str:
    """What more photos brought so far: ``Learning from 30 photos, it is right on 71 %; …``."""
    first, last = curve.points[0], curve.points[-1]
    return (
        f"Learning from {photo_count(round(first.num_photos))}, it is right on "
        f"{percent(first.accuracy.value)} of new ones; from {round(last.num_photos):,}, on "
        f"{percent(last.accuracy.value)}."
    )


def _more_photos_steps(contents: Contents) -> Iterator[Step]:
    curve = contents.evaluation.learning_curve
    predictions = contents.predictions
    if curve is None or not curve.forecasts:
        return
    if (predictions.predicted == predictions.truth).all():  # nothing to gain on such photos
        return
    best = max(curve.forecasts, key=lambda row: row.gain.value)
    if best.gain.value < _LEAST_GAIN:
        text = (
            f"Even {photo_count(best.num_more)} more are expected to bring less than half a point. "
            "Collect other kinds of photos."
        )
        yield Step("More photos of this kind bring little", text, section="more-photos")
        return
    forecast = _forecast_of_weakest_class(contents) or curve.forecasts[0]
    if forecast.gain.value < _LEAST_GAIN:
        forecast = best
    gain = forecast.gain
    text = (
        f"Expected gain: {points(gain.value)} of accuracy ({signed_points(gain.low)} to "
        f"{signed_points(gain.high)}, from {photo_count(gain.n)}), if they are like the others."
    )
    if gain.low <= 0:
        text += " There may be no gain."
    title = f"Add {photo_count(forecast.num_more)} of {forecast.label or 'all classes'}"
    yield Step(title, text, section="more-photos")


def _forecast_of_weakest_class(contents: Contents) -> Forecast | None:
    """The forecast for the class with the lowest recall."""
    curve, recalls = contents.evaluation.learning_curve, class_recalls(contents.evaluation)
    if curve is None or not recalls:
        return None
    weakest = min(recalls, key=lambda name: recalls[name].value)
    return next((row for row in curve.forecasts if row.label == weakest), None)


def _elsewhere_steps(contents: Contents) -> Iterator[Step]:
    if contents.measured_on:
        return
    accuracy = contents.evaluation.believed.accuracy
    if accuracy is None:
        why = NO_PHOTO
    elif accuracy.high - accuracy.low > _WIDE_INTERVAL:
        why = f"With {photo_count(accuracy.n)}, accuracy is only known to be "
        why += f"{percent_between(accuracy)}."
    else:
        why = "The figures are of photos from this folder; another camera or place may differ."
    command = f"candid evaluate {quoted_run(contents)} OTHER_PHOTOS"
    yield Step("Evaluate on photos from elsewhere", why, command)


def predict_command(contents: Contents) -> str:
    """The command that predicts a photo."""
    return f"candid predict PHOTO --run {quoted_run(contents)}"


def audit_command(contents: Contents) -> str:
    """The command that audits the photos."""
    return shlex.join(["candid", "audit", contents.folder, *contents.options])


def quoted_run(contents: Contents) -> str:
    """The run's folder, quoted for a shell."""
    return shlex.quote(contents.run)
