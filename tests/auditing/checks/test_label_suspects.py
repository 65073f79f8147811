"""Labels that a model doubts."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

from candid.auditing.checks.labels import LABEL_SUSPECTS as CHECK
from candid.errors import DependencyError
from tests.auditing.made import make_evidence

LABELS = ["happy", "sad"] * 40


def embed(labels: list[str]) -> np.ndarray:
    axes = np.eye(16)[[int(label == "sad") for label in labels]]
    noise = np.random.default_rng(0).normal(size=(len(labels), 16))
    return (5 * axes + noise).astype(np.float32)


def test_it_fires_on_a_photo_in_the_wrong_folder() -> None:
    wrong = ["sad", *LABELS[1:]]
    outcome = CHECK.run(make_evidence(wrong, embeddings=embed(LABELS)))
    assert outcome.status == "found"
    assert outcome.summary == "1 picture may be in the wrong class"
    ((item,),) = (finding.items for finding in outcome.findings)
    assert item.path == "sad/00000.jpg"
    assert item.note.startswith("labelled sad, looks happy, 0.9")
    assert item.suggestion == "happy"


def test_copies_are_one_finding() -> None:
    wrong = ["sad", "sad", "sad", *LABELS[3:]]
    truth = ["happy", "happy", "happy", *LABELS[3:]]
    pictures = [0, 0, 0, *range(1, len(LABELS) - 2)]
    evidence = make_evidence(wrong, embeddings=embed(truth), pictures=pictures)
    (finding,) = CHECK.run(evidence).findings
    assert sorted(item.path for item in finding.items) == [f"sad/0000{i}.jpg" for i in range(3)]


def test_the_most_doubtful_come_first() -> None:
    embeddings = embed(LABELS)
    embeddings[1] = (embeddings[0] + 1.1 * embeddings[1]) / 2  # between the classes
    wrong = ["sad", "happy", *LABELS[2:]]
    findings = CHECK.run(make_evidence(wrong, embeddings=embeddings)).findings
    assert findings[0].items[0].path == "sad/00000.jpg"


def test_a_picture_in_two_classes_has_another_check() -> None:
    labels = ["sad", "happy", *LABELS[2:]]
    pictures = [0, 0, *range(1, len(LABELS) - 1)]
    truth = ["happy", "happy", *LABELS[2:]]
    outcome = CHECK.run(make_evidence(labels, embeddings=embed(truth), pictures=pictures))
    assert outcome.status == "clean"


def test_all_copies_of_a_doubted_picture_are_named() -> None:
    """Doubt that cuts through copies would suggest to tear them apart."""
    wrong = ["sad", "sad", *LABELS[2:]]
    pictures = [0, 0, *range(1, len(LABELS) - 1)]
    evidence = make_evidence(wrong, embeddings=embed(LABELS), pictures=pictures)
    told = evidence.suspicion
    assert told is not None
    only_one = np.arange(len(LABELS)) == 1
    # As if it had been cut where cleanlab cuts: after so many of the most doubtful.
    evidence.__dict__["suspicion"] = dataclasses.replace(told, doubted=only_one)
    (finding,) = CHECK.run(evidence).findings
    assert {item.path for item in finding.items} == {"sad/00000.jpg", "sad/00001.jpg"}


def test_it_does_not_apply_where_a_model_learns_nothing() -> None:
    labels = [["happy", "sad"][place] for place in np.random.default_rng(1).integers(0, 2, 80)]
    noise = np.random.default_rng(2).normal(size=(80, 16)).astype(np.float32)
    outcome = CHECK.run(make_evidence(labels, embeddings=noise))
    assert outcome.status == "not applicable"
    assert "no better than chance" in outcome.summary


def test_it_stays_quiet_where_all_is_right() -> None:
    assert CHECK.run(make_evidence(LABELS, embeddings=embed(LABELS))).status == "clean"


@pytest.mark.parametrize("labels", [["sad"] * 9, ["sad"] * 9 + ["happy"]])
def test_it_does_not_apply_without_two_classes_of_five_pictures(labels: list[str]) -> None:
    assert CHECK.run(make_evidence(labels)).status == "not applicable"


def test_a_class_of_few_pictures_is_left_out_and_the_others_judged() -> None:
    wrong = ["sad", *LABELS[1:], *["angry"] * 4]
    embeddings = embed([*LABELS, *["happy"] * 4])
    outcome = CHECK.run(make_evidence(wrong, embeddings=embeddings))
    assert [finding.items[0].path for finding in outcome.findings] == ["sad/00000.jpg"]


def test_a_class_called_drop_is_suggested_as_a_folder() -> None:
    names = {"happy": "drop", "sad": "sad"}
    wrong = [names[label] for label in ["sad", *LABELS[1:]]]
    outcome = CHECK.run(make_evidence(wrong, embeddings=embed(LABELS)))
    ((item,),) = (finding.items for finding in outcome.findings)
    assert item.suggestion == "drop/"


def test_without_cleanlab_it_raises_what_skips_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.rank", None)
    with pytest.raises(DependencyError, match="cleanlab"):
        CHECK.run(make_evidence(LABELS))
