"""Checks of files."""

from __future__ import annotations

import io
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from candid.auditing.checks.files import OTHER_FILES, TRUNCATED, UNREADABLE, WRONG_SUFFIX, kind_of
from candid.data.catalog import DROPPED, OUTSIDE, Skipped
from candid.data.images import FORMATS, SUFFIXES
from candid.data.scan import scan


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


pillow_heif.register_heif_opener()


RIGHT = [
    *[(name, "JPEG") for name in ("a.jpg", "a.JPEG", "a.jpe", "a.JFIF", "a.b.jpg")],
    *[("a.png", "PNG"), ("a.apng", "PNG"), ("a.webp", "WEBP"), ("a.gif", "GIF")],
    *[("a.bmp", "BMP"), ("a.DIB", "BMP"), ("a.tif", "TIFF"), ("a.tiff", "TIFF")],
    *[("a.NEF", "TIFF"), ("a.dng", "TIFF"), ("a.avif", "AVIF"), ("a.heif", "AVIF")],
    *[("a.heic", "HEIF"), ("a.HEIF", "HEIF"), ("a.hif", "HEIF")],
]


def write_as(path: Path, name: str, seed: int = 9) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, name)
    path.write_bytes(buffer.getvalue())
    return buffer.getvalue()


class TestUnreadable:
    def test_it_names_images_that_give_no_pixels(self, gather, folder: Path) -> None:
        (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
        (folder / "dog" / "text.png").write_bytes(b"Not found")
        outcome = UNREADABLE.run(gather(folder))
        assert outcome.status == "found"
        assert outcome.summary == "2 files can't be read, and are left out"
        items = [item for finding in outcome.findings for item in finding.items]
        assert [item.path for item in items] == ["cat/broken.jpg", "dog/text.png"]
        assert items[1].note.startswith('not an image: it starts with "Not found"')
        assert outcome.findings[1].summary.startswith("dog/text.png: not an image")
        assert {item.suggestion for item in items} == {""}

    def test_files_of_one_reason_are_one_finding_and_most_come_first(
        self, gather, folder: Path
    ) -> None:
        (folder / "cat" / "a.jpg").write_bytes(b"Not found")
        for number in range(6):
            (folder / "dog" / f"{number}.jpg").write_bytes(b"")
        many, one = UNREADABLE.run(gather(folder)).findings
        assert many.summary == "dog/0.jpg, dog/1.jpg, dog/2.jpg and 3 more: empty file"
        assert len(many.items) == 6
        assert [item.path for item in one.items] == ["cat/a.jpg"]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_dead_links_and_pipes_are_named(self, gather, folder: Path) -> None:
        (folder / "cat" / "dead.jpg").symlink_to("nowhere.jpg")
        os.mkfifo(folder / "cat" / "pipe.jpg")
        notes = {i.path: i.note for f in UNREADABLE.run(gather(folder)).findings for i in f.items}
        assert notes == {"cat/dead.jpg": "no such file", "cat/pipe.jpg": "is not a regular file"}

    def test_it_stays_quiet_about_other_files(self, gather, folder: Path) -> None:
        (folder / "readme.txt").write_text("hello")
        (folder / "cat" / "notes.txt").write_text("hello")
        (folder / "cat" / ".hidden").write_text("hello")
        (folder / "cat" / "cut.png").write_bytes((folder / "cat" / "a.png").read_bytes()[:-500])
        assert UNREADABLE.run(gather(folder)).status == "clean"


class TestTruncated:
    def test_it_gives_the_share_that_can_be_decoded(self, gather, folder: Path) -> None:
        (folder / "cat" / "cut.jpg").write_bytes(cut(jpeg(), 0.615))
        (folder / "dog" / "cut.png").write_bytes(cut((folder / "dog" / "a.png").read_bytes(), 0.6))
        outcome = TRUNCATED.run(gather(folder))
        assert outcome.status == "found"
        assert outcome.summary == "2 files are cut off, and left out"
        notes = notes_of(outcome)
        assert notes["cat/cut.jpg"] in [f"the upper {n} % can be decoded" for n in (59, 60, 61)]
        assert notes["dog/cut.png"] == "no part of it can be decoded"
        (finding,) = outcome.findings
        assert finding.summary == "cat/cut.jpg and dog/cut.png: cut off"

    def test_what_is_stored_upside_down_has_no_upper_part(self, gather, folder: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 3
        (folder / "cat" / "cut.jpg").write_bytes(cut(jpeg(exif=exif), 0.615))
        note = notes_of(TRUNCATED.run(gather(folder)))["cat/cut.jpg"]
        assert note.endswith("% of it can be decoded")
        assert "upper" not in note

    def test_a_progressive_file_may_be_whole_but_coarse(self, gather, folder: Path) -> None:
        (folder / "cat" / "cut.jpg").write_bytes(cut(jpeg(progressive=True), 0.9))
        note = notes_of(TRUNCATED.run(gather(folder)))["cat/cut.jpg"]
        assert note == "all of it can be decoded, but only at low quality"

    @pytest.mark.parametrize("share", [0.0, 0.005, 0.5])
    def test_copies_of_a_truncated_file_are_all_named(
        self, gather, folder: Path, share: float
    ) -> None:
        data = cut(jpeg(), 0.1 + share)
        for name in ("cat/one.jpg", "dog/two.jpg"):
            (folder / name).write_bytes(data)
        assert notes_of(TRUNCATED.run(gather(folder))).keys() == {"cat/one.jpg", "dog/two.jpg"}

    def test_a_file_of_which_no_header_is_left_is_named_too(self, gather, folder: Path) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), "red").save(buffer, "WEBP", lossless=True)
        (folder / "cat" / "cut.webp").write_bytes(buffer.getvalue()[:-3])
        assert notes_of(TRUNCATED.run(gather(folder))) == {
            "cat/cut.webp": "no part of it can be decoded"
        }

    def test_it_stays_quiet_about_whole_and_about_otherwise_broken_files(
        self, gather, folder: Path
    ) -> None:
        (folder / "cat" / "whole.jpg").write_bytes(jpeg())
        (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
        assert TRUNCATED.run(gather(folder)).status == "clean"


class TestWrongSuffix:
    @pytest.mark.parametrize(("file", "name"), RIGHT)
    def test_it_stays_quiet_about_what_is_right(
        self, gather, folder: Path, file: str, name: str
    ) -> None:
        write_as(folder / "cat" / file, name)
        assert WRONG_SUFFIX.run(gather(folder)).status == "clean"

    def test_every_suffix_that_the_catalog_knows_is_right_for_something(self) -> None:
        from candid.auditing.checks.files import _SUFFIXES

        assert _SUFFIXES.keys() == set(FORMATS)
        assert {suffix for suffixes in _SUFFIXES.values() for suffix in suffixes} >= SUFFIXES

    @pytest.mark.parametrize(
        ("file", "name", "expected"),
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
            (
                "a.jpg_large",
                "JPEG",
                "1 file without a suffix, but JPEG by content: cat/a.jpg_large",
            ),
            ("a.bak", "BMP", "1 file named .bak, but BMP by content: cat/a.bak"),
        ],
    )
    def test_it_fires_on_a_wrong_and_on_a_missing_suffix(
        self, gather, folder: Path, file: str, name: str, expected: str
    ) -> None:
        write_as(folder / "cat" / file, name)
        outcome = WRONG_SUFFIX.run(gather(folder))
        assert outcome.status == "found"
        assert outcome.summary == "1 file does not have the suffix of the content"
        assert [finding.summary for finding in outcome.findings] == [expected]
        assert outcome.findings[0].items[0].path == f"cat/{file}"

    def test_files_of_one_mismatch_are_one_finding(self, gather, folder: Path) -> None:
        for number in range(6):
            write_as(folder / "dog" / f"{number}.jpg", "PNG", seed=number)
        write_as(folder / "cat" / "x.gif", "PNG")
        outcome = WRONG_SUFFIX.run(gather(folder))
        assert outcome.summary == "7 files do not have the suffix of the content"
        many, one = outcome.findings
        assert many.summary == (
            "6 files named .jpg, but PNG by content: dog/0.jpg, dog/1.jpg, dog/2.jpg and 3 more"
        )
        assert many.items[0].note == "PNG, named .jpg; expected .png"
        assert len(one.items) == 1

    def test_it_fires_on_a_truncated_file_but_not_on_an_unreadable_one(
        self, gather, folder: Path
    ) -> None:
        data = write_as(folder / "cat" / "cut.jpg", "PNG")
        (folder / "cat" / "cut.jpg").write_bytes(data[:-300])
        damaged = bytearray(data)
        damaged[damaged.index(b"IDAT") + 10] ^= 255
        (folder / "dog" / "damaged.jpg").write_bytes(damaged)
        (folder / "dog" / "text.jpg").write_bytes(b"Not found")
        (finding,) = WRONG_SUFFIX.run(gather(folder)).findings
        assert [item.path for item in finding.items] == ["cat/cut.jpg"]

    def test_it_does_not_apply_where_no_file_could_be_identified(
        self, gather, tmp_path: Path
    ) -> None:
        (tmp_path / "data" / "cat").mkdir(parents=True)
        (tmp_path / "data" / "cat" / "a.jpg").write_bytes(b"Not found")
        outcome = WRONG_SUFFIX.run(gather(tmp_path / "data"))
        assert outcome.status == "not applicable"
        assert outcome.summary == "the format of no file could be identified"


