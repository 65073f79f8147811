"""Photos with too few pixels."""

from __future__ import annotations

from candid.auditing.checks.encoding import TINY as CHECK
from tests.auditing.checks.photos import evidence_of, of_size, unmeasured


def test_it_finds_thumbnails_among_photos_the_smallest_first() -> None:
    outcome = CHECK.run(evidence_of(of_size(60, 48), of_size(32, 200)))
    assert outcome.summary == "2 photos are tiny"
    assert [finding.summary for finding in outcome.findings] == [
        "a/00001.jpg: 32×200 px",
        "a/00000.jpg: 60×48 px",
    ]


def test_one_is_told_of_in_the_singular() -> None:
    assert CHECK.run(evidence_of(of_size(60, 48))).summary == "1 photo is tiny"


def test_it_stays_quiet_on_small_photos_that_a_model_can_use() -> None:
    assert CHECK.run(evidence_of(of_size(64, 64))).status == "clean"


def test_a_photo_that_is_hardly_smaller_than_the_others_is_not_named() -> None:
    rows = [of_size(60, 60), *[of_size(100, 100)] * 20]
    assert CHECK.run(evidence_of(*rows, usual=0)).status == "clean"


def test_a_folder_that_is_tiny_as_a_whole_is_one_line() -> None:
    outcome = CHECK.run(evidence_of(*[of_size(32, 32)] * 40, usual=0))
    assert outcome.summary == "half of the photos have 32 px or less on the shorter side"
    assert [finding.items for finding in outcome.findings] == [()]


def test_in_a_tiny_folder_the_much_tinier_ones_are_named_too() -> None:
    outcome = CHECK.run(evidence_of(of_size(8, 8), *[of_size(32, 32)] * 40, usual=0))
    assert outcome.summary.endswith("; 1 photo is tiny")
    assert [len(finding.items) for finding in outcome.findings] == [0, 1]


def test_it_is_not_applicable_where_nothing_could_be_measured() -> None:
    assert CHECK.run(unmeasured()).status == "not applicable"
