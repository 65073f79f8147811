"""The summary on a terminal; `test_sentences` reads it in many situations."""

from __future__ import annotations

import re

from candid.reporting.terminal import MOST_NOTES, cut_notes, write_details, write_summary
from tests.reporting.report.made import bare_contents, empty_contents, make_contents


def test_a_long_list_of_notes_is_cut_and_says_where_the_rest_is() -> None:
    notes = [f"note {number}" for number in range(MOST_NOTES + 12)]
    assert cut_notes(notes, "report.html")[-2:] == ["note 11", "… and 12 more (report.html)"]
    one_more = notes[: MOST_NOTES + 1]
    assert cut_notes(one_more, "report.html") == one_more


def test_the_best_of_two_estimates_comes_first_and_the_other_among_the_details() -> None:
    contents = make_contents()
    assert write_summary(contents).splitlines()[0].endswith("n = 300), by grouped cross-validation")
    details = write_details(contents).splitlines()
    assert details[0].startswith("The test part alone: ")
    assert "Grouped cross-validation: all 300 photos" in details
    alone = bare_contents()
    assert write_summary(alone).splitlines()[0].endswith("n = 40), on the test part")
    assert "The test part alone" not in write_details(alone)


def test_the_verdict_has_an_interval() -> None:
    verdict = write_summary(make_contents()).splitlines()[1]
    gain = r"\+[\d.]+ points \(\+[\d.]+ to \+[\d.]+\)"
    over = re.fullmatch(rf"Better than every baseline: {gain} over the best, .*\.", verdict)
    assert over is not None, verdict


def test_without_a_photo_to_test_on_it_says_so() -> None:
    text = write_summary(empty_contents())
    assert text.startswith("Nothing measured: There was no photo to test on.")
    assert "use the model" not in text
    assert "; try the model: candid predict PHOTO --run" in text
    assert "Worst class" not in text