class TestOtherFiles:
    def test_it_names_files_of_all_kinds_and_the_misplaced_ones_first(
        self, gather, folder: Path
    ) -> None:
        (folder / "readme.txt").write_text("hello")
        (folder / "stray.png").write_bytes((folder / "cat" / "a.png").read_bytes())
        (folder / "cat" / "notes.txt").write_text("hello")
        (folder / "dog" / ".DS_Store").write_bytes(b"x")
        (folder / "dog" / "Thumbs.db").write_bytes(b"x")
        outcome = OTHER_FILES.run(gather(folder))
        assert outcome.status == "found"
        assert outcome.summary == "5 files belong to no class"
        assert [finding.summary for finding in outcome.findings] == [
            "readme.txt and stray.png: outside the class folders",
            "dog/.DS_Store and dog/Thumbs.db: hidden file",
            "cat/notes.txt: not an image",
        ]
        assert [item.path for item in outcome.findings[0].items] == ["readme.txt", "stray.png"]

    def test_hidden_folders_are_named_and_counted_apart(self, gather, folder: Path) -> None:
        (folder / ".git" / "objects").mkdir(parents=True)
        (folder / ".git" / "config").write_text("x")
        assert OTHER_FILES.run(gather(folder)).summary == "1 hidden folder belongs to no class"
        (folder / "cat" / "__MACOSX").mkdir()
        (folder / "cat" / "notes.txt").write_text("hello")
        outcome = OTHER_FILES.run(gather(folder))
        assert outcome.summary == "1 file and 2 hidden folders belong to no class"
        assert [finding.summary for finding in outcome.findings] == [
            ".git and cat/__MACOSX: hidden folder",
            "cat/notes.txt: not an image",
        ]

    def test_it_stays_quiet_about_photos_and_broken_ones(self, gather, folder: Path) -> None:
        (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
        (folder / "cat" / "text.jpg").write_bytes(b"Not found")
        (folder / "cat" / "cut.png").write_bytes((folder / "cat" / "a.png").read_bytes()[:-500])
        assert OTHER_FILES.run(gather(folder)).status == "clean"

    def test_the_reason_is_the_one_that_the_catalog_gives(self, folder: Path) -> None:
        (folder / "readme.txt").write_text("hello")
        assert scan(folder).skipped == (Skipped("readme.txt", OUTSIDE),)

    def test_a_file_dropped_by_decision_is_not_reported(self, gather, folder: Path) -> None:
        evidence = gather(folder)
        catalog = evidence.features.catalog.without([Skipped("cat/a.png", DROPPED)])
        decided = replace(evidence, features=replace(evidence.features, catalog=catalog))
        for check in (UNREADABLE, TRUNCATED, OTHER_FILES):
            assert check.run(decided).status == "clean"

    @pytest.mark.parametrize("with_parts", [False, True])
    def test_every_skipped_file_is_reported_by_exactly_one_check(
        self, gather, folder: Path, tmp_path: Path, with_parts: bool
    ) -> None:
        root = folder
        if with_parts:
            root = tmp_path / "split"
            root.mkdir()
            folder.rename(root / "train")
        base = root / "train" if with_parts else root
        (base / "readme.txt").write_text("hello")
        (root / ".hidden.png").write_bytes(b"x")
        (base / "cat" / "notes.txt").write_text("hello")
        (base / "cat" / ".hidden").write_text("hello")
        (base / "cat" / "empty.jpg").write_bytes(b"")
        (base / "cat" / "dead.png").symlink_to("nowhere.png")
        (base / "cat" / "dead.dir").symlink_to("nowhere", target_is_directory=True)
        os.mkfifo(base / "cat" / "pipe.png")
        (base / "cat" / ".thumbs").mkdir()
        (base / "cat" / ".thumbs" / "a.png").write_bytes(b"x")
        (base / "dog" / "deep" / "__MACOSX").mkdir(parents=True)
        (root / ".git").mkdir()
        (base / ".cache").mkdir()
        (root / "dead").symlink_to("nowhere", target_is_directory=True)
        (root / "itself").symlink_to("itself")
        os.mkfifo(root / "pipe")
        os.mkfifo(base / "another pipe")
        (base / "dog" / "text.jpg").write_bytes(b"Not found")
        (base / "dog" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
        (base / "dog" / "cut.png").write_bytes((base / "dog" / "a.png").read_bytes()[:-500])
        evidence = gather(root)
        named = Counter(
            item.path
            for check in (UNREADABLE, TRUNCATED, OTHER_FILES)
            for finding in check.run(evidence).findings
            for item in finding.items
        )
        skipped = evidence.features.catalog.skipped
        assert len(skipped) == 9 + 10
        assert named == Counter(row.path for row in skipped)
        assert all(kind_of(row.reason) is not None for row in skipped)
