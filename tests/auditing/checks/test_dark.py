"""Photos in which even the brightest parts are dark."""

from __future__ import annotations

from candid.auditing.checks.quality import DARK as CHECK
from tests.auditing.checks.photos import evidence_of, unmeasured, with_pixels

DARK = with_pixels(bright_end=0.2, brightness=0.05)


def test_it_finds_a_dark_photo() -> None:
    outcome = CHECK.run(evidence_of(DARK))
    assert outcome.summary == "1 photo is dark"
    (finding,) = outcome.findings
    assert finding.summary == ("a/00000.jpg: 99 % of its pixels are below 20 % of full brightness")


def test_the_darkest_comes_first_and_the_class_is_named() -> None:
    rows = [with_pixels(bright_end=value) for value in (0.3, 0.1, 0.2, 0.25, 0.22)]
    outcome = CHECK.run(evidence_of(*rows))
    assert outcome.summary == "5 photos are dark; all are in a"
    assert outcome.findings[0].items[0].path == "a/00001.jpg"


def test_a_bright_lamp_in_the_night_is_not_dark_all_over() -> None:
    assert CHECK.run(evidence_of(with_pixels(bright_end=0.4, brightness=0.05))).status == "clean"


def test_a_black_picture_is_left_to_the_check_for_blank_ones() -> None:
    black = with_pixels(bright_end=0.02, entropy_bits=0.5, contrast=0.01)
    assert CHECK.run(evidence_of(black)).status == "clean"


def test_a_folder_of_night_photos_is_one_line() -> None:
    outcome = CHECK.run(evidence_of(*[DARK] * 50, usual=10))
    assert outcome.summary == "most photos are dark (50 of 70)"
    assert [finding.items for finding in outcome.findings] == [()]


def test_it_is_not_applicable_where_nothing_could_be_measured() -> None:
    assert CHECK.run(unmeasured()).status == "not applicable"
