"""Training within a given time: what is tried, what is kept, and that its figures hold."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from candid.cli.demo import SampleSet
from candid.errors import UsageError
from candid.evaluation.comparing import compare_runs
from candid.evaluation.verify import verify_run
from candid.exporting.export import open_source
from candid.exporting.keras_model import build_classifier
from candid.models.recipes import finetune
from candid.training import Run, TrainOptions, train
from candid.training import finetune as tuning
from candid.training.quality import Candidate, Clock, expected_seconds

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHORT = finetune.Plan(2, 1)


@pytest.fixture(scope="module")
def patch() -> pytest.MonkeyPatch:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune, "_LADDER", (SHORT,))
        yield patch


@pytest.fixture(scope="module")
def tuned(
    faces: SampleSet, tmp_path_factory: pytest.TempPathFactory, patch: pytest.MonkeyPatch
) -> Run:
    """A tuned run on the sixty faces, two of five folds held out; read-only."""
    patch.setattr(Candidate, "beats", lambda *_: True)
    patch.setattr(tuning, "choose_share", lambda _: 0.5)
    patch.setattr(tuning, "_FURTHER", _Twice())
    folder = tmp_path_factory.mktemp("tuned") / "run"
    options = TrainOptions(recipe="auto", budget_s=100_000)
    run = train(faces.folder, run=folder, options=options)
    patch.undo()
    patch.setattr(finetune, "_LADDER", (SHORT,))
    return run


class _Twice(float):
    """A time that is there after the first fold and not after the second."""

    asked = 0

    def __mul__(self, other: float) -> float:
        self.asked += 1
        return 0.0 if self.asked < 2 else 1e9


def test_the_run_says_what_it_is(tuned: Run) -> None:
    manifest = json.loads((tuned.folder / "candid.json").read_text())
    assert manifest["recipe"] == "finetune"
    settings = manifest["settings"]
    assert (settings["epochs"], settings["num_varied"]) == SHORT
    assert (settings["folds"], settings["num_folds"], settings["share"]) == (2, 5, 0.5)
    assert tuned.complete


def test_every_model_that_was_tried_has_a_line(tuned: Run) -> None:
    kept, *tried = [note for note in tuned.notes if "held-out photo" in note]
    assert kept.startswith("kept finetune: right on ")
    assert [line.split(":")[0] for line in tried].count("tried transfer (efficientnet-lite0-int8)")
    assert len(tried) == 2
    assert len({line.split(" of ")[1].split(" ")[0] for line in (kept, *tried)}) == 1


def test_figures_are_of_photos_that_were_held_out(tuned: Run) -> None:
    with (tuned.folder / "split.csv").open(newline="") as lines:
        part = {row["path"]: row["part"] for row in csv.DictReader(lines)}
    with (tuned.folder / "predictions.csv").open(newline="") as lines:
        folded = [row for row in csv.DictReader(lines) if row["estimate"] == "kfold"]
    tested = [path for path, name in part.items() if name == "test"]
    held = [row["path"] for row in folded if row["part"] != "test"]
    assert sorted(row["path"] for row in folded if row["part"] == "test") == sorted(tested)
    fitted = sum(name in ("train", "val") for name in part.values())
    assert len(set(held)) == len(held)
    assert 0.3 < len(held) / fitted < 0.5  # two of five folds
    assert tuned.evaluation.believed.n == len(folded)
    assert "2 of 5 folds" in tuned.evaluation.why
    assert "2 of 5 folds" in (tuned.folder / "report.html").read_text()
    assert "Measured with the recipe transfer" in (tuned.folder / "MODEL_CARD.md").read_text()


def test_the_figures_can_be_recomputed(tuned: Run) -> None:
    verified = verify_run(tuned.folder)
    assert verified.differences == ()
    assert any("predictions.csv" in note for note in verified.notes)


def test_it_is_compared_on_the_photos_that_both_runs_held_out(tuned: Run, trained: Run) -> None:
    [kfold] = [
        found
        for found in compare_runs([tuned.folder, trained.folder]).estimates
        if found.estimate == "kfold"
    ]
    assert kfold.num_images == tuned.evaluation.believed.n


def test_the_graph_gives_the_answers_that_were_measured(tuned: Run, faces: SampleSet) -> None:
    with (tuned.folder / "predictions.csv").open(newline="") as lines:
        row = next(row for row in csv.DictReader(lines) if row["estimate"] == "test")
    found = tuned.classifier.predict(faces.folder / row["path"])
    expected = {name: float(row[f"p({name})"]) for name in tuned.evaluation.classes}
    assert found.probabilities == pytest.approx(expected, abs=1e-4)
    assert len(np.load(tuned.folder / "golden.npz")["embedding"][0]) == 2888


def test_it_becomes_a_keras_model_that_answers_the_same(tuned: Run) -> None:
    golden = np.load(tuned.folder / "golden.npz")
    outputs = build_classifier(open_source(tuned.folder))(golden["image"])
    for name in ("probabilities", "embedding", "novelty"):
        np.testing.assert_allclose(outputs[name], golden[name], rtol=1e-3, atol=1e-4)


def test_the_frozen_network_is_kept_where_the_tuned_one_is_worse(
    faces: SampleSet, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as worse:
        worse.setattr(finetune, "_LADDER", (SHORT,))
        worse.setattr(Candidate, "beats", lambda *_: False)
        worse.setattr(tuning, "_FURTHER", 1e9)  # one fold
        run = train(
            faces.folder, run=tmp_path / "run", options=TrainOptions(quality="best", budget_s=1e5)
        )
    manifest = json.loads((run.folder / "candid.json").read_text())
    assert manifest["recipe"] == "transfer"
    kept, tried = [note for note in run.notes if "held-out photo" in note]
    assert kept.startswith("kept transfer")
    assert tried.startswith("tried finetune")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # no checkpoint is left


def test_a_budget_that_is_too_small_leaves_the_frozen_network(
    faces: SampleSet, tmp_path: Path
) -> None:
    run = train(faces.folder, run=tmp_path / "run", options=TrainOptions(budget_s=0.5))
    assert "finetune takes more than 0.5 s here; not tried" in run.notes


def test_what_a_view_takes_is_measured_from_the_second_photo_on(
    faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, float] = {}
    monkeypatch.setattr(finetune, "plan", lambda _, **times: asked.update(times))
    ticks = count()  # a second passes whenever the clock is read
    monkeypatch.setattr(tuning, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    train(faces.folder, run=tmp_path / "run", options=TrainOptions(budget_s=1e5))
    assert asked["view_s"] == 0.5


def test_a_tuning_that_takes_too_long_is_ended(
    tuned: Run, faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tuned
    left = iter([1e5, 1e5, *[-1.0] * 100])
    monkeypatch.setattr(Clock, "left", lambda _: next(left))
    run = train(faces.folder, run=tmp_path / "run", options=TrainOptions(budget_s=77.0))
    assert "tried finetune: it was not finished within 77 s" in run.notes


def test_an_interrupted_tuning_leaves_the_frozen_network(
    faces: SampleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning._Job, "run", interrupt)
    run = train(faces.folder, run=tmp_path / "run", options=TrainOptions(budget_s=1e5))
    assert any("interrupted" in note for note in run.notes)
    assert run.contents.recipe == "transfer"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"recipe": "cnn", "quality": "best"}, "--epochs"),
        ({"recipe": "finetune", "figures": False}, "--no-figures"),
        ({"quality": "perfect"}, "fast, good, best"),
    ],
)
def test_options_that_exclude_each_other_are_refused(options: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        TrainOptions(**options)


def test_the_time_is_that_of_the_quality_unless_another_is_given() -> None:
    assert TrainOptions().seconds is None
    assert TrainOptions(quality="good").seconds == 60
    assert TrainOptions(recipe="finetune").seconds == 600
    assert replace(TrainOptions(quality="best"), budget_s=7.0).seconds == 7


def test_a_training_is_expected_to_take_longer_with_more_photos_but_not_than_it_may() -> None:
    for quality in ("fast", "good", "best"):
        few, many = (expected_seconds(num, quality) for num in (20, 2000))
        assert 2 < few < many
    assert expected_seconds(300, "fast") < expected_seconds(300, "good") == 60
    assert expected_seconds(100_000, "best") == 600
