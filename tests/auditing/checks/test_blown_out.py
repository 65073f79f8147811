"""Photos in which almost everything is white."""

from __future__ import annotations

from candid.auditing.checks.quality import BLOWN_OUT as CHECK
from tests.auditing.checks.photos import evidence_of, unmeasured, with_pixels


def test_it_finds_blown_out_photos_the_whitest_first() -> None:
    rows = [with_pixels(dark_end=0.96), with_pixels(dark_end=0.98)]
    outcome = CHECK.run(evidence_of(*rows))
    assert outcome.summary == "2 photos are blown out"
    assert [finding.summary for finding in outcome.findings] == [
        "a/00001.jpg: 95 % of its pixels are above 98 % of full brightness",
        "a/00000.jpg: 95 % of its pixels are above 96 % of full brightness",
    ]


def test_a_bright_photo_with_dark_parts_is_fine() -> None:
    assert CHECK.run(evidence_of(with_pixels(dark_end=0.9, brightness=0.97))).status == "clean"


def test_a_white_picture_is_left_to_the_check_for_blank_ones() -> None:
    white = with_pixels(dark_end=1.0, entropy_bits=0.5, contrast=0.01)
    assert CHECK.run(evidence_of(white)).status == "clean"


def test_it_is_not_applicable_where_nothing_could_be_measured() -> None:
    assert CHECK.run(unmeasured()).status == "not applicable"
