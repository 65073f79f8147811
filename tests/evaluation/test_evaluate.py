"""A run is measured again: on its own test part, or on a folder that it was not trained on."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from candid.cli.demo import SampleSet, draw_sample
from candid.cli.demo.injected_defects import mirrored_copy, reencoded
from candid.cli.main import app
from candid.data.source import DataSource
from candid.errors import ArtifactError, DataError, DependencyError, UsageError
from candid.evaluation.baselines import LARGEST_CLASS
from candid.evaluation.evaluate import Measured, evaluate_run
from candid.evaluation.verify import differences
from candid.models.decision_rule import DecisionRule
from candid.splits.split import Row, read_csv
from candid.training import Run, TrainOptions, train
from candid.training.report import find_page


@pytest.fixture(scope="module")
def other_faces(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    """Twelve other faces, and the injected defects."""
    return draw_sample(tmp_path_factory.mktemp("other_faces") / "faces", seed=9, num_images=12)


@pytest.fixture
def other(other_faces: SampleSet, tmp_path: Path) -> Path:
    """A copy of the other faces that may be changed."""
    return Path(shutil.copytree(other_faces.folder, tmp_path / "other"))


@pytest.fixture
def moved(trained: Run, faces: SampleSet, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of the run and of its folder that belong together; both may be written to."""
    data = Path(shutil.copytree(faces.folder, tmp_path / "faces"))
    run = Path(shutil.copytree(trained.folder, tmp_path / "run"))
    manifest = json.loads((run / "candid.json").read_text())
    manifest["data"]["folder"] = str(data.resolve())
    (run / "candid.json").write_text(json.dumps(manifest))
    return run, data


def rows(run: Run, *parts: str, suffix: str = "") -> list[Row]:
    """Rows of some parts, of single images without copies."""
    found = read_csv(run.folder / "split.csv").rows
    groups = [row.group for row in found]
    return [
        row
        for row in found
        if row.part in parts and groups.count(row.group) == 1 and row.path.endswith(suffix)
    ]


def num_measured(measured: Measured) -> int:
    return measured.evaluation.test.n


def same(measured: Measured, expected: dict[str, object]) -> bool:
    return list(differences(expected, measured.evaluation.to_json())) == []


