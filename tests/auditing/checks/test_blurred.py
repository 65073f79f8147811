"""Photos that are blurred all over."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.auditing.checks.quality import BLURRED as CHECK
from candid.auditing.checks.quality import MAX_STEEPNESS, steepness
from tests.auditing.checks.photos import unmeasured
from tests.auditing.conftest import Gather


def scene(seed: int, *, side: int = 256, contrast: float = 1.0) -> np.ndarray:
    """Shapes with sharp edges before a smooth sky."""
    rng = np.random.default_rng(seed)
    sky = rng.integers(90, 160, (3, 3, 3)).astype(np.float32)
    picture = cv2.resize(sky, (side, side), interpolation=cv2.INTER_CUBIC)
    for _ in range(4):
        centre = rng.integers(side // 5, side - side // 5, 2).tolist()
        shade = rng.choice([0, 40, 220, 255], 3).tolist()
        cv2.circle(picture, centre, int(rng.integers(side // 12, side // 6)), shade, -1)
    mean = picture.mean()
    return np.clip(mean + contrast * (picture - mean), 0, 255).astype(np.uint8)


def blur(picture: np.ndarray, share: float) -> np.ndarray:
    """Blur by a Gaussian of a share of the side."""
    return cv2.GaussianBlur(picture, (0, 0), share * picture.shape[0])


def small(picture: np.ndarray) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA)[None]


def write(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    for name, picture in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), picture)
    return folder


def test_it_finds_the_blurred_one_among_sharp_ones(gather: Gather, tmp_path: Path) -> None:
    pictures = {f"{'ab'[i % 2]}/{i}.png": scene(i) for i in range(8)}
    pictures["a/blurred.png"] = blur(scene(9), 0.03)
    outcome = CHECK.run(gather(write(tmp_path, pictures)))
    assert outcome.summary == "1 photo is blurred"
    assert [item.path for item in outcome.findings[0].items] == ["a/blurred.png"]
    assert outcome.findings[0].items[0].note.startswith("no edge is sharp")


def test_it_stays_quiet_on_sharp_ones(gather: Gather, tmp_path: Path) -> None:
    pictures = {f"{'ab'[i % 2]}/{i}.png": scene(i) for i in range(6)}
    assert CHECK.run(gather(write(tmp_path, pictures))).status == "clean"


def test_blank_and_tiny_pictures_are_left_to_their_checks(gather: Gather, tmp_path: Path) -> None:
    blank = np.full((200, 200, 3), 128, np.uint8)
    pictures = {"a/blank.png": blank, "a/tiny.png": scene(1, side=24), "b/sharp.png": scene(2)}
    assert CHECK.run(gather(write(tmp_path, pictures))).status == "clean"


def test_it_is_not_applicable_to_pictures_smaller_than_the_thumbnail(
    gather: Gather, tmp_path: Path
) -> None:
    pictures = {"a/1.png": scene(1, side=32), "b/2.png": scene(2, side=32)}
    outcome = CHECK.run(gather(write(tmp_path, pictures)))
    assert outcome.status == "not applicable"
    assert "64 px" in outcome.summary


def test_it_is_not_applicable_where_nothing_could_be_measured() -> None:
    outcome = CHECK.run(unmeasured())
    assert outcome.status == "not applicable"
    assert "could be judged" in outcome.summary


@pytest.mark.parametrize("seed", range(5))
def test_the_wider_the_blur_the_less_steep_are_the_edges(seed: int) -> None:
    values = [float(steepness(small(blur(scene(seed), s)))[0]) for s in (0.001, 0.01, 0.02, 0.04)]
    assert values == sorted(values, reverse=True)
    assert values[0] > MAX_STEEPNESS > values[-1]


def test_low_contrast_is_no_blur() -> None:
    (full,), (faint,) = steepness(small(scene(3))), steepness(small(scene(3, contrast=0.3)))
    assert faint == pytest.approx(full, rel=0.15)


def test_a_sharp_face_before_a_blurred_background_is_not_blurred() -> None:
    picture = blur(scene(4), 0.05)
    picture[90:160, 90:160] = scene(5)[90:160, 90:160]
    assert steepness(small(picture))[0] > MAX_STEEPNESS
