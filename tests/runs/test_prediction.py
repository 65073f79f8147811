"""The values of a prediction, as Python objects and as JSON."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict, replace

from candid.runs.prediction import Prediction


def test_the_positive_probability_is_that_of_the_second_of_two_classes() -> None:
    given = Prediction("a.jpg", "cat", 0.9, {"cat": 0.9, "dog": 0.1})
    assert given.positive_probability == 0.1
    assert given.to_json()["positive_probability"] == 0.1


def test_with_more_classes_there_is_no_positive_one() -> None:
    given = Prediction("a.jpg", "cat", 0.5, {"cat": 0.5, "dog": 0.3, "eel": 0.2})
    assert given.positive_probability is None
    assert given.to_json()["positive_probability"] is None


def test_a_file_that_can_not_be_read_has_a_verdict_and_no_numbers() -> None:
    given = Prediction.unreadable("a.jpg", "empty file")
    assert given.to_json() == {
        "path": "a.jpg",
        "answer": "unreadable",
        "label": None,
        "probability": None,
        "positive_probability": None,
        "probabilities": {},
        "verdict": "unreadable",
        "possible": [],
        "familiarity": None,
        "reason": "empty file",
    }


def test_the_thumbnail_is_no_part_of_the_values() -> None:
    given = Prediction("", "cat", 0.9, {"cat": 0.9, "dog": 0.1})
    named = given.of("a.jpg", b"a JPEG")
    assert named == replace(given, source="a.jpg")
    assert pickle.loads(pickle.dumps(named)).thumbnail == named.thumbnail == b"a JPEG"
    assert json.loads(json.dumps(asdict(named)))["source"] == "a.jpg"
    assert given.thumbnail == b""


def test_a_class_called_like_a_verdict_is_told_from_it() -> None:
    for name in ("sure", "uncertain", "unknown", "unreadable"):
        given = Prediction("a.jpg", name, 0.9, {"a": 0.1, name: 0.9}, verdict="sure")
        assert (given.answer, given.label, given.verdict) == (name, name, "sure")
