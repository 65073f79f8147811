"""Embedded thumbnails."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.core.cache import Cache
from candid.core.hashing import hash_file
from candid.reporting.pages import file_previews, make_thumbnails


def test_each_file_is_encoded_once() -> None:
    encoded: list[str] = []
    jpeg = bytes(cv2.imencode(".jpg", np.zeros((120, 160, 3), np.uint8))[1])

    def previews(paths: Iterable[str]) -> dict[str, bytes]:
        encoded.extend(paths)
        return {path: jpeg for path in paths if path != "broken"}

    made = make_thumbnails(["a", "b", "a", "broken"], previews)
    assert sorted(encoded) == ["a", "b", "broken"]
    assert set(made) == {"a", "b"}
    assert (made["a"].width_px, made["a"].height_px) == (160, 120)
    assert made["a"].source.startswith("data:image/jpeg;base64,")


def test_a_preview_is_a_small_jpeg_of_the_same_shape(tmp_path: Path) -> None:
    pixels = np.full((300, 600, 3), (0, 0, 255), np.uint8)
    (tmp_path / "red.png").write_bytes(bytes(cv2.imencode(".png", pixels)[1]))
    data = file_previews(tmp_path.joinpath)(["red.png"])["red.png"]
    small = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert small.shape == (80, 160, 3)
    assert np.abs(small.reshape(-1, 3).mean(axis=0) - (0, 0, 255)).max() < 5


def test_a_truncated_file_has_a_preview(tmp_path: Path) -> None:
    whole = bytes(
        cv2.imencode(
            ".jpg",
            cv2.resize(
                np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8), (300, 300)
            ),
        )[1]
    )
    (tmp_path / "part.jpg").write_bytes(whole[: len(whole) // 2])
    assert "part.jpg" in file_previews(tmp_path.joinpath)(["part.jpg"])


@pytest.mark.parametrize("name", ["missing.jpg", "text.jpg", "", "a\0b"])
def test_a_file_that_can_not_be_decoded_has_no_preview(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    assert file_previews(tmp_path.joinpath)([name]) == {}


def test_a_preview_is_made_once_per_content(tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(bytes(cv2.imencode(".png", np.zeros((30, 60, 3), np.uint8))[1]))
    content = hash_file(photo)
    with Cache(tmp_path / "cache") as cache:
        previews = file_previews(tmp_path.joinpath, cache=cache, contents={"a.png": content})
        made = previews(["a.png"])
        photo.unlink()
        assert previews(["a.png"]) == made != {}
        small = file_previews(
            tmp_path.joinpath, size_px=20, cache=cache, contents={"a.png": content}
        )
        assert small(["a.png"]) == {}  # another size is another picture


def test_a_photo_that_changed_is_not_kept_as_the_picture_of_its_old_content(tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(bytes(cv2.imencode(".png", np.zeros((30, 60, 3), np.uint8))[1]))
    with Cache(tmp_path / "cache") as cache:
        previews = file_previews(tmp_path.joinpath, cache=cache, contents={"a.png": "0" * 64})
        assert previews(["a.png"]).keys() == {"a.png"}
        photo.unlink()
        assert previews(["a.png"]) == {}
