from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candid.auditing.checks.files import TRUNCATED as CHECK


def jpeg(**options: object) -> bytes:
    """Noise, so that all rows take equally many bytes."""
    noise = np.random.default_rng(0).integers(0, 256, (640, 96, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def notes_of(outcome) -> dict[str, str]:
    return {item.path: item.note for finding in outcome.findings for item in finding.items}


def test_it_says_how_much_can_be_decoded(gather, folder: Path) -> None:
    (folder / "cat" / "cut.jpg").write_bytes(cut(jpeg(), 0.615))
    (folder / "dog" / "cut.png").write_bytes(cut((folder / "dog" / "a.png").read_bytes(), 0.6))
    outcome = CHECK.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "2 files are cut off, and left out"
    notes = notes_of(outcome)
    assert notes["cat/cut.jpg"] in [f"the upper {n} % can be decoded" for n in (59, 60, 61)]
    assert notes["dog/cut.png"] == "no part of it can be decoded"
    (finding,) = outcome.findings
    assert finding.summary == "cat/cut.jpg and dog/cut.png: cut off"


def test_what_is_stored_upside_down_has_no_upper_part(gather, folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    (folder / "cat" / "cut.jpg").write_bytes(cut(jpeg(exif=exif), 0.615))
    note = notes_of(CHECK.run(gather(folder)))["cat/cut.jpg"]
    assert note.endswith("% of it can be decoded")
    assert "upper" not in note


def test_a_progressive_file_may_be_whole_but_coarse(gather, folder: Path) -> None:
    (folder / "cat" / "cut.jpg").write_bytes(cut(jpeg(progressive=True), 0.9))
    note = notes_of(CHECK.run(gather(folder)))["cat/cut.jpg"]
    assert note == "all of it can be decoded, but only coarsely"


@pytest.mark.parametrize("share", [0.0, 0.005, 0.5])
def test_copies_of_a_truncated_file_are_all_named(gather, folder: Path, share: float) -> None:
    data = cut(jpeg(), 0.1 + share)
    for name in ("cat/one.jpg", "dog/two.jpg"):
        (folder / name).write_bytes(data)
    assert notes_of(CHECK.run(gather(folder))).keys() == {"cat/one.jpg", "dog/two.jpg"}


def test_a_file_of_which_no_header_is_left_is_named_too(gather, folder: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "WEBP", lossless=True)
    (folder / "cat" / "cut.webp").write_bytes(buffer.getvalue()[:-3])
    assert notes_of(CHECK.run(gather(folder))) == {"cat/cut.webp": "no part of it can be decoded"}


def test_it_stays_quiet_about_whole_and_about_otherwise_broken_files(gather, folder: Path) -> None:
    (folder / "cat" / "whole.jpg").write_bytes(jpeg())
    (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
    assert CHECK.run(gather(folder)).status == "clean"
