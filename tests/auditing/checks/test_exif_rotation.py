from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.auditing.checks.encoding import EXIF_ROTATION as CHECK


def write(path: Path, orientation: int, seed: int = 0) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise).save(path, exif=exif)


@pytest.mark.parametrize("file", ["x.jpg", "x.png", "x.webp", "x.tif"])
def test_it_fires_on_a_photo_that_is_turned(gather, folder: Path, file: str) -> None:
    write(folder / "cat" / file, 6)
    outcome = CHECK.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "1 photo is turned by EXIF"
    (finding,) = outcome.findings
    assert finding.summary == f"cat/{file}: turned by EXIF"
    assert [(item.path, item.note) for item in finding.items] == [
        (f"cat/{file}", "stored on its side (orientation 6)")
    ]


def test_a_class_that_has_all_of_them_is_named(gather, folder: Path) -> None:
    for number in range(6):
        write(folder / "dog" / f"{number}.jpg", 3, seed=number)
    for number in range(8):
        write(folder / "cat" / f"{number}.jpg", 1, seed=20 + number)
    outcome = CHECK.run(gather(folder))
    assert outcome.summary == "6 photos are turned by EXIF; all are in dog"
    (finding,) = outcome.findings
    assert finding.summary == "dog/0.jpg, dog/1.jpg, dog/2.jpg and 3 more: turned by EXIF"
    assert {item.note for item in finding.items} == {"stored upside down (orientation 3)"}


def test_it_stays_quiet_about_upright_photos(gather, folder: Path) -> None:
    write(folder / "cat" / "x.jpg", 1)
    assert CHECK.run(gather(folder)).status == "clean"


def test_it_does_not_apply_without_a_photo(gather, tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
    assert CHECK.run(gather(tmp_path / "data")).status == "not applicable"


def test_opencv_does_what_the_remedy_says(tmp_path: Path) -> None:
    write(tmp_path / "x.jpg", 6)
    assert "OpenCV with IMREAD_UNCHANGED do not" in CHECK.remedy
    assert cv2.imread(str(tmp_path / "x.jpg"), cv2.IMREAD_UNCHANGED).shape == (24, 36, 3)
    assert cv2.imread(str(tmp_path / "x.jpg"), cv2.IMREAD_COLOR).shape == (36, 24, 3)
