"""What all checks share."""

from __future__ import annotations

import numpy as np

from tests.auditing.made import make_evidence


def test_typical_photos_are_nearest_to_the_mean_one_of_a_picture_and_of_one_class() -> None:
    angles = np.radians([0, 0, 5, 10, 60, 90, 95, 150, 0])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    evidence = make_evidence(
        ["a"] * 5 + ["b"] * 3 + ["b"],
        embeddings=embeddings * np.arange(1, 10, dtype=np.float32)[:, None],
        pictures=[0, 0, 1, 2, 3, 4, 5, 6, 3],  # 1 is a copy of 0; picture 3 is in both classes
    )
    assert evidence.typical(2) == {
        "a": ("a/00002.jpg", "a/00000.jpg"),
        "b": ("b/00006.jpg", "b/00005.jpg"),
    }
    assert evidence.typical(9)["a"] == ("a/00002.jpg", "a/00000.jpg", "a/00003.jpg")