class TestTheOwnTestPart:
    def test_gives_the_figures_that_training_wrote(self, trained: Run) -> None:
        measured = evaluate_run(trained.folder)
        written = json.loads((trained.folder / "metrics.json").read_text())
        assert same(measured, written)
        assert written["kfold"] is not None
        assert measured.notes == ()

    def test_is_measured_where_the_folder_is_named_too(
        self, trained: Run, faces: SampleSet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = evaluate_run(trained.folder).evaluation.to_json()
        monkeypatch.chdir(faces.folder.parent)
        assert same(evaluate_run(trained.folder, faces.folder.name), expected)

    def test_may_be_measured_at_another_threshold(self, trained: Run) -> None:
        measured = evaluate_run(trained.folder, threshold=0.0).evaluation.test
        assert measured.recall is not None
        assert measured.recall.value == 1
        plain = evaluate_run(trained.folder).evaluation.test
        assert measured.binary_accuracy == plain.binary_accuracy

    def test_is_found_by_content_where_files_were_renamed(
        self, moved: tuple[Path, Path], trained: Run
    ) -> None:
        run, data = moved
        for row in rows(trained, "test"):
            (data / row.path).rename((data / row.path).with_name("renamed-" + row.path[-8:]))
        assert same(evaluate_run(run), trained.evaluation.to_json())

    def test_is_measured_without_what_is_gone_or_changed_and_says_so(
        self, moved: tuple[Path, Path], trained: Run
    ) -> None:
        run, data = moved
        gone, changed = rows(trained, "test")[:2]
        (data / gone.path).unlink()
        (data / changed.path).write_bytes((data / changed.path).read_bytes() + b"x")
        measured = evaluate_run(run)
        assert num_measured(measured) == trained.evaluation.test.n - 2
        [note] = [note for note in measured.notes if "2 test images are gone or changed" in note]
        assert gone.path in note
        assert changed.path in note

    def test_takes_no_notice_of_photos_that_came_later(
        self, moved: tuple[Path, Path], trained: Run, other_faces: SampleSet
    ) -> None:
        run, data = moved
        shutil.copy(
            sorted((other_faces.folder / "sad").glob("face-*"))[0], data / "sad" / "new.img"
        )
        assert same(evaluate_run(run), trained.evaluation.to_json())

    def test_of_a_folder_that_is_gone_is_an_error(self, moved: tuple[Path, Path]) -> None:
        run, data = moved
        shutil.rmtree(data)
        with pytest.raises(DataError, match="does not exist"):
            evaluate_run(run)

    def test_of_a_folder_of_other_photos_is_an_error(
        self, moved: tuple[Path, Path], other_faces: SampleSet
    ) -> None:
        run, data = moved
        shutil.rmtree(data)
        shutil.copytree(other_faces.folder, data)
        with pytest.raises(DataError, match="none of the run's test images"):
            evaluate_run(run)

    def test_of_a_class_that_was_renamed_is_an_error(self, moved: tuple[Path, Path]) -> None:
        run, data = moved
        (data / "happy").rename(data / "joyful")
        with pytest.raises(DataError, match=r"does not know: joyful; expected happy, sad"):
            evaluate_run(run)

    def test_is_measured_without_what_only_training_needs(
        self, trained: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(*_: object, **__: object) -> None:
            raise DependencyError("onnx is not installed.")

        monkeypatch.setattr("candid.evaluation.evaluate.extract_catalog", missing)
        measured = evaluate_run(trained.folder)
        assert measured.evaluation.kfold is None
        assert measured.evaluation.test.accuracy == trained.evaluation.test.accuracy
        assert "only the test part was measured again" in measured.notes[0]

    def test_golden_answers_are_compared_with_the_model(
        self, copied_run: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise ArtifactError("otherwise")

        monkeypatch.setattr("candid.runs.classifier.Classifier.check_golden", refuse)
        with pytest.raises(ArtifactError, match="otherwise"):
            evaluate_run(copied_run)


class TestAnotherFolder:
    def test_is_measured_whole(self, trained: Run, other_faces: SampleSet) -> None:
        measured = evaluate_run(trained.folder, other_faces.folder)
        # 12 drawn, and 7 readable injected ones
        assert num_measured(measured) == 12 + 7
        assert measured.evaluation.kfold is None
        largest, colour, neighbour = measured.evaluation.baselines
        assert (largest.name, colour.name) == (LARGEST_CLASS, "brightness and colour alone")
        assert neighbour.accuracy.n == 12 + 7
        # The rules are fitted on what the model was trained on, not on what is measured.
        labels = Counter(
            row.label
            for row in read_csv(trained.folder / "split.csv").rows
            if row.part in ("train", "val")
        )
        [(name, _)] = labels.most_common(1)
        place = measured.evaluation.classes.index(name)
        assert largest.accuracy.value == measured.evaluation.test.confusion[place].sum() / (12 + 7)

    def test_names_what_can_not_be_read(self, trained: Run, other_faces: SampleSet) -> None:
        notes = evaluate_run(trained.folder, other_faces.folder).notes
        assert any(note.startswith("happy/IMG_2041.jpg is left out: truncated") for note in notes)
        assert any(note.startswith("sad/IMG_2043.jpg is left out: not an image") for note in notes)

    def test_copies_of_what_it_was_trained_on_are_left_out(
        self, trained: Run, other_faces: SampleSet, other: Path
    ) -> None:
        before = num_measured(evaluate_run(trained.folder, other_faces.folder))
        exact, small = rows(trained, "train", suffix=".jpg")[:2]
        [mirrored] = rows(trained, "val", suffix=".jpg")[:1]
        source = trained.classifier.require_manifest().data.folder

        def content(row: Row) -> bytes:
            return (Path(source) / row.path).read_bytes()

        (other / exact.label / "x1.jpg").write_bytes(content(exact))
        (other / small.label / "x2.jpg").write_bytes(
            reencoded(content(small), quality=60, shrink=2)
        )
        (other / mirrored.label / "x3.jpg").write_bytes(mirrored_copy(content(mirrored)))
        measured = evaluate_run(trained.folder, other)
        assert num_measured(measured) == before
        assert any(note.startswith("3 images are left out") for note in measured.notes)
        assert measured.of != "Test part"

    def test_what_was_only_tested_on_is_measured(
        self, trained: Run, faces: SampleSet, other_faces: SampleSet, other: Path
    ) -> None:
        before = num_measured(evaluate_run(trained.folder, other_faces.folder))
        row = rows(trained, "test")[0]
        shutil.copy(faces.folder / row.path, other / row.label / "tested.img")
        assert num_measured(evaluate_run(trained.folder, other)) == before + 1

    def test_copies_within_it_make_the_interval_wider_and_not_narrower(
        self, trained: Run, other_faces: SampleSet, other: Path
    ) -> None:
        plain = evaluate_run(trained.folder, other_faces.folder).evaluation.test.accuracy
        for path in sorted(other.glob("*/face-*"))[:6]:
            content = path.read_bytes()
            for number in range(4):
                copy = path.with_name(f"{path.stem}-copy{number}.jpg")
                copy.write_bytes(reencoded(content, quality=70 + number))
        copied = evaluate_run(trained.folder, other).evaluation.test.accuracy
        assert plain is not None
        assert copied is not None
        assert copied.n == plain.n + 24
        assert copied.high - copied.low > plain.high - plain.low

    def test_of_nothing_but_its_own_training_images_is_an_error(
        self, trained: Run, faces: SampleSet, tmp_path: Path
    ) -> None:
        for row in rows(trained, "train"):
            target = tmp_path / "other" / row.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(faces.folder / row.path, target)
        with pytest.raises(DataError, match="nothing that the model was not trained on"):
            evaluate_run(trained.folder, tmp_path / "other")

    def test_with_an_unknown_class_is_an_error(self, trained: Run, folder: Path) -> None:
        with pytest.raises(DataError, match="does not know: cat, dog; expected happy, sad"):
            evaluate_run(trained.folder, folder)

    def test_that_is_not_there_is_an_error(self, trained: Run, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not exist"):
            evaluate_run(trained.folder, tmp_path / "absent")

    def test_is_measured_where_the_training_images_are_gone_and_says_what_that_means(
        self, moved: tuple[Path, Path], other_faces: SampleSet
    ) -> None:
        run, data = moved
        shutil.rmtree(data)
        measured = evaluate_run(run, other_faces.folder)
        assert num_measured(measured) == 19
        assert any("only exact copies of training images" in note for note in measured.notes)
        assert [row.name for row in measured.evaluation.baselines] == [LARGEST_CLASS]

    def test_is_compared_with_rules_only_where_all_the_training_images_are_there(
        self, moved: tuple[Path, Path], trained: Run, other_faces: SampleSet
    ) -> None:
        run, data = moved
        before = evaluate_run(run, other_faces.folder).evaluation.baselines
        assert len(before) == 3
        (data / rows(trained, "train")[0].path).unlink()
        after = evaluate_run(run, other_faces.folder).evaluation.baselines
        assert after == before[:1]
        assert after[0].name == LARGEST_CLASS

    def test_is_measured_where_the_cache_can_not_be_written(
        self,
        trained: Run,
        other_faces: SampleSet,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("CANDID_CACHE", os.fspath(tmp_path / "file" / "cache"))
        assert num_measured(evaluate_run(trained.folder, other_faces.folder)) == 19


class TestTheReport:
    def test_is_not_written_where_none_can_be_and_none_was_asked_for(
        self, trained: Run, other_faces: SampleSet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # `os.access` lets root write anywhere.
        monkeypatch.setattr("candid.runs.paths.os.access", lambda *_: False)
        assert find_page(trained.folder, DataSource(other_faces.folder), None) is None
        asked = other_faces.folder.parent / "asked.html"
        with pytest.raises(UsageError, match="can't be written"):
            find_page(trained.folder, DataSource(other_faces.folder), asked)

    def test_is_not_written_among_the_photos(self, copied_run: Path) -> None:
        data = copied_run.parent
        assert find_page(copied_run, DataSource(data), None) is None
        with pytest.raises(UsageError, match="--report"):
            find_page(copied_run, DataSource(data), data / "page.html")

    def test_of_the_runs_own_folder_is_refused_before_the_work(
        self, trained: Run, faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = tmp_path / "page.html"
        monkeypatch.setattr("candid.evaluation.evaluate.evaluate_run", None)
        arguments = ["evaluate", str(trained.folder), str(faces.folder), "--report", str(page)]
        error = CliRunner().invoke(app, arguments).exception
        assert isinstance(error, UsageError)
        assert str(error).startswith("--report is for another folder")
        assert "\n" not in str(error)
        assert not page.exists()


def test_a_run_of_more_classes_has_their_mean_and_no_threshold(
    tmp_path: Path, write_picture: Callable[..., Path]
) -> None:
    for place, name in enumerate(("blue", "green", "red")):
        for number in range(12):
            path = write_picture(
                tmp_path / "data" / name / f"{number}.png", seed=100 * place + number
            )
            picture = cv2.imread(str(path)) // 3
            picture[..., place] += np.uint8(150)
            cv2.imwrite(str(path), picture)
    options = TrainOptions(backbone="efficientnet-lite0")
    run = train(tmp_path / "data", run=tmp_path / "run", options=options)
    evaluation = evaluate_run(run.folder).evaluation
    assert list(differences(run.evaluation.to_json(), evaluation.to_json())) == []
    assert evaluation.test.binary_accuracy is None
    assert evaluation.kfold is not None
    assert evaluation.kfold.accuracy is not None
    assert evaluation.kfold.accuracy.value > 0.9
    with pytest.raises(UsageError, match="a threshold is for two classes; this model has 3"):
        evaluate_run(run.folder, threshold=0.3)
    with pytest.raises(UsageError, match="a threshold is for two classes"):
        train(
            tmp_path / "data",
            run=tmp_path / "other",
            options=TrainOptions(backbone="efficientnet-lite0", rule=DecisionRule(0.3)),
        )
    assert not (tmp_path / "other").exists()


class TestWhatChangedSince:
    def test_a_class_that_came_later_changes_nothing(
        self, moved: tuple[Path, Path], trained: Run, write_picture: Callable[..., Path]
    ) -> None:
        run, data = moved
        write_picture(data / "aaa" / "new.png")
        assert same(evaluate_run(run), trained.evaluation.to_json())

    def test_train_photos_that_are_gone_are_noted(
        self, moved: tuple[Path, Path], trained: Run
    ) -> None:
        run, data = moved
        for row in rows(trained, "train")[:3]:
            (data / row.path).unlink()
        measured = evaluate_run(run)
        assert any("3 photos of the train and val parts are gone" in n for n in measured.notes)
        assert measured.evaluation.kfold is not None
        assert trained.evaluation.kfold is not None
        assert measured.evaluation.kfold.n == trained.evaluation.kfold.n - 3

    def test_photos_that_are_gone_can_not_be_searched_for_copies_which_is_noted(
        self, moved: tuple[Path, Path], trained: Run, other_faces: SampleSet
    ) -> None:
        run, data = moved
        for row in rows(trained, "train")[:3]:
            (data / row.path).unlink()
        notes = evaluate_run(run, other_faces.folder).notes
        assert any("3 photos that it was trained on are gone" in note for note in notes)

    def test_a_folder_of_which_nothing_can_be_read_is_an_error(
        self, trained: Run, tmp_path: Path
    ) -> None:
        for name in ("happy", "sad"):
            (tmp_path / "junk" / name).mkdir(parents=True)
            (tmp_path / "junk" / name / "a.jpg").write_bytes(b"\xff\xd8\xff junk")
        with pytest.raises(DataError, match="can be read"):
            evaluate_run(trained.folder, tmp_path / "junk")
