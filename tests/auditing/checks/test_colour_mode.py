from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from candid.auditing.checks.encoding import COLOUR_MODE as CHECK


def write(path: Path, mode: str, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    if mode.endswith(";16"):
        channels = {"I;16": 1, "RGB;16": 3, "RGBA;16": 4}[mode]
        deep = np.random.default_rng(seed).integers(0, 65536, (24, 24, channels), dtype=np.uint16)
        cv2.imwrite(str(path), deep)
    else:
        Image.fromarray(noise).convert(mode).save(path)


@pytest.mark.parametrize(
    ("file", "mode", "told"),
    [
        ("x.png", "RGBA", "with transparency, laid over white"),
        ("x.png", "P", "with a palette"),
        ("x.gif", "P", "with a palette"),
        ("x.jpg", "CMYK", "in the colours of print, converted without a colour profile"),
        ("x.jpg", "L", "in grey, others in colour"),
        ("x.png", "LA", "in grey with transparency, laid over white"),
        ("x.png", "1", "in black and white"),
        ("x.tif", "YCbCr", "in YCbCr"),
        ("x.png", "I;16", "in grey of 16 bits, of which 8 are kept"),
        ("x.png", "RGB;16", "in colour of 16 bits, of which 8 are kept"),
        ("x.tif", "RGB;16", "in colour of 16 bits, of which 8 are kept"),
    ],
)
def test_it_names_what_is_converted(gather, folder: Path, file: str, mode: str, told: str) -> None:
    write(folder / "cat" / file, mode)
    outcome = CHECK.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "1 photo is converted to 8-bit colour"
    (finding,) = outcome.findings
    assert finding.summary == f"1 photo stored {told}: cat/{file}"
    assert [(item.path, item.note) for item in finding.items] == [
        (f"cat/{file}", f"stored as {mode}")
    ]


def test_there_is_a_finding_a_mode_the_most_frequent_first(gather, folder: Path) -> None:
    write(folder / "cat" / "grey.png", "L")
    for number in range(3):
        write(folder / "dog" / f"{number}.png", "RGBA", seed=number)
    outcome = CHECK.run(gather(folder))
    assert outcome.summary == "4 photos are converted to 8-bit colour"
    assert [len(finding.items) for finding in outcome.findings] == [3, 1]


def test_a_mode_that_one_class_has_alone_is_said_to_be(gather, folder: Path) -> None:
    for number in range(8):
        write(folder / "dog" / f"{number}.png", "L", seed=number)
        write(folder / "cat" / f"{number}.png", "RGB", seed=20 + number)
    (finding,) = CHECK.run(gather(folder)).findings
    assert finding.summary == (
        "8 photos stored in grey, others in colour: dog/0.png, dog/1.png, dog/2.png and 5 more; "
        "all are in dog"
    )


def test_a_mode_that_both_classes_have_is_not(gather, folder: Path) -> None:
    for number in range(8):
        write(folder / "dog" / f"{number}.png", "L", seed=number)
        write(folder / "cat" / f"{number}.png", "L", seed=20 + number)
    (finding,) = CHECK.run(gather(folder)).findings
    assert finding.summary.endswith("and 13 more")


def test_it_stays_quiet_about_plain_colour(gather, folder: Path) -> None:
    write(folder / "cat" / "x.jpg", "RGB")
    assert CHECK.run(gather(folder)).status == "clean"


def test_it_stays_quiet_where_all_are_grey(gather, tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / "data" / "cat" / f"{number}.png", "L", seed=number)
    assert CHECK.run(gather(tmp_path / "data")).status == "clean"
    write(tmp_path / "data" / "cat" / "deep.png", "I;16")
    (finding,) = CHECK.run(gather(tmp_path / "data")).findings
    assert [item.path for item in finding.items] == ["cat/deep.png"]


def test_it_does_not_apply_without_a_photo(gather, tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
    assert CHECK.run(gather(tmp_path / "data")).status == "not applicable"
