"""Checks of the class names."""

from __future__ import annotations

import string

import pytest

from candid.auditing.checks.names import MISREAD_NAMES, SIMILAR_NAMES, find_similar
from tests.auditing.made import make_evidence

ALIKE = [
    ("Cloudy", "cloudy"),
    ("hot dog", "hot_dog"),
    ("hot-dog", "hotdog"),
    ("cat ", "cat"),
    ("cats", "cat"),
    ("boxes", "box"),
    ("strawberries", "strawberry"),
    ("Hot_Dogs", "hot dog"),
    ("façade", "facade"),
    ("cafe\u0301", "café"),
    ("ｃａｔ", "cat"),
    ("m²", "m2"),
    ("1", "01"),
    ("class1", "Class_01"),
    ("cloudy", "cloudi"),
    ("daffodil", "dafodil"),
    ("sunrise", "sunrsie"),
    ("sunrise", "sunris"),
    ("sunrise", "sunrize"),
    ("golden_retriever", "golden retreiver"),
]


DIFFERENT = [
    ("class1", "class2"),
    ("day1", "day11"),
    ("1.0", "10"),
    ("1-2", "12"),
    ("5", "-5"),
    ("cat", "car"),
    ("male", "female"),
    ("left", "right"),
    ("left_eye", "right_eye"),
    ("happy", "unhappy"),
    ("typical", "atypical"),
    ("benign", "malign"),
    ("mask", "no mask"),
    ("type A", "type B"),
    ("classa", "classb"),
    ("sectiona", "sectionb"),
    ("from", "form"),
    ("grade I", "grade II"),
    ("gradeI", "gradeII"),
    ("A", "a"),
    ("e", "é"),
    ("c++", "c#"),
    ("glass", "grass"),
    ("horse", "house"),
    ("castle", "cattle"),
    ("plane", "planet"),
    ("bus", "bush"),
    ("man", "woman"),
    ("car", "cars2"),
]


class TestSimilarNames:
    @pytest.mark.parametrize("names", ALIKE)
    def test_spellings_of_one_name_are_alike(self, names: tuple[str, str]) -> None:
        assert set(find_similar(names)) == {(0, 1)}
        assert set(find_similar(names[::-1])) == {(0, 1)}

    @pytest.mark.parametrize("names", DIFFERENT)
    def test_names_of_two_things_are_not(self, names: tuple[str, str]) -> None:
        assert not set(find_similar(names))

    def test_letters_and_numbers_are_classes_of_their_own(self) -> None:
        names = (*string.ascii_letters, *map(str, range(200)), *(f"{i}.bird" for i in range(200)))
        assert not set(find_similar(names))

    def test_it_names_the_classes_with_their_photos(self) -> None:
        outcome = SIMILAR_NAMES.run(make_evidence(["cloudy"] * 3 + ["Cloudy", "rain"]))
        assert outcome.summary == "1 class looks spelled in more than one way"
        assert [finding.summary for finding in outcome.findings] == [
            "Cloudy (1 photo) and cloudy (3 photos) look like the same class"
        ]

    def test_three_spellings_are_one_finding(self) -> None:
        outcome = SIMILAR_NAMES.run(make_evidence(["cloudy", "cloudi", "Cloudi", "rain", "rains"]))
        assert outcome.summary == "2 classes look spelled in more than one way"
        assert len(outcome.findings) == 2

    def test_it_stays_quiet_on_different_names(self) -> None:
        assert (
            SIMILAR_NAMES.run(make_evidence(["cloud", "rain", "shine", "sunrise"])).status
            == "clean"
        )

    def test_it_is_not_applicable_to_one_class(self) -> None:
        assert SIMILAR_NAMES.run(make_evidence(["cloud"])).status == "not applicable"


class TestMisreadNames:
    def test_it_names_each_class_and_the_reason(self) -> None:
        labels = ["Unknown", "a|b", "=1+1", "happy", "-5"]
        outcome = MISREAD_NAMES.run(make_evidence(labels))
        assert outcome.summary == "3 classes have names that are easily misread in answers"
        assert [finding.summary for finding in outcome.findings] == [
            "=1+1 is a formula to a spreadsheet",
            "Unknown is the name of a verdict too",
            "a|b has a character that CSV escapes (| or \\)",
        ]

    def test_it_stays_quiet_on_other_names(self) -> None:
        labels = ["unknown kind", "not sure", "a-b", "C++", "5", "p:happy"]
        assert MISREAD_NAMES.run(make_evidence(labels)).status == "clean"

    def test_one_class_is_told_in_the_singular(self) -> None:
        outcome = MISREAD_NAMES.run(make_evidence(["happy", "unreadable"]))
        assert outcome.summary == "1 class has a name that is easily misread in answers"
