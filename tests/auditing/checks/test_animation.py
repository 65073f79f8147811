from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candid.auditing.checks.encoding import ANIMATION as CHECK


def write(path: Path, num_frames: int) -> None:
    noise = np.random.default_rng(7).integers(0, 256, (num_frames, 24, 24, 3), dtype=np.uint8)
    first, *others = [Image.fromarray(frame) for frame in noise]
    if others:
        first.save(path, save_all=True, append_images=others)
    else:
        first.save(path)


@pytest.mark.parametrize(
    ("file", "note"),
    [
        ("a.gif", "3 frames; the first is used"),
        ("a.png", "3 frames; the first is used"),
        ("a.webp", "3 frames; the first is used"),
        ("a.avif", "3 frames; the first is used"),
        ("a.tif", "3 pages; the first is used"),
    ],
)
def test_it_fires_on_several_frames(gather, folder: Path, file: str, note: str) -> None:
    write(folder / "cat" / f"moving {file}", 3)
    outcome = CHECK.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "1 file has more than one frame; only the first is used"
    (finding,) = outcome.findings
    assert finding.summary == f"cat/moving {file}: more than one frame"
    assert [(item.path, item.note) for item in finding.items] == [(f"cat/moving {file}", note)]


@pytest.mark.parametrize("file", ["a.gif", "a.webp", "a.avif", "a.tif"])
def test_it_stays_quiet_about_one_frame(gather, folder: Path, file: str) -> None:
    write(folder / "cat" / file, 1)
    assert CHECK.run(gather(folder)).status == "clean"


def test_a_truncated_animation_is_left_to_another_check(gather, folder: Path) -> None:
    write(folder / "cat" / "x.png", 3)
    data = (folder / "cat" / "x.png").read_bytes()
    (folder / "cat" / "x.png").write_bytes(data[: data.index(b"IDAT") + 300])
    assert CHECK.run(gather(folder)).status == "clean"


def test_it_does_not_apply_without_a_photo(gather, tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
    assert CHECK.run(gather(tmp_path / "data")).status == "not applicable"
