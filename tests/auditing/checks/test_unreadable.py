from __future__ import annotations

import os
from pathlib import Path

import pytest

from candid.auditing.checks.files import UNREADABLE as CHECK


def test_it_names_images_that_give_no_pixels(gather, folder: Path) -> None:
    (folder / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff, and no more")
    (folder / "dog" / "text.png").write_bytes(b"Not found")
    outcome = CHECK.run(gather(folder))
    assert outcome.status == "found"
    assert outcome.summary == "2 files can't be read, and are left out"
    items = [item for finding in outcome.findings for item in finding.items]
    assert [item.path for item in items] == ["cat/broken.jpg", "dog/text.png"]
    assert items[1].note.startswith('not an image: it starts with "Not found"')
    assert outcome.findings[1].summary.startswith("dog/text.png: not an image")
    assert {item.suggestion for item in items} == {""}


def test_files_of_one_reason_are_one_finding_and_most_come_first(gather, folder: Path) -> None:
    (folder / "cat" / "a.jpg").write_bytes(b"Not found")
    for number in range(6):
        (folder / "dog" / f"{number}.jpg").write_bytes(b"")
    many, one = CHECK.run(gather(folder)).findings
    assert many.summary == "dog/0.jpg, dog/1.jpg, dog/2.jpg and 3 more: empty file"
    assert len(many.items) == 6
    assert [item.path for item in one.items] == ["cat/a.jpg"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_dead_links_and_pipes_are_named(gather, folder: Path) -> None:
    (folder / "cat" / "dead.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(folder / "cat" / "pipe.jpg")
    notes = {i.path: i.note for f in CHECK.run(gather(folder)).findings for i in f.items}
    assert notes == {"cat/dead.jpg": "no such file", "cat/pipe.jpg": "is not a regular file"}


def test_it_stays_quiet_about_other_files(gather, folder: Path) -> None:
    (folder / "readme.txt").write_text("hello")
    (folder / "cat" / "notes.txt").write_text("hello")
    (folder / "cat" / ".hidden").write_text("hello")
    (folder / "cat" / "cut.png").write_bytes((folder / "cat" / "a.png").read_bytes()[:-500])
    assert CHECK.run(gather(folder)).status == "clean"
