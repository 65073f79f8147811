"""Reading predictions, and aligning runs on the images that they share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from candid.errors import ArtifactError, UsageError
from candid.evaluation.comparing import compare_runs
from candid.evaluation.comparing.aligned import read_run
from tests.evaluation.comparing.made import Shot, content_of, make_run, shots

ODD = os.fsdecode(b"caf\xe9\n.jpg")


Change = Callable[[str], str | None]


class TestReadRun:
    def test_reads_who_was_right_by_content(self, tmp_path: Path) -> None:
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

    def test_a_run_of_a_recipe_without_cross_validation_has_the_test_part_only(
        self, tmp_path: Path
    ) -> None:
        assert set(read_run(make_run(tmp_path / "run", shots("++"))).right) == {"test"}

    def test_files_with_the_same_bytes_are_one_image(self, tmp_path: Path) -> None:
        made = [
            Shot("x"),
            Shot("x", path="happy/again.jpg"),
            Shot("x", "", path="happy/dropped.jpg"),
        ]
        run = read_run(make_run(tmp_path / "run", made))
        assert run.right["test"] == {content_of("x"): True}
        assert run.images[content_of("x")].path == "happy/x.jpg"

    def test_a_name_that_is_no_utf8_and_has_a_line_break_is_read(self, tmp_path: Path) -> None:
        run = read_run(make_run(tmp_path / "run", [Shot("x", path=f"happy/{ODD}")]))
        assert run.images[content_of("x")].path == f"happy/{ODD}"

    def test_an_image_that_was_left_out_is_known_by_its_content_alone(self, tmp_path: Path) -> None:
        folder = make_run(tmp_path / "run", [Shot("x"), Shot("lost", "")])
        assert content_of("lost") not in read_run(folder).images

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda _: None, "lists no predictions.csv"),
            (lambda _: "", "lacks the columns estimate, path"),
            (lambda text: text.replace("said,label", "said,answer"), "lacks the columns label;"),
            (lambda text: text.replace("test,happy/x", "guess,happy/x"), "line 2: the estimate is"),
            (
                lambda text: text.replace("happy/x.jpg", "happy/q.jpg"),
                "'happy/q.jpg' is in no part",
            ),
            (lambda text: text.replace("x.jpg,happy", "x.jpg,sad"), "is of class 'sad' in part"),
            (lambda text: text.replace("happy,test", "happy,val"), "in part 'val'"),
            (
                lambda text: text + "kfold,happy/x.jpg,happy,test,,sad,0,1\n",
                "estimate kfold of 3 of 4",
            ),
            (
                lambda text: text.replace("test,,happy", "test,,angry"),
                "'angry' is none of the classes",
            ),
            (
                lambda text: text + text.splitlines()[1] + "\n",
                "happy/x.jpg is predicted twice by test",
            ),
            (lambda text: text[: text.index("test,happy/y")], "lacks the estimate test of 1 of 2"),
            (lambda text: text[: text.index("test,happy/x")], "lacks the estimate test of 2 of 2"),
            (lambda text: text.replace("happy/y.jpg,happy", "happy/y.jpg"), "line 3"),
            (lambda text: text.replace("happy/x", "h" * 200_000), "can't be read as CSV"),
        ],
    )
    def test_predictions_that_are_not_as_expected_are_refused_in_a_line(
        self, tmp_path: Path, change: Change, message: str
    ) -> None:
        folder = make_run(tmp_path / "run", [Shot("x"), Shot("y")], change=change)
        with pytest.raises(ArtifactError) as refused:
            read_run(folder)
        assert message in str(refused.value)
        assert "\n" not in str(refused.value)
        assert "train again" in str(refused.value).lower()

    def test_a_training_photo_is_no_test_photo(self, tmp_path: Path) -> None:
        def add(text: str) -> str:
            return text + "test,happy/own.jpg,happy,train,,happy,1,0\n"

        folder = make_run(tmp_path / "run", [Shot("x")], change=add)
        with pytest.raises(ArtifactError, match=r"contradicts split\.csv or the estimate test"):
            read_run(folder)

    def test_predictions_that_were_edited_are_refused(self, tmp_path: Path) -> None:
        folder = make_run(tmp_path / "run", shots("+-"))
        file = folder / "predictions.csv"
        file.write_text(file.read_text().replace("sad", "happy"))
        with pytest.raises(ArtifactError, match="not as it was written"):
            read_run(folder)

    def test_classes_that_are_no_names_are_refused(self, tmp_path: Path) -> None:
        folder = make_run(tmp_path / "run", shots("+-"))
        manifest = folder / "candid.json"
        manifest.write_text(manifest.read_text().replace('"happy"', "7"))
        with pytest.raises(ArtifactError, match="a list of names is expected"):
            read_run(folder)

    def test_a_folder_that_is_no_run_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="no run at"):
            read_run(tmp_path / "absent")


SPLIT = "`candid train DATA --split "


def test_images_are_the_same_if_their_bytes_are(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", shots("+++--"))
    renamed = [replace(shot, path=f"happy/z{i}.png") for i, shot in enumerate(shots("+-+--"))]
    found = compare_runs([a, make_run(tmp_path / "b", renamed[::-1])])
    [pair] = found.believed.pairs
    assert (found.believed.num_images, pair.only_first, pair.only_second) == (5, 1, 0)
    assert found.notes == ()


def test_names_and_order_change_no_figure(tmp_path: Path) -> None:
    made, other = shots("+-+++-" * 6, copies=2), shots("++--+-" * 6, copies=2)
    a, b = make_run(tmp_path / "a", made), make_run(tmp_path / "b", other)
    plain = compare_runs([a, b]).to_json()
    renamed = [replace(shot, path=f"happy/{99 - i}.png") for i, shot in enumerate(other)]
    (tmp_path / "else").mkdir()
    b = make_run(tmp_path / "else" / "b", renamed[::-1])
    assert compare_runs([a, b]).to_json()["estimates"] == plain["estimates"]


def test_images_that_only_some_runs_have_are_left_out(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", shots("++++"))
    b = make_run(tmp_path / "b", shots("--+", begin=2))
    found = compare_runs([a, b])
    assert found.believed.num_images == 2
    assert found.notes == ("test part: 3 images are left out: not every run has them.",)


def test_images_of_which_runs_have_different_classes_are_left_out(tmp_path: Path) -> None:
    made = shots("+++")
    relabelled = (replace(made[0], label="sad"), *made[1:])
    found = compare_runs([make_run(tmp_path / "a", made), make_run(tmp_path / "b", relabelled)])
    assert found.believed.num_images == 2
    [note] = found.notes
    assert "1 image is left out: the runs have them in different classes (happy/test0.jpg)" in note


class TestRefuses:
    def test_runs_of_other_classes(self, tmp_path: Path) -> None:
        a = make_run(tmp_path / "a", shots("++"))
        b = make_run(tmp_path / "b", shots("++"), classes=("angry", "happy", "sad", "surprised"))
        with pytest.raises(UsageError, match=r"only .*b has angry, surprised\. Compare"):
            compare_runs([a, b])

    def test_the_same_classes_in_another_order_are_the_same(self, tmp_path: Path) -> None:
        a = make_run(tmp_path / "a", shots("++"))
        b = make_run(tmp_path / "b", shots("+-"), classes=("sad", "happy"))
        assert compare_runs([a, b]).believed.pairs[0].only_first == 1

    @pytest.mark.parametrize("part", ["train", "val"])
    @pytest.mark.parametrize("kfold", [False, True])
    @pytest.mark.parametrize("swapped", [False, True])
    def test_a_run_that_was_trained_on_a_test_image_of_another(
        self, tmp_path: Path, part: str, kfold: bool, swapped: bool
    ) -> None:
        made = shots("++++")
        a = make_run(tmp_path / "a", made, kfold=kfold)
        b = make_run(tmp_path / "b", (replace(made[0], part=part), *made[1:]), kfold=kfold)
        with pytest.raises(UsageError) as refused:
            compare_runs([b, a] if swapped else [a, b])
        message = str(refused.value)
        assert f"{b} was trained on 1 of the 4 test images of {a}" in message
        assert "(happy/test0.jpg)" in message
        assert f"{SPLIT}{b if swapped else a}/split.csv`" in message
        assert "\n" not in message

    @pytest.mark.parametrize("known_by", ["a", "b"])
    def test_a_run_that_was_trained_on_a_copy_that_either_knows(
        self, tmp_path: Path, known_by: str
    ) -> None:
        """The copy need not be in the folder that the other run was trained on."""
        copy = Shot("copy", copy_of="test0" if known_by == "a" else None)
        a = make_run(tmp_path / "a", [*shots("++"), *([copy] if known_by == "a" else [])])
        trained = Shot("copy", "train", copy_of="test0" if known_by == "b" else None)
        unknown = [Shot("test0", "")] if known_by == "b" else []
        b = make_run(tmp_path / "b", [trained, *unknown, *shots("+", begin=1)])
        with pytest.raises(UsageError, match="or on copies of them"):
            compare_runs([a, b])

    def test_a_run_that_was_trained_on_what_has_the_same_group(self, tmp_path: Path) -> None:
        a = make_run(tmp_path / "a", [*shots("+"), Shot("x", copy_of="third")])
        b = make_run(tmp_path / "b", [*shots("+"), Shot("y", "train", copy_of="third")])
        with pytest.raises(UsageError, match=r"1 of the 2 test images .*\(happy/x\.jpg\)"):
            compare_runs([a, b])

    def test_any_pair_of_three(self, tmp_path: Path) -> None:
        a = make_run(tmp_path / "a", shots("++"))
        b = make_run(tmp_path / "b", shots("+-"))
        c = make_run(tmp_path / "c", [*shots("+"), Shot("test1", "train")])
        with pytest.raises(UsageError, match=re.escape(f"{c} was trained on 1 of the 2")):
            compare_runs([a, b, c])

    def test_names_in_the_message_can_not_steer_a_terminal(self, tmp_path: Path) -> None:
        a = make_run(tmp_path / "a", [Shot("x", path="happy/\x1b[2Jx.jpg")])
        b = make_run(tmp_path / "b", [Shot("x", "train"), Shot("y")])
        with pytest.raises(UsageError, match=re.escape(r"happy/\x1b[2Jx.jpg")):
            compare_runs([a, b])

    def test_runs_that_share_no_image(self, tmp_path: Path) -> None:
        a = make_run(tmp_path / "a", shots("++"))
        b = make_run(tmp_path / "b", shots("++", begin=2))
        with pytest.raises(UsageError, match="no image to compare") as refused:
            compare_runs([a, b])
        assert "by test part (test part: 4 images are left out" in str(refused.value)
        assert SPLIT in str(refused.value)


class TestCopiesThatOnlyOneRunKnows:
    def test_of_a_test_image_that_its_own_run_was_trained_on_are_no_refusal(
        self, tmp_path: Path
    ) -> None:
        """A split that was kept may be torn by a copy that was found later."""
        made = [*shots("+++"), Shot("copy", "train")]
        torn = [*shots("++-"), Shot("copy", "train", copy_of="test0")]
        found = compare_runs([make_run(tmp_path / "a", made), make_run(tmp_path / "b", torn)])
        assert found.believed.num_images == 2
        [note] = found.notes
        assert (
            "1 image is left out: a run may have been trained on a copy that it did not know"
            in note
        )

    def test_are_left_out_of_cross_validation(self, tmp_path: Path) -> None:
        apart = [*shots("+"), Shot("x", "train"), Shot("y", "train")]
        tied = [*shots("+"), Shot("x", "train"), Shot("y", "train", copy_of="x")]
        a = make_run(tmp_path / "a", apart, kfold=True)
        b = make_run(tmp_path / "b", tied, kfold=True)
        found = compare_runs([a, b])
        assert {e.estimate: e.num_images for e in found.estimates} == {"test": 1, "kfold": 3}
        [note] = found.notes
        assert note.startswith(
            "cross-validation: 2 images are left out: a run may have been trained"
        )

    def test_stay_where_both_know_them(self, tmp_path: Path) -> None:
        tied = [*shots("+"), Shot("x", "train"), Shot("y", "train", copy_of="x")]
        runs = [make_run(tmp_path / name, tied, kfold=True) for name in "ab"]
        assert compare_runs(runs).believed.num_images == 5
        assert compare_runs(runs).believed.num_pictures == 4


class TestCrossValidation:
    def test_is_believed_where_it_has_more_images(self, tmp_path: Path) -> None:
        made = [*shots("+-"), *shots("++--", part="train")]
        runs = [make_run(tmp_path / name, made, kfold=True) for name in "ab"]
        found = compare_runs(runs)
        assert [e.estimate for e in found.estimates] == ["test", "kfold"]
        assert found.believed.estimate == "kfold"
        assert found.believed.num_images == 8  # and two that every made run has

    def test_takes_the_place_of_test_parts_without_a_common_image(self, tmp_path: Path) -> None:
        kept, extra = shots("+-+-", part="train"), (Shot("p"), Shot("q"))
        a = make_run(tmp_path / "a", [*kept, extra[0]], kfold=True)
        b = make_run(tmp_path / "b", [*kept, extra[1]], kfold=True)
        found = compare_runs([a, b])
        assert [e.estimate for e in found.estimates] == ["kfold"]
        assert found.believed.num_images == 6
        assert found.notes[-1] == (
            "the runs share no test image, so they are compared by cross-validation alone."
        )

    def test_is_not_used_where_one_run_lacks_it(self, tmp_path: Path) -> None:
        a = make_run(tmp_path / "a", shots("+-"), kfold=True)
        b = make_run(tmp_path / "b", shots("++"))
        found = compare_runs([a, b])
        assert [e.estimate for e in found.estimates] == ["test"]
        assert found.notes == (
            "b has no cross-validated predictions, so the runs are compared on their test parts "
            "alone.",
        )
