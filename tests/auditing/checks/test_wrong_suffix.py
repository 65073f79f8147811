from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from candid.auditing.checks.files import WRONG_SUFFIX as CHECK
from candid.data.images import FORMATS, SUFFIXES

pillow_heif.register_heif_opener()

RIGHT = [
    *[(name, "JPEG") for name in ("a.jpg", "a.JPEG", "a.jpe", "a.JFIF", "a.b.jpg")],
    *[("a.png", "PNG"), ("a.apng", "PNG"), ("a.webp", "WEBP"), ("a.gif", "GIF")],
    *[("a.bmp", "BMP"), ("a.DIB", "BMP"), ("a.tif", "TIFF"), ("a.tiff", "TIFF")],
    *[("a.NEF", "TIFF"), ("a.dng", "TIFF"), ("a.avif", "AVIF"), ("a.heif", "AVIF")],
    *[("a.heic", "HEIF"), ("a.HEIF", "HEIF"), ("a.hif", "HEIF")],
]


def write(path: Path, name: str, seed: int = 9) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, name)
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


@pytest.mark.parametrize(("file", "name"), RIGHT)
def test_it_stays_quiet_about_what_is_right(gather, folder: Path, file: str, name: str) -> None:
    write(folder / "cat" / file, name)
    assert CHECK.run(gather(folder)).status == "clean"


def test_every_suffix_that_the_catalog_knows_is_right_for_something() -> None:
    from candid.auditing.checks.files import _RIGHT

    assert _RIGHT.keys() == set(FORMATS)
    assert {suffix for suffixes in _RIGHT.values() for suffix in suffixes} >= SUFFIXES


@pytest.mark.parametrize(
    ("file", "name", "told"),
    [
        ("a.jpg", "PNG", "1 file named .jpg, but PNG by content: cat/a.jpg"),
        ("a.PNG", "JPEG", "1 file named .png, but JPEG by content: cat/a.PNG"),
        ("a", "JPEG", "1 file without a suffix, but JPEG by content: cat/a"),
        ("a.", "JPEG", "1 file without a suffix, but JPEG by content: cat/a."),
        (
            "Dr. Who at home",
            "GIF",
            "1 file without a suffix, but GIF by content: cat/Dr. Who at home",
        ),
        ("a.heic", "AVIF", "1 file named .heic, but AVIF by content: cat/a.heic"),
        ("a.jpg_large", "JPEG", "1 file without a suffix, but JPEG by content: cat/a.jpg_large"),
        ("a.bak", "BMP", "1 file named .bak, but BMP by content: cat/a.bak"),
    ],
)
def test_it_fires_where_a_suffix_lies_or_lacks(
    gather, folder: Path, file: str, name: str, told: str
) -> None:
    write(folder / "cat" / file, name)
    outcome = CHECK.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "1 file is not what the suffix says"
    assert [finding.summary for finding in outcome.findings] == [told]
    assert outcome.findings[0].items[0].path == f"cat/{file}"


def test_files_of_one_lie_are_one_finding(gather, folder: Path) -> None:
    for number in range(6):
        write(folder / "dog" / f"{number}.jpg", "PNG", seed=number)
    write(folder / "cat" / "x.gif", "PNG")
    outcome = CHECK.run(gather(folder))
    assert outcome.summary == "7 files are not what the suffix says"
    many, one = outcome.findings
    assert many.summary == (
        "6 files named .jpg, but PNG by content: dog/0.jpg, dog/1.jpg, dog/2.jpg and 3 more"
    )
    assert many.items[0].note == "PNG, named .jpg; .png would be right"
    assert len(one.items) == 1


def test_a_truncated_file_lies_too_but_not_an_unreadable_one(gather, folder: Path) -> None:
    data = write(folder / "cat" / "cut.jpg", "PNG")
    (folder / "cat" / "cut.jpg").write_bytes(data[:-300])
    damaged = bytearray(data)
    damaged[damaged.index(b"IDAT") + 10] ^= 255
    (folder / "dog" / "damaged.jpg").write_bytes(damaged)
    (folder / "dog" / "text.jpg").write_bytes(b"Not found")
    (finding,) = CHECK.run(gather(folder)).findings
    assert [item.path for item in finding.items] == ["cat/cut.jpg"]


def test_it_does_not_apply_where_no_file_could_be_identified(gather, tmp_path: Path) -> None:
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
    outcome = CHECK.run(gather(tmp_path / "data"))
    assert outcome.status == "not applicable"
    assert outcome.summary == "no file says what it is"
