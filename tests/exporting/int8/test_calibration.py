"""Which photos an int8 export is calibrated with."""

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from candid.errors import DataError
from candid.exporting.export import open_source
from candid.exporting.int8.calibration import read_calibration
from candid.splits.split import Row, Split


@pytest.fixture
def read_labels(monkeypatch):
    """The labels of the photos that were read; no file is needed."""
    labels = []

    def read(_folder, row, _contract):
        labels.append(row.label)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr("candid.exporting.int8.calibration._decode_unchanged", read)
    return labels


def make_split(labels, *others):
    """A split with training photos of these labels, whose hashes have another order."""
    hashes = [sha256(str(number).encode()).hexdigest() for number in range(len(labels))]
    rows = [Row(c, label, "train", "", c) for c, label in zip(hashes, labels, strict=True)]
    return Split((*rows, *others), ())


def test_photos_are_balanced_over_the_classes(trained, read_labels, monkeypatch):
    monkeypatch.setattr("candid.exporting.int8.calibration.MAX_PHOTOS", 10)
    split = make_split(["a"] * 30 + ["b"] * 2 + ["c"] * 30, Row("x", "a", "test", "", "x"))
    again = replace(split.rows[0], path="copy")
    split = replace(split, rows=(*split.rows, again))
    assert len(read_calibration(open_source(trained.folder), split)) == 10
    assert [read_labels.count(name) for name in "abc"] == [4, 2, 4]


def test_more_classes_than_photos_are_sampled_over_the_whole_alphabet(trained, read_labels):
    names = [f"{number:03}" for number in range(300)]
    read_calibration(open_source(trained.folder), make_split(sorted(names * 2)))
    assert len(read_labels) == len(set(read_labels)) == 100
    for third in (names[:100], names[100:200], names[200:]):
        assert 20 <= len(set(third) & set(read_labels)) <= 46


def test_an_error_on_too_few_photos_suggests_training_with_more(trained, read_labels):
    remedy = r"the run has 5\. Export without --int8, or train with more\.$"
    with pytest.raises(DataError, match=remedy):
        read_calibration(open_source(trained.folder), make_split(["a"] * 5))
    assert len(read_labels) == 5
