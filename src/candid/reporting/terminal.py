"""What `candid train` and `candid evaluate` print: a few lines, and the details on request.

The lines are those of the report's summary, so that terminal, page and card say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from candid.core.text import sanitize_line
from candid.evaluation.evaluation import TEST_PART, write_text
from candid.reporting.number_format import decimals_with_n
from candid.reporting.report.advice import advise, predict_command
from candid.reporting.report.answer import (
    abstention_statement,
    accuracy_statement,
    baseline_statement,
    class_recalls,
    leak_tax_statement,
    rule_statement,
    shortcut_statement,
    worst_class_statement,
)

if TYPE_CHECKING:
    from candid.evaluation.evaluation import Evaluation
    from candid.reporting.report.contents import Contents

#: Notes that are printed; a page has the others.
MOST_NOTES: Final = 12


def write_summary(contents: Contents) -> str:
    """Five lines: the figure to believe, the verdict, the worst class, what to do, the report."""
    *figures, worst = _verdict_lines(contents.evaluation, contents.measured_on, contents.run)
    lines = (
        *figures,
        " ".join(filter(None, (worst, shortcut_statement(contents.shortcut).brief))),
        f"Next: {'; '.join(_next_steps(contents))}",
        f"Report: {contents.page or f'{contents.run}/report.html'}",
    )
    return "\n".join(map(_plain, lines))


def write_details(contents: Contents) -> str:
    """What the summary leaves out: the test part alone, leak tax and abstention, and tables."""
    of = contents.measured_on.removeprefix("on ") or TEST_PART
    tables = write_text(contents.evaluation, of)
    return "\n".join([*map(_plain, _detail_lines(contents.evaluation)), "", tables])


def write_measured(evaluation: Evaluation, of: str = TEST_PART) -> str:
    """All of it without a report; ``of`` is what it was measured on."""
    on = "" if of == TEST_PART else f"on {of}"
    lines = (*_verdict_lines(evaluation, on), *_detail_lines(evaluation))
    return "\n".join([*map(_plain, lines), "", write_text(evaluation, of)])


def cut_notes(notes: Iterable[str], page: str) -> list[str]:
    """The first notes, and how many more a page has."""
    shown = list(notes)
    left_out = len(shown) - MOST_NOTES
    return [*shown[:MOST_NOTES], f"… and {left_out} more ({page})"] if left_out > 1 else shown


def _verdict_lines(evaluation: Evaluation, on: str = "", run: str = "RUN") -> Iterator[str]:
    yield accuracy_statement(evaluation, on).brief
    yield baseline_statement(evaluation).brief
    worst, rule = worst_class_statement(evaluation, run), rule_statement(evaluation)
    found = worst.brief if worst else "No class is found less often than another."
    tested = len(class_recalls(evaluation))
    if tested < 2:
        found = "Only one class was tested." if tested else "No class was tested."
    yield f"{found} {rule.brief}" if rule else found


def _next_steps(contents: Contents) -> Iterator[str]:
    """The most urgent step, and how to use the model, or what else can be typed and to try it."""
    use = predict_command(contents)
    first, *others = advise(contents)
    advised = use in {step.command for step in (first, *others)}
    typed = [step for step in others if step.command and step.command != use]
    shown = [first] if advised or first.command else [first, *typed[:1]]
    for step in shown:
        title = step.title[0].lower() + step.title[1:]
        yield f"{title}: {step.command}" if step.command else title
    if first.command != use:
        yield f"{'use' if advised else 'try'} the model: {use}"


def _detail_lines(evaluation: Evaluation) -> Iterator[str]:
    test = evaluation.test.accuracy
    if evaluation.kfold is not None and test is not None:
        yield f"The test part alone: {decimals_with_n(test)}."
    if evaluation.leak_tax is not None:
        yield leak_tax_statement(evaluation).brief
    yield abstention_statement(evaluation).brief


def _plain(line: str) -> str:
    """A line of ASCII where no name has other characters, safe for any terminal."""
    return sanitize_line(line.replace("\u00a0", " ").replace("−", "-"))
