from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from candid.auditing.checks.files import OTHER_FILES, TRUNCATED, UNREADABLE, kind_of
from candid.data.catalog import DROPPED, OUTSIDE, Skipped, scan


def test_it_names_files_of_all_kinds_and_the_misplaced_ones_first(gather, folder: Path) -> None:
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


def test_hidden_folders_are_named_and_counted_apart(gather, folder: Path) -> None:
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


def test_it_stays_quiet_about_photos_and_broken_ones(gather, folder: Path) -> None:
    (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
    (folder / "cat" / "text.jpg").write_bytes(b"Not found")
    (folder / "cat" / "cut.png").write_bytes((folder / "cat" / "a.png").read_bytes()[:-500])
    assert OTHER_FILES.run(gather(folder)).status == "clean"


def test_the_reason_is_the_one_that_the_catalog_gives(folder: Path) -> None:
    (folder / "readme.txt").write_text("hello")
    assert scan(folder).skipped == (Skipped("readme.txt", OUTSIDE),)


def test_a_file_that_a_person_dropped_is_no_matter_of_a_check(gather, folder: Path) -> None:
    evidence = gather(folder)
    catalog = evidence.features.catalog.without([Skipped("cat/a.png", DROPPED)])
    decided = replace(evidence, features=replace(evidence.features, catalog=catalog))
    for check in (UNREADABLE, TRUNCATED, OTHER_FILES):
        assert check.run(decided).status == "clean"


@pytest.mark.parametrize("with_parts", [False, True])
def test_everything_left_out_is_the_matter_of_exactly_one_check(
    gather, folder: Path, tmp_path: Path, with_parts: bool
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
