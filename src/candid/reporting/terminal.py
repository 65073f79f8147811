"""What `candid train` and `candid evaluate` print: a summary that fits on a screen.

The lines are those of the report's summary, so that terminal, page and card say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from candid.core.text import sanitize_line
from candid.reporting.number_format import decimals_with_n
from candid.reporting.report.advice import advise, predict_command
from candid.reporting.report.answer import Statement, measured_statements, statements

if TYPE_CHECKING:
    from candid.evaluation.evaluation import Evaluation
    from candid.reporting.report.contents import Contents

#: Lines of the summary of a training.
MOST_LINES: Final = 15
#: Notes that are printed; a page has the others.
MOST_NOTES: Final = 12

_MOST_OF_RUN: Final = 4  # of MOST_LINES: an empty one, and where to go on


def write_summary(contents: Contents) -> str:
    """The figure to believe, what it means, and where to go on, in at most `MOST_LINES` lines."""
    lines = list(_lines(contents.evaluation, statements(contents)))[: MOST_LINES - _MOST_OF_RUN]
    lines += ["", f"Report: {contents.run}/report.html"]
    use = predict_command(contents)
    steps = [step for step in advise(contents) if step.command]
    others = [step for step in steps if step.command != use]
    lines += [f"{step.title}: {step.command}" for step in others[:1]]
    lines += [f"{'Use' if len(others) < len(steps) else 'Try'} the model: {use}"]
    return "\n".join(map(_plain, lines))


def write_measured(evaluation: Evaluation, on: str = "") -> str:
    """The same without a run: the figure to believe, and what it means.

    Args:
        evaluation: The figures.
        on: How they were measured, if on photos from elsewhere.
    """
    return "\n".join(map(_plain, _lines(evaluation, measured_statements(evaluation, on))))


def cut_notes(notes: Iterable[str], page: str) -> list[str]:
    """The first notes, and how many more a page has."""
    shown = list(notes)
    left_out = len(shown) - MOST_NOTES
    return [*shown[:MOST_NOTES], f"… and {left_out} more ({page})"] if left_out > 1 else shown


def _lines(evaluation: Evaluation, told: Iterable[Statement]) -> Iterator[str]:
    first, *others = told
    yield first.brief
    test = evaluation.test.accuracy
    if evaluation.kfold is not None and test is not None:
        yield f"  the test part alone: {decimals_with_n(test)}"
    yield ""
    yield from (statement.brief for statement in others if statement.brief)


def _plain(line: str) -> str:
    """A line of ASCII where no name has other characters, safe for any terminal."""
    return sanitize_line(line.replace("\u00a0", " ").replace("−", "-"))
