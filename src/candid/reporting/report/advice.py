"""What to do next, as the figures suggest it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from candid.reporting.number_format import between, percent, photos, points, signed_points
from candid.reporting.report.answer import beaten

if TYPE_CHECKING:
    from candid.evaluation.learning_curve import Forecast
    from candid.reporting.report.contents import Contents

#: Steps that are named; more would be a list that nobody begins.
MOST_STEPS: Final = 4
#: From this probability on, a mistake is a sure one.
SURE_MISTAKE: Final = 0.9
# Below this, more photos bring nothing that anybody would notice.
_LEAST_GAIN: Final = 0.005
_WIDE_INTERVAL: Final = 0.15


@dataclass(frozen=True)
class Step:
    """Something to do.

    Attributes:
        title: What, in a few words.
        text: Why.
        command: What to type; empty where there is nothing to type.
        section: The section of the page that it is about; empty for none.
    """

    title: str
    text: str
    command: str = ""
    section: str = ""


def advise(contents: Contents) -> tuple[Step, ...]:
    """Say what to do next, the most urgent first and the use of it last: at most `MOST_STEPS`.

    Nobody is told to use a classifier that is not better than a simple rule, or that was measured
    on nothing.
    """
    evaluation = contents.evaluation
    usable = evaluation.believed.accuracy is not None and beaten(evaluation.baselines).tone != "bad"
    num_before = MOST_STEPS - 1 if usable else MOST_STEPS
    steps = [*_steps(contents)][:num_before]
    return (*steps, _use(contents)) if usable else tuple(steps)


def _steps(contents: Contents) -> Iterator[Step]:
    yield from _unbeaten(contents)
    yield from _shortcut(contents)
    yield from _mistakes(contents)
    yield from _more_photos(contents)
    yield from _elsewhere(contents)


def _unbeaten(contents: Contents) -> Iterator[Step]:
    statement = beaten(contents.evaluation.baselines)
    if statement.tone == "bad":
        text = (
            "It is not shown to beat a simple rule. Look at the mistakes, and at what that rule has"
        )
        yield Step("Do not use it yet", f"{text} found.", section="baselines")


def _shortcut(contents: Contents) -> Iterator[Step]:
    if contents.shortcut is None:
        text = "It finds wrong labels, copies, broken files and shortcuts. Nobody has looked yet."
        yield Step("Audit the photos", text, audit_command(contents), "shortcut")
    elif contents.shortcut.found:
        text = (
            "Photos of one class differ from the others in more than what they show. Take photos "
            "of all classes in the same way, or measure on photos from elsewhere."
        )
        yield Step("Remove the shortcut", text, section="shortcut")


def _mistakes(contents: Contents) -> Iterator[Step]:
    seen = contents.predictions
    wrong = np.flatnonzero(seen.predicted != seen.truth)
    sure = seen.probabilities[wrong, seen.predicted[wrong]] >= SURE_MISTAKE
    # Copies of a picture are one thing to look at.
    number = len(np.unique(seen.groups[wrong[sure]]))
    if not number:
        return
    pictures = "1 picture was" if number == 1 else f"{number:,} pictures were"
    text = (
        f"{pictures} answered wrong with {percent(SURE_MISTAKE)} or more. Some labels may be wrong."
    )
    yield Step("Look at the worst mistakes", text, section="mistakes")


def _more_photos(contents: Contents) -> Iterator[Step]:
    curve = contents.evaluation.learning_curve
    if curve is None or not curve.forecasts:
        return
    forecast = _of_weakest_class(contents) or curve.forecasts[0]
    promising = [row for row in curve.forecasts if row.gain.value >= _LEAST_GAIN]
    if not promising:
        best = max(curve.forecasts, key=lambda row: row.gain.value)
        text = f"Even {photos(best.num_more)} more promise less than half a point. Look for other "
        yield Step(
            "More photos of this kind bring little",
            text + "kinds of photos.",
            section="more-photos",
        )
        return
    if forecast.gain.value < _LEAST_GAIN:
        forecast = max(promising, key=lambda row: row.gain.value)
    yield Step(f"Add {_photos_of(forecast)}", _promise(forecast), section="more-photos")


def _of_weakest_class(contents: Contents) -> Forecast | None:
    """The forecast for the class of which the fewest are recognised."""
    curve = contents.evaluation.learning_curve
    rows = [row for row in contents.evaluation.believed.per_class if row.recall is not None]
    if curve is None or not rows:
        return None
    weakest = min(rows, key=lambda row: row.recall.value if row.recall else math.inf)
    return next((row for row in curve.forecasts if row.label == weakest.name), None)


def _photos_of(forecast: Forecast) -> str:
    number = photos(forecast.num_more)
    return f"{number} of {forecast.label}" if forecast.label else f"{number} of all classes"


def _promise(forecast: Forecast) -> str:
    gain = forecast.gain
    doubt = "" if gain.low > 0 else " They may also bring nothing."
    return (
        f"About {points(gain.value)} of accuracy ({signed_points(gain.low)} to "
        f"{signed_points(gain.high)}, from {photos(gain.n)}), if they are like the others.{doubt}"
    )


def _elsewhere(contents: Contents) -> Iterator[Step]:
    accuracy = contents.evaluation.believed.accuracy
    if accuracy is None:
        why = "There was nothing to test on."
    elif accuracy.high - accuracy.low > _WIDE_INTERVAL:
        why = f"{photos(accuracy.n)} leave the truth {between(accuracy)}."
    else:
        why = "All that is known is of photos of this folder; another camera or place may differ."
    command = f"candid evaluate {run_of(contents)} OTHER_PHOTOS"
    yield Step("Measure on photos from elsewhere", why, command)


def _use(contents: Contents) -> Step:
    text = "Each answer comes with a probability"
    text += " and says when it is not sure." if contents.evaluation.abstained is not None else "."
    return Step("Use it", text, f"candid predict PHOTO --run {run_of(contents)}")


def audit_command(contents: Contents) -> str:
    """How the photos are audited."""
    return f"candid audit {shlex.quote(contents.folder)}"


def run_of(contents: Contents) -> str:
    """The run, as it is typed."""
    return shlex.quote(contents.run)
