"""Photos are moved as it was decided: none is lost, whatever happens in between."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from candid.data.catalog import Photo
from candid.data.decisions.decision import DROPS, KEEPS, Meaning
from candid.data.decisions.moving import JOURNAL, Mover, Plan, plan_moves
from candid.data.scan import scan
from candid.errors import DataError, UsageError

REMOVED = ".candid/removed"
PATHS = ("cat/a.png", "cat/deep/b.png", "dog/a.png", "dog/c.png", "unlabelled/d.png", "e.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, path in enumerate(PATHS):
        draw(tmp_path / "data" / path, number)
    return tmp_path / "data"


def draw(file: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), pixels)


def planned(folder: Path, **words: Meaning) -> Plan:
    """A plan of what is decided about the photos whose paths end so."""
    catalog = scan(folder, to_train=False)
    photos = {photo.path: photo for photo in (*catalog.photos, *catalog.unlabelled)}
    return plan_moves(catalog, [(photos[path], word) for path, word in words.items()], REMOVED)


def targets(plan: Plan) -> dict[str, str]:
    return {move.path: move.target for move in plan.moves}


def files(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, without journals."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != JOURNAL
    }


def of_all(folder: Path) -> Plan:
    return planned(
        folder,
        **{
            "cat/a.png": Meaning("", "dog"),
            "cat/deep/b.png": DROPS,
            "dog/c.png": Meaning("", "bird"),
            "unlabelled/d.png": Meaning("", "cat"),
            "e.png": Meaning("", "cat"),
        },
    )


def mover_of(folder: Path) -> Mover:
    return Mover(folder, folder / ".candid")


def test_photos_go_to_their_class_or_aside_and_a_name_that_is_taken_gets_a_number(folder):
    assert targets(of_all(folder)) == {
        "cat/a.png": "dog/a-2.png",
        "cat/deep/b.png": ".candid/removed/cat/deep/b.png",
        "dog/c.png": "bird/c.png",
        "unlabelled/d.png": "cat/d.png",
        "e.png": "cat/e.png",
    }


def test_photos_that_are_kept_or_lie_right_stay(folder):
    assert not planned(folder, **{"cat/a.png": KEEPS, "dog/a.png": Meaning("", "dog")}).moves


def test_two_photos_never_get_one_name_in_whatever_case(folder):
    draw(folder / "bird" / "A.PNG", 9)
    plan = planned(folder, **{"bird/A.PNG": Meaning("", "fish"), "cat/a.png": Meaning("", "fish")})
    assert set(targets(plan).values()) == {"fish/A.PNG", "fish/a-2.png"}


def test_within_a_part_photos_stay_in_it(tmp_path):
    for number, path in enumerate(("train/cat/a.png", "train/dog/b.png", "test/cat/c.png")):
        draw(tmp_path / path, number)
    plan = planned(tmp_path, **{"test/cat/c.png": Meaning("", "dog"), "train/dog/b.png": DROPS})
    assert targets(plan) == {
        "test/cat/c.png": "test/dog/c.png",
        "train/dog/b.png": ".candid/removed/train/dog/b.png",
    }


def test_nothing_is_lost_there_and_back(folder):
    before = files(folder)
    mover = mover_of(folder)
    done = mover.move(of_all(folder))
    after = files(folder)
    assert sorted(after.values()) == sorted(before.values())
    assert after["dog/a.png"] == before["dog/a.png"]
    assert after["dog/a-2.png"] == before["cat/a.png"]
    assert len(done.moved) == 5
    assert len(mover_of(folder).move_back(mover_of(folder).history()[-1])) == 5
    assert files(folder) == before
    assert not (folder / "bird").exists()  # it was made for a photo
    assert (folder / "cat").exists()


def test_changed_and_missing_photos_stay_and_nothing_is_overwritten(folder):
    plan = of_all(folder)
    (folder / "cat/a.png").write_bytes(b"another")
    (folder / "e.png").unlink()
    (folder / "bird").mkdir()
    (folder / "bird/c.png").write_bytes(b"new")  # since the plan was made
    done = mover_of(folder).move(plan)
    assert {move.path for move in done.moved} == {"cat/deep/b.png", "unlabelled/d.png"}
    assert (folder / "bird/c.png").read_bytes() == b"new"
    assert (folder / "cat/a.png").read_bytes() == b"another"
    assert (folder / "dog/c.png").is_file()


def test_moving_back_never_overwrites_and_says_what_stayed(folder):
    mover = mover_of(folder)
    done = mover.move(of_all(folder))
    (folder / "e.png").write_bytes(b"new")
    back = mover.move_back(done)
    assert "e.png" not in {move.path for move in back}
    assert (folder / "e.png").read_bytes() == b"new"
    assert (folder / "cat/e.png").is_file()


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("when", range(11))
@pytest.mark.parametrize("direction", ["there", "back"])
def test_a_kill_at_any_moment_loses_nothing_and_the_rest_follows(
    folder, when, direction, monkeypatch
):
    before, mover = files(folder), mover_of(folder)
    plan = of_all(folder)
    done = mover.move(plan) if direction == "back" else None
    left = iter(range(when))

    def one_more(function):
        def call(*args, **kwargs):
            if next(left, None) is None:
                raise Killed
            return function(*args, **kwargs)

        return call

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(Path, "replace", one_more(Path.replace))
        patch.setattr(Mover, "_write", one_more(Mover._write))
        _ = mover.move_back(done) if done else mover.move(plan)

    mover = mover_of(folder)
    mover.recover()
    assert sorted(files(folder).values()) == sorted(before.values())  # no empty file either
    assert mover.recover() is None
    for last in mover.history()[-1:]:
        if last.moved and not last.is_back:
            assert len(mover.move_back(last)) == len(last.moved)
    assert files(folder) == before


def test_a_torn_line_is_passed_over(folder):
    mover = mover_of(folder)
    mover.move(of_all(folder))
    journal = folder / ".candid" / JOURNAL
    journal.write_bytes(journal.read_bytes() + b'{"back": 1')
    assert not mover.history()[-1].is_going_back
    mover.move_back(mover.history()[-1])
    assert mover_of(folder).history()[-1].is_back


def test_links_are_left_where_they_are_and_the_reason_is_told(folder, tmp_path):
    draw(tmp_path / "elsewhere" / "x.png", 20)
    draw(tmp_path / "elsewhere" / "y.png", 21)
    (folder / "cat" / "x.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    (folder / "bird").symlink_to(tmp_path / "elsewhere")
    plan = planned(
        folder, **{"cat/x.png": DROPS, "bird/y.png": DROPS, "dog/a.png": Meaning("", "bird")}
    )
    assert not plan.moves
    assert plan.left == {
        "bird/y.png": "its folder is a link to a folder elsewhere",
        "cat/x.png": "it is a link to a file elsewhere",
        "dog/a.png": "the folder that it would go to is a link to a folder elsewhere",
    }


@pytest.mark.parametrize("label", ["..", "a/b", ".candid", "a\\b"])
def test_a_class_that_is_no_name_of_a_folder_is_refused(folder, label):
    catalog = scan(folder)
    with pytest.raises(UsageError, match="can't be the name of a folder"):
        plan_moves(catalog, [(catalog.photos[0], Meaning("", label))], REMOVED)


def test_without_a_journal_nothing_is_moved(folder):
    (folder / ".candid").write_text("a file where the folder should be")
    before = files(folder)
    with pytest.raises(DataError, match="can't be written"):
        mover_of(folder).move(of_all(folder))
    assert files(folder) == before


def test_equal_plans_have_equal_keys(folder):
    assert of_all(folder).key == of_all(folder).key
    assert of_all(folder).key != planned(folder, **{"cat/a.png": DROPS}).key
    assert isinstance(scan(folder).photos[0], Photo)
