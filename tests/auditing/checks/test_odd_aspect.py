"""Photos of an odd shape."""

from __future__ import annotations

import pytest

from candid.auditing.checks.encoding import ODD_ASPECT as CHECK
from tests.auditing.checks.photos import evidence_of, of_size, unmeasured


def test_it_finds_wide_and_high_photos_the_oddest_first() -> None:
    outcome = CHECK.run(evidence_of(of_size(900, 300), of_size(200, 1000)))
    assert outcome.summary == "2 photos are of an odd shape"
    assert [finding.summary for finding in outcome.findings] == [
        "a/00001.jpg: 200×1000 px, 5.0 to 1",
        "a/00000.jpg: 900×300 px, 3.0 to 1",
    ]


@pytest.mark.parametrize("size", [(500, 500), (1600, 900), (1000, 350), (350, 1000)])
def test_it_stays_quiet_on_usual_shapes(size: tuple[int, int]) -> None:
    assert CHECK.run(evidence_of(of_size(*size))).status == "clean"


def test_a_folder_of_panoramas_is_one_line() -> None:
    outcome = CHECK.run(evidence_of(*[of_size(900, 200)] * 40, usual=5))
    assert outcome.summary == "most photos are of an odd shape (40 of 50)"
    assert [finding.items for finding in outcome.findings] == [()]


def test_it_is_not_applicable_where_nothing_could_be_measured() -> None:
    assert CHECK.run(unmeasured()).status == "not applicable"
