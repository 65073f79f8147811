"""The report page: one HTML file that needs no network and opens from disk."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.reporting import number_format
from candid.reporting.number_format import capitalise_first, photo_count, points
from candid.reporting.pages import Previews, make_environment, make_thumbnails, read_together
from candid.reporting.report.advice import advise, audit_command, fails, quoted_run
from candid.reporting.report.answer import describe_task, statements
from candid.reporting.report.card_results import name_figures
from candid.reporting.report.charts import Rows, draw_learning_curve, draw_reliability, draw_rows
from candid.reporting.report.mistakes import make_matrix, worst_mistakes

if TYPE_CHECKING:
    from candid.evaluation.evaluation import Evaluation
    from candid.evaluation.reliability import Abstained, Calibration
    from candid.reporting.report.contents import Contents

#: Classes in a chart; of more, those with the lowest coverage are shown.
MOST_CHARTED: Final = 24
#: Notes that are shown.
MOST_NOTES: Final = 40

_FOLDER: Final = Path(__file__).parent


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
    mistakes = worst_mistakes(contents)
    matrix = make_matrix(contents.evaluation.classes, contents.predictions)
    # Once per occurrence on the page, the most important first.
    photos = (*mistakes, *(photo for cell in matrix.panels for photo in cell.shown))
    return template.render(
        contents=contents,
        evaluation=contents.evaluation,
        view=_view(contents) | {"mistakes": mistakes, "matrix": matrix},
        limits={"MOST_CHARTED": MOST_CHARTED, "MOST_NOTES": MOST_NOTES},
        fmt=number_format,
        thumbnails=make_thumbnails((photo.path for photo in photos), previews),
        style=read_together(_FOLDER, "base.css", "page_charts.css", "page.css"),
        script=read_together(_FOLDER, "base.js", "viewer.js", "page.js"),
    )


def _view(contents: Contents) -> dict[str, object]:
    """What the template draws beside photos; None or empty where there is nothing to draw."""
    evaluation = contents.evaluation
    calibration, curve = evaluation.calibration, evaluation.learning_curve
    abstained = evaluation.abstained
    checked = f"candid verify {quoted_run(contents)}"
    if contents.measured_on:
        data = shlex.join([contents.folder, *contents.options])
        checked = f"candid evaluate {quoted_run(contents)} {data}"
    return {
        "task": describe_task(evaluation.classes),
        "headline": evaluation.believed.accuracy,
        "fails": fails(evaluation),  # whether a measured figure says that the model is of no use
        "statements": statements(contents),
        "steps": advise(contents),
        "answer_chart": _answer_chart(evaluation),
        "figure_rows": tuple(_figure_rows(evaluation)),
        "reliability": calibration
        and [draw_reliability(bins) for bins in (calibration.bins_before, calibration.bins_after)],
        "reliability_text": "" if calibration is None else _reliability_text(calibration),
        "gains": _gains(evaluation),
        "leak": _leak(evaluation),
        "curve": draw_learning_curve(curve) if curve and curve.points else None,
        "parts": () if abstained is None else _parts(abstained),
        "coverage": None if abstained is None else _coverage(abstained),
        "audit_command": audit_command(contents),
        "verify_command": checked,
    }


def _answer_chart(evaluation: Evaluation) -> Rows | None:
    """The model above the baselines, the best of them first."""
    accuracy = evaluation.believed.accuracy
    if accuracy is None:
        return None
    ranked = sorted(evaluation.baselines, key=lambda row: -row.accuracy.value)
    return draw_rows(
        [("This model", accuracy), *((capitalise_first(b.name), b.accuracy) for b in ranked)]
    )


def _figure_rows(evaluation: Evaluation) -> Iterator[dict[str, object]]:
    """Title and meaning of each measure, and its figures on the test part and by folds."""
    test = name_figures(evaluation.test)
    kfold = {} if evaluation.kfold is None else name_figures(evaluation.kfold)
    for field in fields(evaluation.test):
        rows = test.get(field.name), kfold.get(field.name)
        if named := rows[1] or rows[0]:
            on_test, by_kfold = (row.figure if row else None for row in rows)
            yield {**vars(named), "test": on_test, "kfold": by_kfold}


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


def _parts(row: Abstained) -> tuple[dict[str, object], ...]:
    """All photos as one bar, by verdict: parts with a kind, and start and width in percent."""
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
        place = {"start": round(100 * start, 3), "width": round(100 * share, 3)}
        parts.append({"name": name, "kind": kind, "share": share, **place})
        start += share
    return tuple(parts)


def _coverage(row: Abstained) -> Rows:
    by_class = list(row.coverage_by_class.items())
    if len(by_class) > MOST_CHARTED:
        by_class = sorted(by_class, key=lambda named: named[1].value)[:MOST_CHARTED]
    return draw_rows([("All classes", row.coverage), *by_class], mark=row.wanted_coverage)
