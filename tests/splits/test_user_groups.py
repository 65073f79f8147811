"""Counting groups of photos."""

from __future__ import annotations

from candid.data.catalog import Photo
from candid.splits.user_groups import count_groups


def test_groups_are_counted_by_class_and_photos_without_one_are_ones_of_their_own() -> None:
    photos = [Photo(f"{label}/{n}.jpg", label, f"{n}") for label in "ab" for n in range(4)]
    group_by = {"a/0.jpg": "x", "a/1.jpg": "x", "b/0.jpg": "x", "a/2.jpg": "a/3.jpg"}
    assert count_groups(photos, group_by) == {"a": 3, "b": 4}
    assert count_groups([], group_by) == {}
