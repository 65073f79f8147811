"""The summary on a terminal; `test_sentences` reads it in many situations."""

from __future__ import annotations

from candid.reporting.terminal import MOST_NOTES, cut_notes, write_measured, write_summary
from tests.reporting.report.made import bare_contents, empty_contents, make_contents


def test_a_long_list_of_notes_is_cut_and_says_where_the_rest_is() -> None:
    notes = [f"note {number}" for number in range(MOST_NOTES + 12)]
    assert cut_notes(notes, "report.html")[-2:] == ["note 11", "… and 12 more (report.html)"]
    one_more = notes[: MOST_NOTES + 1]
    assert cut_notes(one_more, "report.html") == one_more


def test_the_best_of_two_estimates_comes_first_and_then_the_other() -> None:
    lines = write_summary(make_contents()).splitlines()
    assert lines[0].endswith("n = 300), by grouped cross-validation")
    assert lines[1].startswith("  the test part alone: ")
    alone = write_summary(bare_contents()).splitlines()
    assert alone[0].endswith("n = 40), on the test part")
    assert alone[1] == ""


def test_without_a_photo_to_test_on_it_says_so() -> None:
    text = write_summary(empty_contents())
    assert text.startswith("Nothing measured: There was no photo to test on.")
    assert "Use the model" not in text
    assert "Try the model: candid predict PHOTO --run" in text


def test_photos_from_elsewhere_are_named() -> None:
    text = write_measured(bare_contents().evaluation, "on /other/photos")
    assert text.splitlines()[0].endswith("n = 40), on /other/photos")
