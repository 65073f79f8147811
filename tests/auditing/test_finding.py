"""How checks of single photos report."""

from __future__ import annotations

import dataclasses

from candid.auditing.checks.quality import DARK
from candid.auditing.finding import FlaggedPhoto, name_dominant_class, report_photos
from tests.auditing.made import PROPERTIES, make_evidence


def flagged(*indices: int) -> list[FlaggedPhoto]:
    return [FlaggedPhoto(index, f"note {index}", rank=index) for index in indices]


def test_the_summary_of_one_photo_is_singular() -> None:
    outcome = report_photos(make_evidence("ab"), flagged(1), num_judged=2, what="odd")
    assert (outcome.status, outcome.summary) == ("found", "1 photo is odd")


def test_several_are_sorted_by_rank() -> None:
    outcome = report_photos(
        make_evidence("aab"), flagged(0, 2), num_judged=3, what="odd", suggestion="drop"
    )
    assert outcome.summary == "2 photos are odd"
    assert [finding.summary for finding in outcome.findings] == [
        "b/00002.jpg: note 2",
        "a/00000.jpg: note 0",
    ]
    assert {item.suggestion for finding in outcome.findings for item in finding.items} == {"drop"}


def test_copies_of_a_picture_are_one_finding() -> None:
    evidence = make_evidence("aab", pictures=[0, 1, 0])
    (finding,) = report_photos(evidence, flagged(0, 2), num_judged=3, what="odd").findings
    assert [item.path for item in finding.items] == ["b/00002.jpg", "a/00000.jpg"]


def test_no_flagged_photo_is_clean() -> None:
    assert report_photos(make_evidence("ab"), [], num_judged=2, what="odd").status == "clean"


NOBODY = "no photo could be judged: none could be measured, or all are blank"


def test_without_photos_to_judge_it_is_not_applicable() -> None:
    outcome = report_photos(make_evidence("ab"), [], num_judged=0, what="odd")
    assert (outcome.status, outcome.summary) == ("not applicable", NOBODY)


def test_most_photos_flagged_is_one_finding_without_files() -> None:
    evidence = make_evidence("ab" * 15)
    outcome = report_photos(evidence, flagged(*range(16)), num_judged=30, what="odd")
    (finding,) = outcome.findings
    assert finding.items == ()
    assert outcome.summary == "most photos are odd (16 of 30)"
    half = report_photos(evidence, flagged(*range(15)), num_judged=30, what="odd")
    assert len(half.findings) == 15


def test_most_photos_flagged_are_listed_unless_it_may_be_usual() -> None:
    evidence = make_evidence("ab" * 15)
    outcome = report_photos(
        evidence, flagged(*range(30)), num_judged=30, what="blank", may_be_usual=False
    )
    assert len(outcome.findings) == 30


def test_the_class_with_nearly_all_is_named() -> None:
    evidence = make_evidence("a" * 40 + "b" * 40)
    outcome = report_photos(evidence, flagged(0, 1, 2, 3, 40), num_judged=80, what="odd")
    assert outcome.summary == "5 photos are odd; 4 of 5 are in a"
    assert name_dominant_class(evidence, [0, 1, 2, 3, 4]) == "; all are in a"


def test_no_class_is_named_where_few_are_or_many_share() -> None:
    evidence = make_evidence("a" * 40 + "b" * 40)
    assert name_dominant_class(evidence, [0, 1, 2, 3]) == ""
    assert name_dominant_class(evidence, [0, 1, 2, 40, 41]) == ""
    thirds = make_evidence("a" * 30 + "b" * 30 + "c" * 30)
    assert name_dominant_class(thirds, [0, 1, 2, 30, 60]) == ""


def test_the_class_that_has_most_photos_anyway_is_not_named() -> None:
    assert name_dominant_class(make_evidence("a" * 90 + "b" * 10), [0, 1, 2, 3, 99]) == ""
    assert name_dominant_class(make_evidence("a" * 20), [0, 1, 2, 3, 4]) == ""


def test_photos_without_properties_are_not_judged() -> None:
    blind = dataclasses.replace(PROPERTIES, pixels=None)
    evidence = make_evidence("ab", properties=[blind, PROPERTIES])
    assert [index for index, _ in evidence.measured()] == [0, 1]
    assert DARK.run(make_evidence("ab", properties=[blind] * 2)).status == "not applicable"
    gone = dataclasses.replace(evidence, properties={})
    assert list(gone.measured()) == []
