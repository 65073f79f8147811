"""The random split deals photos one by one, and leaves out what is out."""

from __future__ import annotations

from collections import Counter

from candid.splits.split import Row, Split
from candid.training.cnn import random_split


def dealt(num_groups: int = 40, copies: int = 3) -> Split:
    rows = [
        Row(f"{label}/{group}-{copy}.jpg", label, "train", f"{label}{group}", f"{group}:{copy}")
        for label in ("a", "b")
        for group in range(num_groups)
        for copy in range(copies)
    ]
    return Split((*rows, Row("a/out.jpg", "a", "", "", "x")), ())


def test_the_shares_are_those_of_every_class() -> None:
    rows = random_split(dealt(), seed=0).rows
    for label in ("a", "b"):
        counts = Counter(row.part for row in rows if row.label == label and row.part)
        assert counts == {"train": 84, "val": 24, "test": 12}


def test_copies_are_torn_apart() -> None:
    parts: dict[str, set[str]] = {}
    for row in random_split(dealt(), seed=0).rows:
        parts.setdefault(row.group, set()).add(row.part)
    assert sum(len(found) > 1 for found in parts.values()) > 20


def test_what_is_in_no_part_stays_out_and_nothing_else_changes() -> None:
    before = dealt()
    after = random_split(before, seed=0)
    assert after.rows[-1] == before.rows[-1]
    assert [row.path for row in after.rows] == [row.path for row in before.rows]


def test_another_seed_is_another_deal() -> None:
    first, again, other = (random_split(dealt(), seed=seed) for seed in (0, 0, 1))
    assert first == again != other
