"""Checkpoints: the last usable snapshot is found again, whatever happened to the files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import candid.models.checkpoint
from candid.models.checkpoint import Checkpoint, Checkpoints, Snapshot, discard, take_spent

PRINT = "a" * 64
FOLDER = f".resume-{'a' * 16}"


def made(epochs: int) -> Snapshot:
    """A snapshot after some epochs, with their number in its values."""
    weights = [np.full((3, 4), epochs, np.float32), np.array([0.1, -0.0, np.inf], np.float32)]
    optimizer = [np.array(epochs, np.int64), np.full((3, 4), 2.5, np.float32)]
    rows = tuple({"epoch": n + 1, "loss": 0.1 * n} for n in range(epochs))
    best = [np.full((3, 4), epochs - 0.5, np.float32)] if epochs % 2 else []
    return Snapshot(weights, optimizer, rows, best)


def same(one: Snapshot | None, other: Snapshot) -> bool:
    if one is None or one.history != other.history:
        return False
    return all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for kind in ("weights", "optimizer", "best")
        for a, b in zip(getattr(one, kind), getattr(other, kind), strict=True)
    )


@pytest.fixture
def messages() -> list[str]:
    return []


def keep(beside: Path, messages: list[str], *epochs: int) -> None:
    with Checkpoints(beside).open(PRINT, messages.append) as checkpoint:
        for number in epochs:
            checkpoint.write(made(number))


def read(beside: Path, messages: list[str]) -> Snapshot | None:
    with Checkpoints(beside).open(PRINT, messages.append) as checkpoint:
        return checkpoint.read(lambda _: True)


def files(beside: Path) -> list[str]:
    return sorted(path.name for path in (beside / FOLDER).iterdir())


def test_the_last_epoch_is_read_again_to_the_last_bit(tmp_path: Path, messages: list[str]) -> None:
    for epochs in range(1, 13):
        keep(tmp_path, messages, epochs)
        assert same(read(tmp_path, messages), made(epochs))
    assert files(tmp_path) == ["epoch-0011.npy", "epoch-0012.npy"]
    assert messages == []


def test_another_training_has_another_folder(tmp_path: Path, messages: list[str]) -> None:
    keep(tmp_path, messages, 1)
    with Checkpoints(tmp_path).open("b" * 64, messages.append) as checkpoint:
        assert checkpoint.read(lambda _: True) is None
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]  # no empty folder stays


def test_every_flipped_bit_is_detected_and_the_epoch_before_is_used(
    tmp_path: Path, messages: list[str]
) -> None:
    keep(tmp_path, messages, 1, 2)
    file = tmp_path / FOLDER / "epoch-0002.npy"
    content = file.read_bytes()
    for at in range(len(content)):
        changed = bytearray(content)
        changed[at] ^= 1 << at % 8
        file.write_bytes(changed)
        messages.clear()
        found = read(tmp_path, messages)
        # A bit in the padding of a header has no meaning.
        assert same(found, made(1)) or (same(found, made(2)) and messages == [])
        if same(found, made(1)):
            assert len(messages) == 1
            assert "epoch-0002.npy can't be used" in messages[0]
            assert "\n" not in messages[0]


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_file_cut_short_is_not_used(tmp_path: Path, messages: list[str], length: int) -> None:
    keep(tmp_path, messages, 1)
    file = tmp_path / FOLDER / "epoch-0001.npy"
    file.write_bytes(file.read_bytes()[:length])
    assert read(tmp_path, messages) is None
    assert len(messages) == 1


def test_a_snapshot_that_does_not_fit_is_not_used(tmp_path: Path, messages: list[str]) -> None:
    keep(tmp_path, messages, 1)
    with Checkpoints(tmp_path).open(PRINT, messages.append) as checkpoint:
        assert checkpoint.read(lambda found: len(found.weights) == 3) is None
    assert "it belongs to another training" in messages[0]


def test_a_file_that_a_kill_left_incomplete_is_ignored(tmp_path: Path, messages: list[str]) -> None:
    keep(tmp_path, messages, 1, 2)
    (tmp_path / FOLDER / "epoch-0001.npy").rename(tmp_path / FOLDER / "next.npy")
    assert same(read(tmp_path, messages), made(2))
    keep(tmp_path, messages, 3)
    assert files(tmp_path) == ["epoch-0002.npy", "epoch-0003.npy"]
    assert messages == []


def test_a_full_disk_is_reported_and_training_continues(
    tmp_path: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with Checkpoints(tmp_path).open(PRINT, messages.append) as checkpoint:
        checkpoint.write(made(1))
        monkeypatch.setattr(candid.models.checkpoint.np, "save", fail)
        checkpoint.write(made(2))
        checkpoint.write(made(3))
    assert len(messages) == 1
    assert "No space left on device" in messages[0]
    monkeypatch.undo()
    assert same(read(tmp_path, messages), made(1))
    assert files(tmp_path) == ["epoch-0001.npy"]


def test_a_folder_that_can_not_be_made_is_reported(tmp_path: Path, messages: list[str]) -> None:
    (tmp_path / "file").touch()
    keep(tmp_path / "file", messages, 1)
    assert len(messages) == 1
    assert "training continues without checkpoints" in messages[0]


def test_only_one_training_at_a_time_has_the_folder(tmp_path: Path, messages: list[str]) -> None:
    with Checkpoints(tmp_path).open(PRINT, messages.append) as first:
        first.write(made(1))
        with Checkpoints(tmp_path).open(PRINT, messages.append) as second:
            assert second.folder is None
            second.write(made(2))
            assert second.read(lambda _: True) is None
        first.write(made(2))
    assert len(messages) == 1
    assert messages[0].startswith("another process runs the same training")
    assert same(read(tmp_path, messages), made(2))


def test_without_a_folder_nothing_is_kept(messages: list[str]) -> None:
    with Checkpoints().open(PRINT, messages.append) as checkpoint:
        checkpoint.write(made(1))
        assert checkpoint.read(lambda _: True) is None
    assert messages == []


class TestDeletion:
    def use(self, checkpoints: Checkpoints, *, complete: bool, print_: str = PRINT) -> Checkpoint:
        with checkpoints.open(print_, print) as checkpoint:
            checkpoint.write(made(1))
            checkpoint.is_complete = complete
        return checkpoint

    def test_the_checkpoints_of_a_complete_run_are_deleted(self, tmp_path: Path) -> None:
        (tmp_path / "partial").mkdir()
        checkpoints = Checkpoints(tmp_path)
        self.use(checkpoints, complete=True)
        self.use(checkpoints, complete=True, print_="b" * 64)
        checkpoints.mark_spent(tmp_path / "partial")
        names = take_spent(tmp_path / "partial")
        assert list((tmp_path / "partial").iterdir()) == []
        discard(tmp_path, names)
        assert [path.name for path in tmp_path.iterdir()] == ["partial"]

    def test_those_of_an_interrupted_training_stay(self, tmp_path: Path) -> None:
        checkpoints = Checkpoints(tmp_path)
        self.use(checkpoints, complete=True)
        self.use(checkpoints, complete=False, print_="b" * 64)
        checkpoints.mark_spent(tmp_path)
        assert take_spent(tmp_path) == []

    def test_nothing_but_checkpoints_is_removed(self, tmp_path: Path) -> None:
        (tmp_path / "photos" / ".resume-x").mkdir(parents=True)
        discard(tmp_path, ["photos", ".resume-x/../photos", "../photos", "photos/.resume-x", ""])
        assert (tmp_path / "photos" / ".resume-x").is_dir()

    def test_those_that_another_process_uses_stay(self, tmp_path: Path) -> None:
        with Checkpoints(tmp_path).open(PRINT, print) as checkpoint:
            checkpoint.write(made(1))
            discard(tmp_path, [FOLDER])
            assert files(tmp_path) == ["epoch-0001.npy"]
        discard(tmp_path, [FOLDER])
        assert list(tmp_path.iterdir()) == []


def test_checkpoints_older_than_a_week_are_deleted_by_the_next_training(
    tmp_path: Path, messages: list[str]
) -> None:
    ages = {"old": 8, "young": 6}
    for name, days in ages.items():
        (tmp_path / f".resume-{name}").mkdir()
        (tmp_path / f".resume-{name}" / "epoch-0001.npy").touch()
        at = time.time() - days * 24 * 3600
        for path in (tmp_path / f".resume-{name}" / "epoch-0001.npy", tmp_path / f".resume-{name}"):
            os.utime(path, (at, at))
    (tmp_path / ".resume-recent").mkdir()
    keep(tmp_path, messages, 1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {FOLDER, ".resume-young", ".resume-recent"}
