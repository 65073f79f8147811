"""A run's predictions are read back, or it is said what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from candid.errors import ArtifactError
from candid.evaluation.comparing.aligned import read_run
from tests.evaluation.comparing.made import Shot, content_of, make_run, shots

ODD = os.fsdecode(b"caf\xe9\n.jpg")

Change = Callable[[str], str | None]


def test_reads_who_was_right_by_content(tmp_path: Path) -> None:
    made = [Shot("x"), Shot("y", right=False), Shot("z", "train", kfold_right=False)]
    run = read_run(make_run(tmp_path / "run", made, kfold=True))
    assert run.classes == ("happy", "sad")
    x, y, z = map(content_of, "xyz")
    assert run.right["test"] == {x: True, y: False}
    assert {content: run.right["kfold"][content] for content in (x, y, z)} == {
        x: True,
        y: False,
        z: False,
    }
    assert run.trained == {z, content_of("own"), content_of("other")}
    assert run.groups[x] == x[:16]


def test_a_run_of_a_recipe_without_cross_validation_has_the_test_part_only(tmp_path: Path) -> None:
    assert set(read_run(make_run(tmp_path / "run", shots("++"))).right) == {"test"}


def test_files_with_the_same_bytes_are_one_image(tmp_path: Path) -> None:
    made = [Shot("x"), Shot("x", path="happy/again.jpg"), Shot("x", "", path="happy/dropped.jpg")]
    run = read_run(make_run(tmp_path / "run", made))
    assert run.right["test"] == {content_of("x"): True}
    assert run.images[content_of("x")].path == "happy/x.jpg"


def test_a_name_that_is_no_utf8_and_has_a_line_break_is_read(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", [Shot("x", path=f"happy/{ODD}")]))
    assert run.images[content_of("x")].path == f"happy/{ODD}"


def test_an_image_that_was_left_out_is_known_by_its_content_alone(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [Shot("x"), Shot("lost", "")])
    assert content_of("lost") not in read_run(folder).images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: None, "lists no predictions.csv"),
        (lambda _: "", "lacks the columns estimate, path"),
        (lambda text: text.replace("said,label", "said,answer"), "lacks the columns label;"),
        (lambda text: text.replace("test,happy/x", "guess,happy/x"), "line 2: the estimate is"),
        (lambda text: text.replace("happy/x.jpg", "happy/q.jpg"), "'happy/q.jpg' is in no part"),
        (lambda text: text.replace("x.jpg,happy", "x.jpg,sad"), "is of class 'sad' in part"),
        (lambda text: text.replace("happy,test", "happy,val"), "in part 'val'"),
        (lambda text: text + "kfold,happy/x.jpg,happy,test,,sad,0,1\n", "estimate kfold of 3 of 4"),
        (lambda text: text.replace("test,,happy", "test,,angry"), "'angry' is none of the classes"),
        (lambda text: text + text.splitlines()[1] + "\n", "happy/x.jpg is predicted twice by test"),
        (lambda text: text[: text.index("test,happy/y")], "lacks the estimate test of 1 of 2"),
        (lambda text: text[: text.index("test,happy/x")], "lacks the estimate test of 2 of 2"),
        (lambda text: text.replace("happy/y.jpg,happy", "happy/y.jpg"), "line 3"),
        (lambda text: text.replace("happy/x", "h" * 200_000), "can't be read as CSV"),
    ],
)
def test_predictions_that_are_not_as_expected_are_refused_in_a_line(
    tmp_path: Path, change: Change, message: str
) -> None:
    folder = make_run(tmp_path / "run", [Shot("x"), Shot("y")], change=change)
    with pytest.raises(ArtifactError) as refused:
        read_run(folder)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "train again" in str(refused.value).lower()


def test_a_training_photo_is_no_test_photo(tmp_path: Path) -> None:
    def add(text: str) -> str:
        return text + "test,happy/own.jpg,happy,train,,happy,1,0\n"

    folder = make_run(tmp_path / "run", [Shot("x")], change=add)
    with pytest.raises(ArtifactError, match=r"contradicts split\.csv or the estimate test"):
        read_run(folder)


def test_predictions_that_were_edited_are_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", shots("+-"))
    file = folder / "predictions.csv"
    file.write_text(file.read_text().replace("sad", "happy"))
    with pytest.raises(ArtifactError, match="not as it was written"):
        read_run(folder)


def test_classes_that_are_no_names_are_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", shots("+-"))
    manifest = folder / "candid.json"
    manifest.write_text(manifest.read_text().replace('"happy"', "7"))
    with pytest.raises(ArtifactError, match="no list of names"):
        read_run(folder)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no run at"):
        read_run(tmp_path / "absent")
