"""Every sentence of terminal, report and model card, in made-up situations.

The figures are those of the real functions; the sentences must be true of them, of one mind, and
whole.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from candid.evaluation.evaluation import write_text
from candid.reporting.report.advice import advise
from candid.reporting.report.answer import baseline_statement, statements
from candid.reporting.report.card import write_card
from candid.reporting.report.page import write_page
from candid.reporting.terminal import write_details, write_measured, write_summary
from tests.manifests import make_manifest
from tests.reporting.pages.parsed import Page
from tests.reporting.report.made import draw
from tests.reporting.situations import SITUATIONS, contents_of


@dataclass(frozen=True)
class Told:
    """All that is said of a situation."""

    terminal: str
    details: str
    summary: str
    advice: str
    page: str
    card: str

    @property
    def everything(self) -> str:
        return "\n".join(vars(self).values())


@cache
def told(name: str) -> Told:
    contents = contents_of(name)
    said = [f"{row.title}. {row.text} {row.brief}" for row in statements(contents)]
    steps = [f"{row.title}. {row.text}" for row in advise(contents)]
    return Told(
        write_summary(contents),
        write_details(contents),
        _plain("\n".join(said)),
        _plain("\n".join(steps)),
        Page(write_page(contents, draw)).words,
        re.sub(r"&#(\d+);", lambda m: chr(int(m[1])), write_card(contents, make_manifest())),
    )


def _plain(text: str) -> str:
    return text.replace("\u00a0", " ")


#: By situation: where, what is said there, and (after "not") what is not.
TABLE: dict[str, list[tuple[str, str]]] = {
    "perfect": [
        ("terminal", "Accuracy 1.000 (0.940 to 1.000, n = 60), by grouped cross-validation"),
        ("summary", "Too few photos to tell if it is better than nearest neighbour"),
        ("advice", "Use the model"),
        ("not everything", "Do not use"),
        ("not advice", "istake"),
        ("not advice", "More photos of this kind"),
        ("not advice", "Add "),
        ("not summary", "missed most often"),
        ("not card", "Check the mistakes"),
        ("not card", "lowest recall"),
        ("page", "There are no mistakes among 60 photos."),
        ("page", "all of those are correct"),
    ],
    "hopeless": [
        ("terminal", "Not shown to be better than always the largest class"),
        ("page", "Warning: Not shown to be better than always the largest class"),
        ("card", "Not shown to be better than always the largest class"),
        ("advice", "Do not use the model yet"),
        ("not everything", "Use the model"),
    ],
    "tiny": [
        ("terminal", "Too few photos to tell if it is better than always the largest class"),
        ("advice", "Add photos before you rely on it"),
        ("details", "The model can't abstain"),
        ("summary", "Shortcuts could not be checked"),
        ("not everything", "No audit of this folder"),
        ("not everything", "It was not run"),
        ("not advice", "Do not use"),
        ("not advice", "Use the model"),
    ],
    "unbalanced": [
        ("terminal", "Rarest class: rare, finds 10 of 12"),
        ("summary", "Finds 10 of 12 photos of rare"),
        ("card", "Finds 10 of 12 photos of rare"),
    ],
    "one class trivial": [
        ("terminal", "Worst class: apple, finds 19 of 50"),
        ("not summary", "The class missed most often is x-ray"),
    ],
    "costs": [
        ("terminal", "Classes are chosen by the cost of mistakes, not for the best accuracy."),
        ("card", "Classes are chosen by the cost of mistakes"),
        ("summary", "Worse than nearest neighbour"),
        ("advice", "Use the model"),
        ("not page", "Warning: Worse than"),
        ("not everything", "turned off"),
    ],
    "no audit": [
        ("summary", "No audit of this folder"),
        ("card", "No audit of this folder"),
        (
            "terminal",
            "Next: audit the photos: candid audit data/faces; use the model: candid predict",
        ),
    ],
    "audit with findings": [
        ("terminal", "The class can be guessed from the file alone: file size."),
        ("page", "Warning: The class can be guessed from the file alone"),
        ("card", "The class can be guessed from the file alone"),
        ("advice", "Remove the shortcut"),
        ("not everything", "Audit the photos"),
        ("not everything", "not run"),
    ],
    "findings kept": [
        ("summary", "and a person has judged that it may"),
        ("card", "and a person has judged that it may"),
        ("not page", "Warning: The class can"),
        ("not advice", "Remove the shortcut"),
    ],
    "40 classes": [
        ("terminal", "Worst class: class "),
        ("page", "Classifies photos into 40 classes"),
    ],
    "no copies": [
        ("details", "No copies among the photos"),
        ("page", "There are no copies that a random split could put into both parts."),
        ("card", "there are no copies among the images"),
        ("not page", "inflates the accuracy"),
        ("not summary", "overstate"),
    ],
    "copies": [
        ("details", "A random split would say 0.975, 12 points too much: copies leak."),
        ("summary", "40 of 80 photos show a picture that is there already"),
        ("card", "there are 40 copies among the images"),
        ("not summary", "No copies"),
    ],
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_what_is_said_is_true_of_the_situation(name: str) -> None:
    said = told(name)
    for where, words in TABLE[name]:
        text = getattr(said, where.removeprefix("not "))
        assert (words in text) == (not where.startswith("not ")), f"{where}: {words!r}\n{text}"


#: What no sentence may hold: raw values, wrong numbers, shouting, halves of sentences.
WRONG = {
    "a raw value": r"\bNone\b(?! was measured)|\bnan\b|\binf\b",
    "one of several": r"(?<![\d,.])1 (photos|pictures|images|copies|mistakes|classes|points)\b",
    "several of one": r"\b([02-9]|\d*\d[02-9]) (photo|picture|image|mistake|point)\b",
    "nothing of nothing": r"\b0 of 0\b",
    "shouting": r"\b(NOT|DOES|NEVER|NO|DO|BEAT|MISSED)\b",
    "two stops": r"(?<!\.)\.\.(?!\.)|\. \.|,\.|;\.",
    "a cut": r"\w … \w|\w…\w",
    "an empty list": r"\(\)|: ?\.| ,|“”",
}


@pytest.mark.parametrize("fault", WRONG)
@pytest.mark.parametrize("name", SITUATIONS)
def test_no_sentence_is_wrong_in_form(name: str, fault: str) -> None:
    said = told(name)
    for where in ("terminal", "details", "summary", "advice", "page"):
        found = re.search(f".{{0,60}}({WRONG[fault]}).{{0,40}}", getattr(said, where))
        assert found is None, f"{where}: {found and found[0]!r}"


_MOST_ROWS = 15  # of 80 columns


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_terminal_has_five_lines_and_the_figure_to_believe_first(name: str) -> None:
    contents = contents_of(name)
    accuracy = contents.evaluation.believed.accuracy
    assert accuracy is not None
    lines = told(name).terminal.splitlines()
    assert lines[0].startswith(f"Accuracy {accuracy.value:.3f} ({accuracy.low:.3f} to ")
    assert f"n = {accuracy.n}" in lines[0]
    assert len(lines) == 5
    assert sum(len(textwrap.wrap(line, 80)) for line in lines) <= _MOST_ROWS, told(name).terminal
    assert lines[2].startswith(("Worst class: ", "Rarest class: ", "No class is "))
    assert lines[3].startswith("Next: ")
    assert lines[4] == f"Report: {contents.run}/report.html"
    assert told(name).terminal.isascii()


@pytest.mark.parametrize("name", SITUATIONS)
def test_terminal_report_and_card_are_of_one_mind(name: str) -> None:
    contents, said = contents_of(name), told(name)
    baselines = baseline_statement(contents.evaluation)
    assert baselines.title in said.terminal
    assert baselines.title in said.page
    assert (baselines.title in said.card) == (baselines.tone != "good")
    for statement in statements(contents):
        assert _plain(statement.title) in said.page
        assert _plain(statement.text) in said.page
    assert ("Do not use" in said.advice) == (baselines.tone == "bad")
    assert not ("Do not use" in said.advice and "Use the model" in said.advice)
    has_mistakes = bool(np.any(contents.predictions.truth != contents.predictions.predicted))
    assert has_mistakes or "istake" not in said.advice
    assert write_measured(contents.evaluation).splitlines()[0] == said.terminal.splitlines()[0]


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_colour_of_the_figure_speaks_of_measured_failure_alone(name: str) -> None:
    doubtful = "is-doubtful" in write_page(contents_of(name), draw).split("</style>")[1]
    assert doubtful == (name == "hopeless")


@pytest.mark.parametrize("name", SITUATIONS)
def test_no_share_is_all_or_nothing_where_it_is_not_quite(name: str) -> None:
    """``100 % (95 to 99.4 %)`` and the like."""
    for value, low, high in re.findall(
        r"([\d.]+) % \(([\d.]+) to ([\d.]+) %\)", told(name).summary + told(name).page
    ):
        assert float(low) <= float(value) <= float(high)


def test_the_tables_of_forty_classes_fit_a_terminal() -> None:
    text = write_text(contents_of("40 classes").evaluation)
    assert "true, then predicted" not in text
    assert "true, then predicted" in write_text(contents_of("perfect").evaluation)
