"""Training: the written run, nothing fitted on the test part, the same seed, refused input."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.tensorflow_stub.errors import OutOfRangeError
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

import candid.features.extract
from candid.cli.demo import SampleSet, draw_sample
from candid.core.safe_json import to_json
from candid.data.images import decode, read_file
from candid.data.images.decode import decode_upright
from candid.errors import DataError, DependencyError, SplitError, UsageError
from candid.evaluation.comparing import compare_runs
from candid.evaluation.evaluation import headline
from candid.evaluation.verify import verify_run
from candid.features.backbones.registry import Embedder
from candid.models.decision_rule import DecisionRule
from candid.runs.artifact import find_run, read_manifest
from candid.splits.prepare import SplitOptions
from candid.splits.split import read_csv
from candid.training import Run, TrainOptions, train
from candid.training.files import _taking_turns
from candid.training.options import choose

StateOf = Callable[[Path], dict[str, tuple[str, int]]]

OPTIONS = TrainOptions(backbone="efficientnet-lite0")
FILES = {
    "MODEL_CARD.md",
    "candid.json",
    "golden.npz",
    "history.csv",
    "metrics.json",
    "model.onnx",
    "neighbours.npz",
    "predictions.csv",
    "report.html",
    "split.csv",
    "tensorboard",
}


def predictions(run: Run) -> list[dict[str, str]]:
    with (run.folder / "predictions.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def events(file: Path) -> Iterator[Event]:
    """Read by TensorBoard itself, which verifies the checksums."""
    reader = PyRecordReader_New(str(file))
    with suppress(OutOfRangeError):
        while True:
            reader.GetNext()
            yield Event.FromString(reader.record())


#: Everything in the manifest that is chosen in training.
CHOSEN = ("classes", "pixels", "rule", "calibration", "abstention", "settings")


class TestTheRun:
    def test_has_exactly_these_files(self, trained: Run) -> None:
        assert {path.name for path in trained.folder.iterdir()} == FILES
        assert [path.name for path in trained.folder.parent.iterdir()] == [trained.folder.name]

    def test_holds_a_golden_photo_of_each_class_in_turn(
        self, trained: Run, faces: SampleSet
    ) -> None:
        contract = trained.classifier.contract
        rows = [row for row in read_csv(trained.folder / "split.csv").rows if row.part == "test"]
        labels = {
            decode(read_file(faces.folder / row.path), contract).tobytes(): row.label
            for row in rows
        }
        with np.load(trained.folder / "golden.npz") as golden:
            shown = [labels[image.tobytes()] for image in golden["image"]]
        assert shown == ["happy", "sad", "happy"]
        assert list(_taking_turns(list("aaabccb"))) == [0, 3, 4, 1, 6, 5, 2]

    def test_lists_the_hash_of_each_file(self, trained: Run) -> None:
        manifest = read_manifest(trained.folder)
        assert set(manifest.files) == FILES - {"candid.json", "tensorboard"}
        assert manifest.format_version == 3
        assert manifest.classes == ("happy", "sad")
        assert manifest.data.num_photos == 60 + 7
        assert to_json(manifest.metrics) == headline(trained.evaluation.to_json())
        assert manifest.metrics is not None
        assert manifest.metrics.kfold is not None
        assert manifest.metrics.kfold.accuracy == manifest.metrics.kfold_accuracy

    def test_the_report_shows_the_metrics(self, trained: Run) -> None:
        written = json.loads((trained.folder / "metrics.json").read_text())
        assert written == trained.evaluation.to_json()
        page = (trained.folder / "report.html").read_text()
        for estimate in (written, written["kfold"]):
            for name in ("accuracy", "roc_auc", "log_loss"):
                assert f"{estimate[name]['value']:.3f}" in page, name

    def test_every_figure_can_be_computed_from_its_predictions(self, trained: Run) -> None:
        tested = [row for row in predictions(trained) if row["estimate"] == "test"]
        right = np.mean([row["class"] == row["label"] for row in tested])
        accuracy = trained.evaluation.test.accuracy
        assert accuracy is not None
        assert accuracy.value == pytest.approx(right)
        assert accuracy.n == len(tested)
        held_out = [row for row in predictions(trained) if row["estimate"] == "kfold"]
        assert trained.evaluation.kfold is not None
        assert trained.evaluation.kfold.n == len(held_out)

    def test_the_classifier_predicts_what_was_evaluated(
        self, trained: Run, faces: SampleSet
    ) -> None:
        tested = [row for row in predictions(trained) if row["estimate"] == "test"]
        answers = trained.classifier.predict([faces.folder / row["path"] for row in tested])
        np.testing.assert_allclose(
            [answer.probabilities["sad"] for answer in answers],
            [float(row["p(sad)"]) for row in tested],
            atol=1e-3,
        )
        assert [answer.label for answer in answers] == [row["label"] for row in tested]

    def test_no_picture_is_in_two_parts(self, trained: Run) -> None:
        parts: dict[str, set[str]] = {}
        for row in read_csv(trained.folder / "split.csv").rows:
            parts.setdefault(row.group, set()).add(row.part)
        assert not [group for group, its in parts.items() if group and len(its) > 1]

    def test_no_two_classes_share_a_trained_picture(self, trained: Run, faces: SampleSet) -> None:
        [defect] = [defect for defect in faces.defects if defect.kind == "both_classes"]
        rows = {row.path: row for row in read_csv(trained.folder / "split.csv").rows}
        assert defect.original is not None
        assert rows[defect.path.as_posix()].part == rows[defect.original.as_posix()].part == ""

    def test_its_curves_are_read_by_tensorboard(self, trained: Run) -> None:
        [file] = (trained.folder / "tensorboard").rglob("events.out.*")
        tags = Counter(value.tag for event in events(file) for value in event.summary.value)
        with (trained.folder / "history.csv").open(newline="") as lines:
            num_tried = len(list(csv.DictReader(lines)))
        assert tags["held_out_log_loss"] == num_tried > 1
        assert {"test/binary_accuracy", "kfold/accuracy", "leak_tax/tax", "settings"} <= set(tags)
        assert any(tag.startswith("pr_curves/") or "pr" in tag for tag in tags)

    def test_is_written_to_the_next_free_name_and_found_as_the_latest(
        self, faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        folders = [train(faces.folder, options=OPTIONS).folder for _ in range(2)]
        assert [folder.name for folder in folders] == ["faces-transfer-1", "faces-transfer-2"]
        assert find_run("runs/latest").resolve() == folders[1]
        assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
            "faces-transfer-1",
            "faces-transfer-2",
            "latest",
        ]


@pytest.fixture(scope="module")
def shuffled(
    trained: Run, faces: SampleSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Run, int]:
    """A run with half of the test photos moved to the other class; and their number."""
    folder = tmp_path_factory.mktemp("shuffled")
    data = Path(shutil.copytree(faces.folder, folder / "faces"))
    split = trained.folder / "split.csv"
    rows = read_csv(split).rows
    tested = [row for row in rows if row.part == "test"]
    # whole groups: a picture in two classes would be in no part
    groups = sorted({row.group for row in tested})
    moved = set(np.random.default_rng(0).permutation(groups)[: len(groups) // 2].tolist())
    wrong = [row for row in tested if row.group in moved]
    for number, row in enumerate(wrong):
        other = "sad" if row.label == "happy" else "happy"
        (data / row.path).rename(data / other / f"moved-{number}-{Path(row.path).name}")
    options = replace(OPTIONS, split=SplitOptions(previous=split))
    return train(data, run=folder / "run", options=options), len(wrong)


def test_shuffling_the_test_labels_changes_no_byte_of_the_model(
    trained: Run, shuffled: tuple[Run, int]
) -> None:
    run, num_moved = shuffled
    assert num_moved > 2
    for name in ("model.onnx", "neighbours.npz", "history.csv"):
        before, after = ((each.folder / name).read_bytes() for each in (trained, run))
        assert before == after, name
    before, after = read_manifest(trained.folder), read_manifest(run.folder)
    for key in CHOSEN:
        assert getattr(before, key) == getattr(after, key), key


def test_shuffling_the_test_labels_changes_the_figures(
    trained: Run, shuffled: tuple[Run, int]
) -> None:
    run, num_moved = shuffled
    before, after = (
        json.loads((each.folder / "metrics.json").read_text())["accuracy"]
        for each in (trained, run)
    )
    assert before["n"] == after["n"]
    tested = [row["path"] for row in predictions(run) if row["estimate"] == "test"]
    assert sum("moved-" in path for path in tested) == num_moved
    assert before["value"] != after["value"]
    assert num_moved < before["n"]


def test_removing_test_photos_changes_no_byte_of_the_model(
    trained: Run, faces: SampleSet, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(faces.folder, tmp_path / "faces"))
    split = trained.folder / "split.csv"
    tested = [row for row in read_csv(split).rows if row.part == "test"]
    for row in tested[: len(tested) // 2]:
        (data / row.path).unlink()
    options = replace(OPTIONS, split=SplitOptions(previous=split))
    run = train(data, run=tmp_path / "run", options=options)
    assert (run.folder / "model.onnx").read_bytes() == (trained.folder / "model.onnx").read_bytes()
    known = read_manifest(trained.folder).abstention
    assert read_manifest(run.folder).abstention == known


class TestTheSameSeed:
    def test_gives_the_same_model_and_the_same_figures(
        self, trained: Run, faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # with an empty cache: computed and cached features are the same
        monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "cache"))
        again = train(faces.folder, run=tmp_path / "run", options=OPTIONS)
        for name in ("model.onnx", "metrics.json", "split.csv", "predictions.csv", "history.csv"):
            assert (again.folder / name).read_bytes() == (trained.folder / name).read_bytes(), name
        first, second = read_manifest(trained.folder), read_manifest(again.folder)
        assert replace(first, files={}) == replace(second, files={})

    def test_another_seed_gives_another_split(
        self, trained: Run, faces: SampleSet, tmp_path: Path
    ) -> None:
        options = replace(OPTIONS, split=SplitOptions(seed=2))
        run = tmp_path / "run"
        other = train(faces.folder, run=run, seed=1, recipe="transfer", options=options)
        manifest = read_manifest(run)
        assert (manifest.settings.seed, manifest.prepared_with.backbone) == (1, OPTIONS.backbone)
        assert (other.folder / "split.csv").read_bytes() != (
            trained.folder / "split.csv"
        ).read_bytes()


def test_a_recipe_that_does_not_exist_is_named(faces: SampleSet, tmp_path: Path) -> None:
    expected = r"one of transfer, finetune, cnn, auto\. Received: 'resnet'"
    with pytest.raises(UsageError, match=expected):
        train(faces.folder, run=tmp_path / "run", recipe="resnet")  # type: ignore[arg-type]


def test_the_options_are_changed_by_what_is_given_beside_them() -> None:
    chosen = choose(OPTIONS, 7, "cnn")
    assert chosen == replace(OPTIONS, split=SplitOptions(seed=7), recipe="cnn")
    assert choose(OPTIONS, None, None) is OPTIONS
    assert choose(chosen, 0, None).split.seed == 0


def test_a_second_run_decodes_and_embeds_nothing(
    trained: Run, faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def recorded(data: bytes, *rest: object) -> np.ndarray:
        pixels = decode_upright(data, *rest)  # type: ignore[arg-type]
        decoded.append(data)
        return pixels

    def embed(*_: object) -> None:
        raise AssertionError("embedded again")

    monkeypatch.setattr(candid.features.extract, "decode_upright", recorded)
    monkeypatch.setattr(Embedder, "embed", embed)
    again = train(faces.folder, run=tmp_path / "run", options=OPTIONS)
    assert decoded == []
    assert again.evaluation.to_json() == trained.evaluation.to_json()


def test_the_users_folder_is_as_it_was(faces: SampleSet, tmp_path: Path, state_of: StateOf) -> None:
    before = state_of(faces.folder)
    run = train(faces.folder, run=tmp_path / "run", options=OPTIONS)
    candid.evaluate(run.folder)
    candid.evaluate(run.folder, faces.folder)
    run.classifier.predict([str(path) for path in faces.folder.glob("*/*")])
    assert state_of(faces.folder) == before


class TestRefusals:
    @pytest.mark.parametrize("where", ["run", "happy/run", "."])
    def test_a_run_among_the_photos(
        self, folder: Path, where: str, monkeypatch: pytest.MonkeyPatch, state_of: StateOf
    ) -> None:
        before = state_of(folder)
        with pytest.raises(UsageError, match=r"taken for a class|is not replaced"):
            train(folder, run=folder / where, options=OPTIONS)
        monkeypatch.chdir(folder)
        with pytest.raises(UsageError, match="taken for a class"):
            train(".", options=OPTIONS)
        assert state_of(folder) == before

    def test_a_run_that_is_there_already_before_any_work(self, trained: Run, folder: Path) -> None:
        def untouched() -> list[int]:
            return [path.stat().st_mtime_ns for path in sorted(trained.folder.rglob("*"))]

        before = untouched()
        with pytest.raises(UsageError, match="--overwrite"):
            train(folder / "not even there", run=trained.folder, options=OPTIONS)
        assert untouched() == before

    @pytest.mark.parametrize("threshold", [-1, 7, float("nan")])
    def test_a_threshold_that_is_no_probability(self, threshold: float) -> None:
        with pytest.raises(UsageError, match="from 0 to 1"):
            TrainOptions(rule=DecisionRule(threshold))

    def test_too_few_photos_for_a_test_part(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(SplitError, match="with 10 different pictures, a class has one"):
            train(folder, run=tmp_path / "run", options=OPTIONS)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]

    def test_an_unknown_backbone(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="there is no backbone 'resnet'"):
            train(folder, run=tmp_path / "run", options=TrainOptions(backbone="resnet"))

    def test_a_folder_of_which_no_photo_can_be_read(self, folder: Path, tmp_path: Path) -> None:
        for path in (folder / "cat").iterdir():
            path.write_bytes(b"no picture")
        with pytest.raises(
            DataError, match=r"no photo of class 'cat' can be read; cat/b\.png: not"
        ):
            train(folder, run=tmp_path / "run", options=OPTIONS)

    def test_a_package_that_is_missing_before_any_work(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "tensorboard", None)
        with pytest.raises(DependencyError, match="tensorboard"):
            train(folder / "not even there", run=tmp_path / "run", options=OPTIONS)


def test_a_rare_class_is_named_in_the_terminal_the_report_and_the_card(tmp_path: Path) -> None:
    folder = draw_sample(tmp_path / "faces", num_images=80).folder
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    for file in sorted(classes[1].iterdir())[9:]:
        file.unlink()
    run = train(folder, run=tmp_path / "run", options=OPTIONS)
    name = classes[1].name
    found = re.search(rf"Rarest class: {name}, finds (\d+) of (\d+)", run.to_text())
    assert found is not None
    kfold = run.evaluation.kfold
    assert kfold is not None
    assert [int(number) for number in found.groups()] == [
        kfold.confusion[1, 1],
        kfold.confusion[1].sum(),
    ]
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["rare"]["name"] == name
    report = (run.folder / "report.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert f"Finds {found[1]} of {found[2]} photos of {name}" in report
    assert f"finds {found[1]} of {found[2]}" in (run.folder / "MODEL_CARD.md").read_text("utf-8")


@pytest.fixture
def bursts(tmp_path: Path) -> Path:
    """Twelve photos that show three pictures: each from a burst, the same but for some noise."""
    random = np.random.default_rng(0)
    for label, number, seed in (("cat", 5, 1), ("cat", 4, 2), ("dog", 3, 3)):
        scene = np.random.default_rng(seed).uniform(0, 255, (6, 6, 3)).astype(np.uint8)
        large = cv2.resize(scene, (96, 96), interpolation=cv2.INTER_CUBIC).astype(np.float64)
        for shot in range(number):
            noisy = np.clip(large + random.normal(0, 2, large.shape), 0, 255).astype(np.uint8)
            file = tmp_path / "data" / label / f"burst-{seed}-{shot}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), noisy)
    return tmp_path / "data"


class TestBursts:
    def test_the_few_pictures_are_counted_and_named_with_what_to_do(
        self, bursts: Path, tmp_path: Path
    ) -> None:
        with pytest.raises(
            SplitError,
            match=r"12 photos show 3 different pictures: cat/burst-1-0\.png with 4 others, "
            r"cat/burst-2-0\.png with 3 others and dog/burst-3-0\.png with 2 others\. "
            r"Add photos of other scenes.*--no-figures",
        ):
            train(bursts, run=tmp_path / "run", options=OPTIONS)

    def test_without_figures_a_model_is_trained_on_all_and_labelled(
        self, bursts: Path, tmp_path: Path
    ) -> None:
        run = train(bursts, run=tmp_path / "run", options=replace(OPTIONS, figures=False))
        told = "nothing was measured (--no-figures): 12 photos show 3 different pictures"
        assert {row.part for row in read_csv(run.folder / "split.csv").rows} == {"train"}
        assert any(note.startswith(told) for note in run.notes)
        assert run.to_text().startswith("Nothing measured")
        manifest = read_manifest(run.folder)
        assert manifest.metrics is None
        assert any(note.startswith(told) for note in manifest.data.notes)
        card = (run.folder / "MODEL_CARD.md").read_text("utf-8")
        assert "no image to measure on" in card
        assert "neither a test photo" not in card
        assert "no model has predicted a photo" not in card
        report = (run.folder / "report.html").read_text("utf-8")
        assert "Nothing measured" in report
        assert told in report
        photo = bursts / "dog" / "burst-3-1.png"
        assert run.classifier.predict(photo).label == "dog"
        with pytest.raises(DataError, match=r"all photos of .* were trained on"):
            verify_run(run.folder)
        with pytest.raises(UsageError, match="so there is nothing to compare"):
            compare_runs([run.folder, run.folder])

    def test_the_recipe_cnn_is_always_measured(self) -> None:
        with pytest.raises(UsageError, match="--recipe transfer"):
            TrainOptions(recipe="cnn", figures=False)

    def test_groups_that_are_all_one_are_refused(self, bursts: Path, tmp_path: Path) -> None:
        options = replace(OPTIONS, split=SplitOptions(group_by="burst"))
        with pytest.raises(UsageError, match=r"all 12 photos into one group, 'burst'"):
            train(bursts, run=tmp_path / "run", options=options)
