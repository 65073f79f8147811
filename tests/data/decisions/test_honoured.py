"""A run is trained and evaluated by the user's decisions, from folder to artifact."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import candid.evaluation.evaluate
import candid.splits.prepare
from candid.cli.demo import SampleSet
from candid.data.catalog import Catalog
from candid.data.decisions import Decision, to_csv
from candid.errors import ArtifactError, DataError, UsageError
from candid.evaluation.evaluate import Measured, evaluate_run
from candid.evaluation.verify import differences
from candid.runs.artifact import read_manifest
from candid.runs.manifest import DecisionsSummary
from candid.splits.split import Row, read_csv
from candid.training import Run, TrainOptions, train

StateOf = Callable[[Path], dict[str, tuple[str, int]]]
OPTIONS = TrainOptions(backbone="efficientnet-lite0")
NOTE = "mine.csv: 3 photos dropped, 1 relabelled"
MOVED = "sad/IMG_2044.jpg"  # the happy face among the sad ones


def plant(faces: SampleSet, kind: str) -> str:
    return next(plant.path.as_posix() for plant in faces.defects if plant.kind == kind)


def decision(folder: Path, path: str, word: str, finding: str = "found") -> Decision:
    content = hashlib.sha256((folder / path).read_bytes()).hexdigest()
    return Decision(path, content, finding, "", word)


@pytest.fixture(scope="module")
def sheet(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decisions as filled in and saved by a spreadsheet."""
    rows = [
        decision(faces.folder, plant(faces, "identical_copy"), "drop"),
        decision(faces.folder, plant(faces, "identical_copy").replace(" (1)", ""), ""),
        decision(faces.folder, plant(faces, "both_classes"), "Drop"),
        decision(faces.folder, plant(faces, "text_as_image"), "DROP"),
        decision(faces.folder, plant(faces, "wrong_label"), "happy"),
        decision(faces.folder, "sad/scan-0001.png", "keep", "grey"),
        decision(faces.folder, "happy/IMG_2042.jpg", "", "rotated"),
    ]
    file = tmp_path_factory.mktemp("sheet") / "mine.csv"
    file.write_text("\ufeff" + to_csv(rows).replace(",", ";"), newline="\r\n")
    return file


