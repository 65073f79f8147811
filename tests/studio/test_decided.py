"""Decisions of the studio: undone one by one, kept through a kill, and in the commands' file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.data.decisions import Decision, decide, load_decisions, to_csv
from candid.data.scan import scan
from candid.errors import UsageError
from candid.studio.decided import DECISIONS, Decided
from candid.studio.project import STATE, Project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("Keep", "cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "data" / label / f"{number}.png"), pixels)
    return tmp_path / "data"


def opened(folder: Path) -> tuple[Project, Decided]:
    """A project whose photos are listed, as after a start."""
    project = Project(folder)
    project._take(scan(folder), ("Keep", "cat", "dog"))
    return project, Decided(project)


def numbers(project: Project, *paths: str) -> list[int]:
    found = [project.number_of(path) for path in paths]
    return [number for number in found if number is not None]


def test_every_step_is_undone_after_a_restart_too(folder):
    project, decided = opened(folder)
    a, b = numbers(project, "cat/0.png", "dog/1.png")
    decided.decide([a, b], "drop")
    decided.decide([a], "dog")
    decided.decide([b], "")
    assert decided.current == {a: "dog"}
    project, decided = opened(folder)
    a, b = numbers(project, "cat/0.png", "dog/1.png")
    seen = [decided.current]
    while decided.undo():
        seen.append(decided.current)
    assert seen == [{a: "dog"}, {a: "dog", b: "drop"}, {a: "drop", b: "drop"}, {}]
    assert Decided(project).current == {}


def test_what_was_decided_already_is_no_step(folder):
    project, decided = opened(folder)
    (photo,) = numbers(project, "cat/0.png")
    decided.decide([photo], "")
    decided.decide([photo], "drop")
    decided.decide([photo], "drop")
    decided.decide([], "drop")
    assert decided.undo()
    assert not decided.undo()


def test_commands_take_the_file(folder):
    project, decided = opened(folder)
    dropped, moved = numbers(project, "cat/0.png", "dog/1.png")
    decided.decide([dropped], "drop")
    decided.decide([moved], "Keep/")  # the class, not the word
    applied = decide(scan(folder), load_decisions(folder / STATE / DECISIONS)).applied
    labels = {photo.path: photo.label for photo in applied.catalog.photos}
    assert "cat/0.png" not in labels
    assert labels["dog/1.png"] == "Keep"
    assert applied.summary == "1 photo dropped, 1 relabelled"


def test_decisions_of_the_audit_page_are_taken_in_and_come_back(folder):
    content = next(photo.content for photo in scan(folder).photos if photo.path == "cat/0.png")
    rows = [
        Decision("cat/0.png", content, "label-suspect", "dog", "dog"),
        Decision("*: file size", "", "shortcuts", "", "keep"),
    ]
    (folder / STATE).mkdir()
    (folder / STATE / DECISIONS).write_text(to_csv(rows))
    project, decided = opened(folder)
    (photo,) = numbers(project, "cat/0.png")
    assert decided.current == {photo: "dog"}
    decided.decide([photo], "keep")
    applied = decide(scan(folder), load_decisions(decided.file)).applied
    assert (applied.num_relabelled, len(applied.kept)) == (0, 2)  # two classes would be an error
    assert decided.undo()
    assert load_decisions(decided.file).rows == tuple(rows)
    decided.file.write_text(to_csv(rows[1:]))  # by a spreadsheet, while the studio was closed
    assert opened(folder)[1].current == {}


@pytest.mark.parametrize("lost", [0, 5])
def test_a_kill_between_journal_and_file_loses_no_step(folder, lost):
    project, decided = opened(folder)
    (photo,) = numbers(project, "cat/0.png")
    decided.decide([photo], "drop")
    before = decided.file.read_bytes()
    decided.decide([photo], "dog")
    decided.file.write_bytes(before)
    journal = folder / STATE / "steps.jsonl"
    if lost:  # the last line was not written whole
        journal.write_bytes(journal.read_bytes()[:-lost])
    project, decided = opened(folder)
    assert decided.current == {photo: "drop" if lost else "dog"}
    decided.decide([photo], "keep")
    assert opened(folder)[1].current == {photo: "keep"}


def test_two_studios_on_one_folder_see_each_others_steps(folder):
    (project, first), (_, second) = opened(folder), opened(folder)
    a, b = numbers(project, "cat/0.png", "dog/1.png")
    first.decide([a], "drop")
    second.decide([b], "drop")
    assert second.current == {a: "drop", b: "drop"}
    assert first.undo()
    assert first.current == {a: "drop"}


def test_a_photo_that_changed_has_no_decision(folder):
    project, decided = opened(folder)
    decided.decide(numbers(project, "cat/0.png"), "drop")
    cv2.imwrite(str(folder / "cat" / "0.png"), np.zeros((8, 8, 3), np.uint8))
    assert opened(folder)[1].current == {}


def test_an_unknown_class_is_refused(folder):
    project, decided = opened(folder)
    with pytest.raises(UsageError, match="there is no class 'bird'"):
        decided.decide(numbers(project, "cat/0.png"), "bird")
    assert not decided.undo()
