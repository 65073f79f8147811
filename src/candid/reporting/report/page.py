"""The page of a run: one HTML file that needs no network and opens from disk.

What the page shows, ready for its template: texts, rows and places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.reporting import number_format as saying
from candid.reporting.number_format import capitalised, photos, points
from candid.reporting.pages import Previews, make_environment, make_thumbnails, read_together
from candid.reporting.report.advice import Step, advise, audit_command, run_of
from candid.reporting.report.answer import Statement, statements, what_it_does
from candid.reporting.report.card_results import name_figures
from candid.reporting.report.charts import (
    Plot,
    Rows,
    draw_learning_curve,
    draw_reliability,
    draw_rows,
)
from candid.reporting.report.mistakes import Matrix, Mistake, make_matrix, worst_mistakes

if TYPE_CHECKING:
    from candid.evaluation.estimate import Estimate
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.measures import ClassMeasures
    from candid.evaluation.reliability import Abstained, Calibration
    from candid.reporting.report.contents import Contents

#: Classes in a chart; of more, those of which the fewest are covered.
MOST_CHARTED: Final = 24
#: Notes that are shown.
MOST_NOTES: Final = 40


@dataclass(frozen=True)
class FigureRow:
    """A measure with its figures.

    Attributes:
        title: What it is.
        meaning: What it says, in half a sentence; may be empty.
        test: On the test part.
        kfold: By cross-validation.
    """

    title: str
    meaning: str
    test: Estimate | None
    kfold: Estimate | None


@dataclass(frozen=True)
class ClassRow:
    """A class with its figures.

    Attributes:
        measures: The figures.
        num_photos: How many photos it has; None where that is not known.
        num_pictures: How many different pictures these show.
    """

    measures: ClassMeasures
    num_photos: int | None
    num_pictures: int | None

    @property
    def figures(self) -> tuple[tuple[str, Estimate | None], ...]:
        """Titles and figures, in the order of showing."""
        row = self.measures
        return (
            ("Precision", row.precision),
            ("Recall", row.recall),
            ("F1", row.f1),
            ("ROC AUC", row.roc_auc),
            ("Average precision", row.average_precision),
        )


@dataclass(frozen=True)
class Part:
    """A part of a bar.

    Attributes:
        name: What it is.
        kind: ``right``, ``wrong``, ``uncertain`` or ``unknown``.
        share: How much of the whole it is.
        start: Where it begins, in percent.
        width: How wide it is, in percent.
    """

    name: str
    kind: str
    share: float
    start: float
    width: float


@dataclass(frozen=True)
class View:
    """Everything that the template draws; None and empty where there is nothing to draw."""

    does: str
    headline: Estimate | None
    statements: tuple[Statement, ...]
    steps: tuple[Step, ...]
    answer_chart: Rows | None
    matrix: Matrix
    figure_rows: tuple[FigureRow, ...]
    class_rows: tuple[ClassRow, ...]
    mistakes: tuple[Mistake, ...]
    reliability: tuple[Plot, Plot] | None
    reliability_says: str
    gains: Rows | None
    leak: Rows | None
    curve: Plot | None
    parts: tuple[Part, ...]
    coverage: Rows | None
    audit_command: str
    verify_command: str


def make_view(contents: Contents) -> View:
    """Work out everything that the page shows but the thumbnails."""
    evaluation = contents.evaluation
    calibration, curve = evaluation.calibration, evaluation.learning_curve
    return View(
        does=what_it_does(evaluation.classes),
        headline=evaluation.believed.accuracy,
        statements=statements(contents),
        steps=advise(contents),
        answer_chart=_answer_chart(evaluation),
        matrix=make_matrix(evaluation.classes, contents.predictions),
        figure_rows=tuple(_figure_rows(evaluation)),
        class_rows=tuple(_class_rows(contents)),
        mistakes=worst_mistakes(contents),
        reliability=None
        if calibration is None
        else (draw_reliability(calibration.bins_before), draw_reliability(calibration.bins_after)),
        reliability_says="" if calibration is None else _reliability(calibration),
        gains=_gains(evaluation),
        leak=_leak(evaluation),
        curve=None if curve is None or not curve.points else draw_learning_curve(curve),
        parts=() if evaluation.abstained is None else _parts(evaluation.abstained),
        coverage=None if evaluation.abstained is None else _coverage(evaluation.abstained),
        audit_command=audit_command(contents),
        verify_command=f"candid verify {run_of(contents)}",
    )


def _answer_chart(evaluation: Evaluation) -> Rows | None:
    accuracy = evaluation.believed.accuracy
    if accuracy is None:
        return None
    ranked = sorted(evaluation.baselines, key=lambda row: -row.accuracy.value)
    return draw_rows(
        [("This model", accuracy), *((capitalised(b.name), b.accuracy) for b in ranked)]
    )


def _figure_rows(evaluation: Evaluation) -> Iterator[FigureRow]:
    test = name_figures(evaluation.test)
    kfold = {} if evaluation.kfold is None else name_figures(evaluation.kfold)
    for field in fields(evaluation.test):
        named = kfold.get(field.name) or test.get(field.name)
        if named is not None:
            on_test, by_kfold = test.get(field.name), kfold.get(field.name)
            yield FigureRow(
                named.title,
                named.meaning,
                on_test.figure if on_test else None,
                by_kfold.figure if by_kfold else None,
            )


def _class_rows(contents: Contents) -> Iterator[ClassRow]:
    for measures in contents.evaluation.believed.per_class:
        num_photos, num_pictures = contents.counts.get(measures.name, (None, None))
        yield ClassRow(measures, num_photos, num_pictures)


def _reliability(row: Calibration) -> str:
    after = row.after
    text = (
        f"On average its probabilities are {points(after.value)} off, between "
        f"{100 * after.low:.1f} and {points(after.high)}, on {photos(after.n)}"
    )
    if row.temperature == 1:
        return (
            f"{text}. Calibrating them would not have helped, so they are as the model gives them."
        )
    grew = "closer" if after.value < row.before.value else "no closer"
    return (
        f"{text}; before they were calibrated it was {points(row.before.value)}. Calibration "
        f"brought them {grew} to the truth."
    )


def _gains(evaluation: Evaluation) -> Rows | None:
    if not evaluation.baselines:
        return None
    rows = [(capitalised(row.name), row.gain) for row in evaluation.baselines]
    return draw_rows(rows, num_emphasised=len(rows), mark=0.0, differences=True)


def _leak(evaluation: Evaluation) -> Rows | None:
    row = evaluation.leak_tax
    if row is None:
        return None
    named = [("Copies kept together: what is true", row.honest), ("Dealt at random", row.naive)]
    return draw_rows(named)


def _parts(row: Abstained) -> tuple[Part, ...]:
    """All photos as a bar, by what is said of them."""
    right = row.accuracy_when_sure.value if row.accuracy_when_sure else 0.0
    unknown = min(row.false_alarms.value, 1 - row.sure.value)
    named = (
        ("Sure and right", "right", row.sure.value * right),
        ("Sure and wrong", "wrong", row.sure.value * (1 - right)),
        ("Uncertain", "uncertain", max(0.0, 1 - row.sure.value - unknown)),
        ("Unknown", "unknown", unknown),
    )
    parts, start = [], 0.0
    for name, kind, share in named:
        parts.append(Part(name, kind, share, round(100 * start, 3), round(100 * share, 3)))
        start += share
    return tuple(parts)


def _coverage(row: Abstained) -> Rows:
    by_class = sorted(row.coverage_by_class.items(), key=lambda named: named[1].value)
    kept = (
        by_class[:MOST_CHARTED] if len(by_class) > MOST_CHARTED else row.coverage_by_class.items()
    )
    return draw_rows([("All classes", row.coverage), *kept], mark=row.wanted_coverage)


__all__ = ["Previews", "write_page"]

_FOLDER: Final = Path(__file__).parent


def write_page(contents: Contents, previews: Previews) -> str:
    """Write the page.

    Args:
        contents: What is shown.
        previews: Gives the encoded thumbnail of a file of the data folder; see
            `candid.reporting.pages.file_previews`. Called from several threads at once.

    Returns:
        HTML that UTF-8 can encode, of less than 20 MB: of many photos the most telling are shown,
        and the page says how many there are.

    Raises:
        DependencyError: Jinja2 is not installed.
    """
    # Before the thumbnails, which take longer than it takes to say that a package is missing.
    template = make_environment(_FOLDER, extra="transfer").get_template("page.html")
    view = make_view(contents)
    return template.render(
        contents=contents,
        evaluation=contents.evaluation,
        view=view,
        limits={"MOST_CHARTED": MOST_CHARTED, "MOST_NOTES": MOST_NOTES},
        say=saying,
        thumbnails=make_thumbnails(_pictured(view), previews),
        style=read_together(_FOLDER, "base.css", "page_charts.css", "page.css"),
        script=read_together(_FOLDER, "base.js", "viewer.js", "page.js"),
    )


def _pictured(view: View) -> Iterator[str]:
    """The photos on the page, as often as they are on it, the most important first."""
    yield from (mistake.path for mistake in view.mistakes)
    yield from (photo.path for cell in view.matrix.panels for photo in cell.shown)
