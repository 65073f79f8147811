"""The report page: one HTML file that needs no network and opens from disk."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.reporting import number_format
from candid.reporting.number_format import capitalise_first, photo_count, points
from candid.reporting.pages import Previews, make_environment, make_thumbnails, read_together
from candid.reporting.report.advice import Step, advise, audit_command, fails, quoted_run
from candid.reporting.report.answer import Statement, describe_task, statements
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

#: Classes in a chart; of more, those with the lowest coverage are shown.
MOST_CHARTED: Final = 24
#: Notes that are shown.
MOST_NOTES: Final = 40

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class FigureRow:
    """A measure on the test part and by cross-validation; the meaning may be empty."""

    title: str
    meaning: str
    test: Estimate | None
    kfold: Estimate | None


@dataclass(frozen=True)
class ClassRow:
    """A class with its figures and, where known, its numbers of photos and different pictures."""

    measures: ClassMeasures
    num_photos: int | None
    num_pictures: int | None

    @property
    def figures(self) -> tuple[Estimate | None, ...]:
        """Precision, recall, F1, ROC AUC and average precision."""
        row = self.measures
        return row.precision, row.recall, row.f1, row.roc_auc, row.average_precision


@dataclass(frozen=True)
class Part:
    """A part of a bar.

    Attributes:
        name: Label in the legend.
        kind: ``right``, ``wrong``, ``uncertain`` or ``unknown``.
        share: Its share of the whole.
        start: Its left end, in percent.
        width: Its width, in percent.
    """

    name: str
    kind: str
    share: float
    start: float
    width: float


@dataclass(frozen=True)
class View:
    """Everything that the template draws; None or empty where there is nothing to draw."""

    task: str
    headline: Estimate | None
    fails: bool  # whether a measured figure says that the model is of no use
    statements: tuple[Statement, ...]
    steps: tuple[Step, ...]
    answer_chart: Rows | None
    matrix: Matrix
    figure_rows: tuple[FigureRow, ...]
    class_rows: tuple[ClassRow, ...]
    mistakes: tuple[Mistake, ...]
    reliability: tuple[Plot, Plot] | None
    reliability_text: str
    gains: Rows | None
    leak: Rows | None
    curve: Plot | None
    parts: tuple[Part, ...]
    coverage: Rows | None
    audit_command: str
    verify_command: str


def write_page(contents: Contents, previews: Previews) -> str:
    """Write the page.

    Args:
        contents: What to show.
        previews: Encodes the thumbnails of files of the data folder; see
            `candid.reporting.pages.file_previews`.

    Returns:
        HTML in valid UTF-8, below 20 MB: of many photos the most informative are shown, with their
        total number.

    Raises:
        DependencyError: Jinja2 is not installed.
    """
    # Before the thumbnails, so that a missing package is reported at once.
    template = make_environment(_FOLDER, extra="transfer").get_template("page.html")
    view = make_view(contents)
    return template.render(
        contents=contents,
        evaluation=contents.evaluation,
        view=view,
        limits={"MOST_CHARTED": MOST_CHARTED, "MOST_NOTES": MOST_NOTES},
        fmt=number_format,
        thumbnails=make_thumbnails(_shown_paths(view), previews),
        style=read_together(_FOLDER, "base.css", "page_charts.css", "page.css"),
        script=read_together(_FOLDER, "base.js", "viewer.js", "page.js"),
    )


def _shown_paths(view: View) -> Iterator[str]:
    """Every photo on the page, once per occurrence, the most important first."""
    yield from (mistake.path for mistake in view.mistakes)
    yield from (photo.path for cell in view.matrix.panels for photo in cell.shown)


def make_view(contents: Contents) -> View:
    """Compute everything that the page shows except thumbnails."""
    evaluation = contents.evaluation
    calibration, curve = evaluation.calibration, evaluation.learning_curve
    return View(
        task=describe_task(evaluation.classes),
        headline=evaluation.believed.accuracy,
        fails=fails(evaluation),
        statements=statements(contents),
        steps=advise(contents),
        answer_chart=_answer_chart(evaluation),
        matrix=make_matrix(evaluation.classes, contents.predictions),
        figure_rows=tuple(_figure_rows(evaluation)),
        class_rows=tuple(
            ClassRow(measures, *contents.counts.get(measures.name, (None, None)))
            for measures in evaluation.believed.per_class
        ),
        mistakes=worst_mistakes(contents),
        reliability=None
        if calibration is None
        else (draw_reliability(calibration.bins_before), draw_reliability(calibration.bins_after)),
        reliability_text="" if calibration is None else _reliability_text(calibration),
        gains=_gains(evaluation),
        leak=_leak(evaluation),
        curve=None if curve is None or not curve.points else draw_learning_curve(curve),
        parts=() if evaluation.abstained is None else _parts(evaluation.abstained),
        coverage=None if evaluation.abstained is None else _coverage(evaluation.abstained),
        audit_command=audit_command(contents),
        verify_command=f"candid evaluate {quoted_run(contents)} {shlex.quote(contents.folder)}"
        if contents.measured_on
        else f"candid verify {quoted_run(contents)}",
    )


def _answer_chart(evaluation: Evaluation) -> Rows | None:
    """The model above the baselines, the best of them first."""
    accuracy = evaluation.believed.accuracy
    if accuracy is None:
        return None
    ranked = sorted(evaluation.baselines, key=lambda row: -row.accuracy.value)
    return draw_rows(
        [("This model", accuracy), *((capitalise_first(b.name), b.accuracy) for b in ranked)]
    )


def _figure_rows(evaluation: Evaluation) -> Iterator[FigureRow]:
    test = name_figures(evaluation.test)
    kfold = {} if evaluation.kfold is None else name_figures(evaluation.kfold)
    for field in fields(evaluation.test):
        rows = test.get(field.name), kfold.get(field.name)
        if named := rows[1] or rows[0]:
            on_test, by_kfold = (row.figure if row else None for row in rows)
            yield FigureRow(named.title, named.meaning, on_test, by_kfold)


def _reliability_text(row: Calibration) -> str:
    after = row.after
    text = (
        f"The expected calibration error is {points(after.value)} ({100 * after.low:.1f} to "
        f"{points(after.high)}, {photo_count(after.n)}): on average the probability of the "
        "predicted class is this far from the share of correct predictions, beyond what chance "
        "makes of exact probabilities."
    )
    if row.temperature == 1:
        return f"{text} The temperature is 1, so the probabilities are as the model gives them."
    effect = "reduced" if after.value < row.before.value else "did not reduce"
    return f"{text} Calibration {effect} it; before, it was {points(row.before.value)}."


def _gains(evaluation: Evaluation) -> Rows | None:
    if not evaluation.baselines:
        return None
    rows = [(capitalise_first(row.name), row.gain) for row in evaluation.baselines]
    return draw_rows(rows, num_emphasised=len(rows), mark=0.0, differences=True)


def _leak(evaluation: Evaluation) -> Rows | None:
    row = evaluation.leak_tax
    if row is None:
        return None
    return draw_rows([("Copies kept together", row.honest), ("Random split", row.naive)])


def _parts(row: Abstained) -> tuple[Part, ...]:
    """All photos as one bar, by verdict."""
    right = row.accuracy_when_sure.value if row.accuracy_when_sure else 0.0
    unknown = min(row.false_alarms.value, 1 - row.sure.value)
    named = (
        ("Sure and correct", "right", row.sure.value * right),
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
    by_class = list(row.coverage_by_class.items())
    if len(by_class) > MOST_CHARTED:
        by_class = sorted(by_class, key=lambda named: named[1].value)[:MOST_CHARTED]
    return draw_rows([("All classes", row.coverage), *by_class], mark=row.wanted_coverage)
