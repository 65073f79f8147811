"""Which photos an export in eight bits is calibrated with."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from candid.errors import DataError
from candid.exporting.export import open_source
from candid.exporting.int8.calibration import read_calibration
from candid.splits.split import Row, Split


@pytest.fixture
def taken(monkeypatch):
    """The labels of the photos that were read, which need not be there."""
    labels = []

    def read(_folder, row, _contract):
        labels.append(row.label)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr("candid.exporting.int8.calibration.read_unchanged", read)
    return labels


def deal(labels, *others):
    """Training photos of these labels, in an order of contents that is not theirs."""
    hashes = [sha256(str(number).encode()).hexdigest() for number in range(len(labels))]
    rows = [Row(c, label, "train", "", c) for c, label in zip(hashes, labels, strict=True)]
    return Split((*rows, *others), ())


def test_each_class_gives_as_many_photos_as_it_can(trained, taken, monkeypatch):
    monkeypatch.setattr("candid.exporting.int8.calibration.MOST_PHOTOS", 10)
    dealt = deal(["a"] * 30 + ["b"] * 2 + ["c"] * 30, Row("x", "a", "test", "", "x"))
    again = replace(dealt.rows[0], path="copy")
    dealt = replace(dealt, rows=(*dealt.rows, again))
    assert len(read_calibration(open_source(trained.folder), dealt)) == 10
    assert [taken.count(name) for name in "abc"] == [4, 2, 4]


def test_of_many_classes_those_at_the_end_of_the_alphabet_are_seen_too(trained, taken):
    names = [f"{number:03}" for number in range(300)]
    read_calibration(open_source(trained.folder), deal(sorted(names * 2)))
    assert len(taken) == len(set(taken)) == 100
    for third in (names[:100], names[100:200], names[200:]):
        assert 20 <= len(set(third) & set(taken)) <= 46


def test_a_run_of_few_photos_is_not_asked_to_bring_any_back(trained, taken):
    remedy = r"the run has 5\. Export without --int8, or train with more\.$"
    with pytest.raises(DataError, match=remedy):
        read_calibration(open_source(trained.folder), deal(["a"] * 5))
    assert len(taken) == 5