@pytest.fixture(scope="module")
def decided(faces: SampleSet, sheet: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run trained with them, read-only."""
    folder = tmp_path_factory.mktemp("decided") / "run"
    return train(faces.folder, run=folder, options=replace(OPTIONS, decisions=sheet))


def rows_of(run: Path) -> dict[str, Row]:
    return {row.path: row for row in read_csv(run / "split.csv").rows}


def classes_tested(run: Path) -> dict[str, str]:
    """Classes by path of the test part."""
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as lines:
        return {r["path"]: r["class"] for r in csv.DictReader(lines) if r["estimate"] == "test"}


@pytest.fixture
def moved(decided: Run, faces: SampleSet, tmp_path: Path) -> tuple[Path, Path]:
    """Writable copies of the run and of its folder."""
    data = Path(shutil.copytree(faces.folder, tmp_path / "faces"))
    run = Path(shutil.copytree(decided.folder, tmp_path / "run"))
    manifest = json.loads((run / "candid.json").read_text())
    manifest["data"]["folder"] = str(data.resolve())
    (run / "candid.json").write_text(json.dumps(manifest))
    return run, data


def same(measured: Measured, run: Run) -> bool:
    written, now = (each.evaluation.to_json() for each in (run, measured))
    return list(differences(written, now)) == []


class TestTheRun:
    def test_leaves_out_what_was_dropped_and_says_so_in_a_line(
        self, decided: Run, faces: SampleSet
    ) -> None:
        rows = rows_of(decided.folder)
        for kind in ("identical_copy", "both_classes", "text_as_image"):
            row = rows[plant(faces, kind)]
            content = hashlib.sha256((faces.folder / row.path).read_bytes()).hexdigest()
            assert row == Row(row.path, row.path.split("/")[0], "", "", content)
        assert NOTE in decided.notes
        assert not [note for note in decided.notes if "by decision" in note]

    def test_uses_the_picture_whose_copy_in_the_other_class_was_dropped(
        self, decided: Run, trained: Run, faces: SampleSet
    ) -> None:
        [path] = [
            plant.original.as_posix()
            for plant in faces.defects
            if plant.kind == "both_classes" and plant.original
        ]
        assert rows_of(trained.folder)[path].part == ""
        assert rows_of(decided.folder)[path].part != ""
        assert not [note for note in decided.notes if "in two classes" in note]

    def test_has_the_label_that_was_decided(self, decided: Run, trained: Run) -> None:
        assert rows_of(trained.folder)[MOVED].label == "sad"
        assert rows_of(decided.folder)[MOVED].label == "happy"

    def test_has_a_fingerprint_of_the_labels_as_they_were_decided(
        self, decided: Run, trained: Run
    ) -> None:
        manifest = read_manifest(decided.folder)
        pairs = [(row.content, row.label) for row in rows_of(decided.folder).values() if row.group]
        lines = sorted(f"{content} {label}\n" for content, label in pairs)
        expected = hashlib.sha256("".join(lines).encode()).hexdigest()
        assert manifest.data.fingerprint == expected
        assert read_manifest(trained.folder).data.fingerprint != expected

    def test_holds_the_file_and_its_hash(self, decided: Run, sheet: Path) -> None:
        manifest = read_manifest(decided.folder)
        content = hashlib.sha256(sheet.read_bytes()).hexdigest()
        assert manifest.decisions == DecisionsSummary(
            sha256=content, num_dropped=3, num_relabelled=1, num_kept=1
        )
        assert manifest.files["decisions.csv"] == content
        assert (decided.folder / "decisions.csv").read_bytes() == sheet.read_bytes()
        assert manifest.format_version == 3

    def test_mentions_them_on_its_card_and_its_page(self, decided: Run, trained: Run) -> None:
        card = (decided.folder / "MODEL_CARD.md").read_text()
        assert "3 dropped and 1 relabelled, as listed in `decisions.csv`." in card
        assert NOTE in (decided.folder / "report.html").read_text()
        assert "relabelled" not in (trained.folder / "MODEL_CARD.md").read_text()

    def test_without_any_is_as_it_was(self, trained: Run) -> None:
        manifest = read_manifest(trained.folder)
        assert manifest.decisions is None
        assert "decisions.csv" not in manifest.files

    def test_can_be_trained_again_from_its_own_file(
        self, decided: Run, faces: SampleSet, tmp_path: Path
    ) -> None:
        options = replace(OPTIONS, decisions=decided.folder / "decisions.csv")
        again = train(faces.folder, run=tmp_path / "run", options=options)
        for name in ("model.onnx", "metrics.json", "split.csv", "decisions.csv"):
            assert (again.folder / name).read_bytes() == (decided.folder / name).read_bytes(), name

    def test_of_which_all_rows_were_deleted_is_one_without(
        self, trained: Run, faces: SampleSet, tmp_path: Path
    ) -> None:
        (tmp_path / "empty.csv").write_text(to_csv([]))
        options = replace(OPTIONS, decisions=tmp_path / "empty.csv")
        run = train(faces.folder, run=tmp_path / "run", options=options)
        for name in ("model.onnx", "metrics.json", "split.csv", "predictions.csv"):
            assert (run.folder / name).read_bytes() == (trained.folder / name).read_bytes(), name


def test_what_was_dropped_is_not_even_looked_at(
    decided: Run, faces: SampleSet, sheet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del decided
    seen: list[Catalog] = []
    look = candid.splits.prepare.extract_features

    def watched(catalog: Catalog, *rest: object, **options: object) -> object:
        seen.append(catalog)
        return look(catalog, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(candid.splits.prepare, "extract_features", watched)
    train(faces.folder, run=tmp_path / "run", options=replace(OPTIONS, decisions=sheet))
    [catalog] = seen
    paths = {photo.path for photo in catalog.photos}
    assert MOVED in paths
    assert plant(faces, "text_as_image") not in paths


def test_the_users_folder_and_file_are_as_they_were(
    faces: SampleSet, sheet: Path, tmp_path: Path, state_of: StateOf
) -> None:
    before = state_of(faces.folder), state_of(sheet.parent)
    run = train(faces.folder, run=tmp_path / "run", options=replace(OPTIONS, decisions=sheet))
    evaluate_run(run.folder)
    assert (state_of(faces.folder), state_of(sheet.parent)) == before


def test_the_bytes_that_were_applied_are_kept_where_the_file_changes_meanwhile(
    faces: SampleSet, sheet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path(shutil.copy(sheet, tmp_path / "mine.csv"))
    find = candid.splits.prepare.find_duplicates

    def saved_again(*rest: object, **options: object) -> object:
        file.write_text("")
        return find(*rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(candid.splits.prepare, "find_duplicates", saved_again)
    options = replace(OPTIONS, decisions=file)
    run = train(faces.folder, run=tmp_path / "run", options=options)
    assert (run.folder / "decisions.csv").read_bytes() == sheet.read_bytes()
    read_manifest(run.folder)


class TestMeasuringAgain:
    def test_gives_the_same_figures(self, decided: Run) -> None:
        measured = evaluate_run(decided.folder)
        assert same(measured, decided)
        assert measured.evaluation.kfold is not None
        assert measured.notes == ()

    def test_sees_test_images_with_the_labels_that_were_decided(
        self, trained: Run, faces: SampleSet, tmp_path: Path
    ) -> None:
        """Relabelled to a wrong class, they are evaluated with it."""
        paths = [path for path in classes_tested(trained.folder) if "face-" in path][:3]
        other = {"happy": "sad", "sad": "happy"}
        rows = [decision(faces.folder, path, other[path.split("/")[0]]) for path in paths]
        (tmp_path / "mine.csv").write_text(to_csv(rows))
        split = candid.splits.prepare.SplitOptions(previous=trained.folder / "split.csv")
        options = replace(OPTIONS, split=split, decisions=tmp_path / "mine.csv")
        run = train(faces.folder, run=tmp_path / "run", options=options)
        assert {path: classes_tested(run.folder)[path] for path in paths} == {
            path: other[path.split("/")[0]] for path in paths
        }
        assert run.evaluation.to_json() != trained.evaluation.to_json()
        assert same(evaluate_run(run.folder), run)

    def test_is_not_about_the_sheet_as_it_is_now(
        self, faces: SampleSet, sheet: Path, tmp_path: Path
    ) -> None:
        file = Path(shutil.copy(sheet, tmp_path / "mine.csv"))
        options = replace(OPTIONS, decisions=file)
        run = train(faces.folder, run=tmp_path / "run", options=options)
        file.unlink()
        assert same(evaluate_run(run.folder), run)

    def test_finds_relabelled_photos_by_content_where_files_were_renamed(
        self, moved: tuple[Path, Path], decided: Run
    ) -> None:
        run, data = moved
        (data / MOVED).rename(data / "sad" / "renamed.jpg")
        assert same(evaluate_run(run), decided)

    def test_gives_the_same_figures_once_the_person_has_done_as_decided(
        self, moved: tuple[Path, Path], decided: Run, faces: SampleSet
    ) -> None:
        """The dropped files are deleted, the mislabelled one moved; nothing else may change."""
        run, data = moved
        for kind in ("identical_copy", "both_classes", "text_as_image"):
            (data / plant(faces, kind)).unlink()
        (data / MOVED).rename(data / "happy" / "IMG_2044.jpg")
        assert same(evaluate_run(run), decided)

    def test_where_a_class_was_renamed_is_an_error(self, moved: tuple[Path, Path]) -> None:
        run, data = moved
        (data / "happy").rename(data / "joyful")
        with pytest.raises(DataError, match="does not know: joyful; expected happy, sad"):
            evaluate_run(run)

    def test_on_another_folder_decides_nothing_there(
        self,
        decided: Run,
        faces: SampleSet,
        tmp_path: Path,
        write_picture: Callable[..., Path],
    ) -> None:
        """A dropped photo was not trained on, so it is evaluated, with its folder's label."""
        shared = plant(faces, "both_classes")
        other = tmp_path / "other"
        for path in (plant(faces, "text_as_image"), "sad/face-0002.png", shared, MOVED):
            if (faces.folder / path).is_file():
                (other / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(faces.folder / path, other / path)
        write_picture(other / "sad" / "new.png", seed=77)
        measured = evaluate_run(decided.folder, other)
        assert any(note.startswith(plant(faces, "text_as_image")) for note in measured.notes)
        assert "mine.csv" not in "".join(measured.notes)
        assert "gone or changed" not in "".join(measured.notes)

    def test_leaves_out_copies_of_what_was_trained_on_only(
        self, decided: Run, faces: SampleSet, tmp_path: Path
    ) -> None:
        parts = rows_of(decided.folder)
        [original] = [
            p.original.as_posix() for p in faces.defects if p.kind == "both_classes" and p.original
        ]
        for path in (plant(faces, "both_classes"), *classes_tested(decided.folder)):
            target = tmp_path / "other" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(faces.folder / path, target)
        measured = evaluate_run(decided.folder, tmp_path / "other")
        seen = parts[original].part in ("train", "val")
        expected = len(classes_tested(decided.folder)) + (not seen)
        assert int(measured.evaluation.test.n) == expected

    def test_on_another_folder_holds_it_against_what_the_run_saw(
        self, decided: Run, faces: SampleSet, sample: SampleSet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Catalog] = []
        see = candid.evaluation.evaluate.extract_catalog

        def watched(catalog: Catalog, **options: object) -> object:
            seen.append(catalog)
            return see(catalog, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(candid.evaluation.evaluate, "extract_catalog", watched)
        evaluate_run(decided.folder, sample.folder)
        [own] = [catalog for catalog in seen if catalog.source.path == faces.folder.resolve()]
        assert {photo.path: photo.label for photo in own.photos}[MOVED] == "happy"
        assert plant(faces, "identical_copy") not in {photo.path for photo in own.photos}


class TestADamagedRun:
    def test_that_lacks_its_decisions_is_refused(self, moved: tuple[Path, Path]) -> None:
        run, _ = moved
        (run / "decisions.csv").unlink()
        with pytest.raises(ArtifactError, match=r"lacks decisions\.csv"):
            evaluate_run(run)

    def test_whose_decisions_were_edited_is_refused(self, moved: tuple[Path, Path]) -> None:
        run, _ = moved
        with (run / "decisions.csv").open("a") as file:
            file.write("sad/x.jpg;;;;drop\n")
        with pytest.raises(ArtifactError, match=r"decisions\.csv is not as it was written"):
            evaluate_run(run)

    def test_whose_manifest_does_not_list_them_is_refused(self, moved: tuple[Path, Path]) -> None:
        run, _ = moved
        manifest = json.loads((run / "candid.json").read_text())
        del manifest["files"]["decisions.csv"]
        (run / "candid.json").write_text(json.dumps(manifest))
        with pytest.raises(ArtifactError, match=r"does not list decisions\.csv"):
            evaluate_run(run)

    def test_of_before_there_were_decisions_is_one_without(self, copied_run: Path) -> None:
        manifest = json.loads((copied_run / "candid.json").read_text())
        del manifest["decisions"]
        (copied_run / "candid.json").write_text(json.dumps(manifest))
        assert evaluate_run(copied_run).evaluation.test.accuracy is not None


class TestRefusals:
    def test_a_file_that_makes_no_sense_before_any_work(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.csv").write_text("path,label\n")
        options = replace(OPTIONS, decisions=tmp_path / "mine.csv")
        with pytest.raises(UsageError, match="lacks the columns"):
            train(folder / "not even there", run=tmp_path / "run", options=options)

    def test_a_class_of_which_only_broken_photos_are_left(
        self, folder: Path, tmp_path: Path
    ) -> None:
        (folder / "cat" / "a.png").write_bytes(b"no picture")
        (tmp_path / "mine.csv").write_text(to_csv([decision(folder, "cat/b.png", "drop")]))
        options = replace(OPTIONS, decisions=tmp_path / "mine.csv")
        with pytest.raises(DataError, match=r"no photo of class 'cat' can be read; cat/a\.png: "):
            train(folder, run=tmp_path / "run", options=options)
        assert not (tmp_path / "run").exists()
