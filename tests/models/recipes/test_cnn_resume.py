"""A killed training resumes after its last complete epoch and gives the same weights."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import BACKBONE, COMMAND

import candid
from candid import TrainOptions
from candid.cli.demo import draw_sample
from candid.core.progress import Silent
from candid.models.checkpoint import Checkpoints
from candid.models.recipes import Trained, cnn
from candid.runs.artifact import read_manifest
from tests.models.recipes.test_cnn import make, started
from tests.models.recipes.test_cnn import train as train_cnn

if TYPE_CHECKING:
    from candid.models.recipes.cnn_keras import Photos

# TensorFlow 2.21 does not know NumPy 2's `copy` yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EPOCHS = 3
BATCH = 3  # of 8 photos, so that their order matters
OPTIONS = {"epochs": EPOCHS, "batch_size": BATCH, "seed": 1}


class Kill(BaseException):
    """Ends a training like a kill: only `finally` runs."""


class Recorder(Silent):
    """Records messages, and may raise at one of them."""

    def __init__(self, at: str = "never", error: type[BaseException] = Kill) -> None:
        self.lines: list[str] = []
        self.at, self.error = at, error

    def say(self, line: str) -> None:
        self.lines.append(line)
        if line.startswith(self.at):
            raise self.error


Go = Callable[..., tuple[Trained, Recorder]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    pytest.importorskip("tensorflow")
    return make(tmp_path_factory.mktemp("data"), "blue", "green")


@pytest.fixture
def go(data, tmp_path) -> Go:
    """Train, each call in its own folder, with checkpoints in one folder of this test."""

    def train(recorder: Recorder | None = None, **options: object):
        recorder = recorder or Recorder()
        folder = tmp_path / f"run{sum(1 for _ in tmp_path.glob('run*'))}"
        folder.mkdir()
        asked = OPTIONS | options
        made = train_cnn(
            *data,
            **asked,
            folder=folder,
            started=started(seed=asked["seed"]),
            progress=recorder,
            checkpoints=Checkpoints(tmp_path / "beside"),
        )
        return made, recorder

    return train


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory) -> tuple[Trained, Path]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return train_cnn(*data, **OPTIONS, folder=folder, started=started()), folder


def kill(go: Go, after: int) -> None:
    with pytest.raises(Kill):
        go(Recorder(f"epoch {after} of"))


def scalars(board: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of every scalar, by part and tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    found = {}
    for part in ("train", "validation"):
        events = EventAccumulator(str(board / part)).Reload()
        for tag in events.Tags()["tensors"]:
            rows = events.Tensors(tag)
            found[f"{part}/{tag}"] = [(e.step, float(make_ndarray(e.tensor_proto))) for e in rows]
    return found


def test_the_weights_are_the_same_wherever_it_was_interrupted(go: Go, uninterrupted) -> None:
    kill(go, after=1)
    with pytest.raises(Kill):
        go(recorder := Recorder("epoch 2 of"))
    assert recorder.lines[0] == "Resuming after epoch 1 of 3"
    made, recorder = go()
    assert recorder.lines[0] == "Resuming after epoch 2 of 3"
    assert [line.split(":")[0] for line in recorder.lines[1:]] == ["epoch 3 of 3"]
    assert made.model == uninterrupted[0].model
    assert made.history == uninterrupted[0].history
    assert made.complete


def test_tensorboard_and_the_optimizer_are_the_same_too(
    go: Go, uninterrupted, tmp_path: Path
) -> None:
    from tensorflow import keras

    kill(go, after=2)
    go()
    expected = scalars(uninterrupted[1] / "tensorboard")
    assert [step for step, _ in expected["train/epoch_loss"]] == [0, 1, 2]
    assert scalars(tmp_path / "run1" / "tensorboard") == expected
    mine, theirs = (
        keras.models.load_model(folder / "model.keras").optimizer.variables
        for folder in (tmp_path / "run1", uninterrupted[1])
    )
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(mine, theirs, strict=True))


def test_a_complete_training_is_not_repeated(go: Go, uninterrupted) -> None:
    kill(go, after=3)
    made, recorder = go()
    assert recorder.lines == ["Resuming after epoch 3 of 3"]
    assert made.model == uninterrupted[0].model


def test_views_and_the_best_epoch_are_the_same_too(
    go: Go, data, uninterrupted, tmp_path: Path
) -> None:
    asked = {"asked": ("augment", "early_stop", "best_epoch")}
    whole = train_cnn(*data, **OPTIONS, **asked, folder=tmp_path, started=started())
    assert whole.history[0]["loss"] != uninterrupted[0].history[0]["loss"]
    for after in (1, 2):
        with pytest.raises(Kill):
            go(Recorder(f"epoch {after} of"), **asked)
    made, _ = go(**asked)
    assert (made.model, made.history, made.settings) == (
        whole.model,
        whole.history,
        whole.settings,
    )


def test_after_ctrl_c_the_same_command_resumes(go: Go, uninterrupted) -> None:
    interrupted, _ = go(Recorder("epoch 1 of", KeyboardInterrupt))
    assert not interrupted.complete
    made, recorder = go()
    assert recorder.lines[0] == "Resuming after epoch 1 of 3"
    assert made.model == uninterrupted[0].model


def test_a_damaged_checkpoint_is_reported_and_not_used(
    go: Go, uninterrupted, tmp_path: Path
) -> None:
    kill(go, after=2)
    for file, changed in zip(
        sorted((tmp_path / "beside").glob(".resume-*/epoch-*")), (b"", None), strict=True
    ):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if changed is None else changed)
    made, recorder = go()
    assert all("can't be used" in line for line in recorder.lines[:2])
    assert recorder.lines[2].startswith("epoch 1 of 3")
    assert made.model == uninterrupted[0].model


def test_other_options_do_not_use_it(go: Go) -> None:
    kill(go, after=1)
    with pytest.raises(Kill):
        go(recorder := Recorder("epoch 1 of"), seed=2)
    assert recorder.lines[0].startswith("epoch 1 of")


def photos() -> Photos:
    pytest.importorskip("tensorflow")
    from candid.models.recipes.cnn_keras import Photos

    pixels = np.arange(4 * 12, dtype=np.uint8).reshape(4, 2, 2, 3)
    labels = np.array([0, 1, 0, 1], np.int32)
    return Photos(pixels, labels, np.array([0, 1]), np.array([3]))


def fingerprint(shown: Photos, dtype: str = "float32", **other: int) -> str:
    return cnn._fingerprint(shown, ("blue", "green"), cnn.Options(**(OPTIONS | other)), dtype)


@pytest.mark.parametrize("other", [{"seed": 2}, {"epochs": 2}, {"batch_size": 2}, {"dtype": "x"}])
def test_the_fingerprint_covers_every_option(other: dict[str, int]) -> None:
    """It separates the checkpoints of different trainings."""
    assert fingerprint(photos()) == fingerprint(photos()) != fingerprint(photos(), **other)


def test_the_fingerprint_covers_every_picture_its_class_and_its_part() -> None:
    for place, is_used in enumerate((True, True, False, True)):
        shown = photos()
        shown.pixels[place, 1, 1, 2] ^= 1
        assert (fingerprint(shown) != fingerprint(photos())) == is_used
    changed = [
        replace(photos(), labels=np.array([1, 1, 0, 1], np.int32)),
        replace(photos(), train=np.array([0, 1, 3]), val=np.array([], np.int64)),
    ]
    assert len({fingerprint(shown) for shown in (photos(), *changed)}) == 3


@pytest.mark.parametrize("begin", [0, 1])
def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(begin: int) -> None:
    from candid.models.recipes.cnn_keras import Loop, _run_epoch

    def orders(seed: int, begin: int) -> list[list[int]]:
        seen: list[list[int]] = []

        class Watched:
            """Stands for a network, and keeps the first byte of each picture."""

            def own(self, places):
                return places

            def step(self, pixels, labels, _):
                seen[-1] += pixels[:, 0, 0, 0].numpy().tolist()
                return labels[:2]

        shown = replace(photos(), train=np.arange(4), val=np.array([], np.int64))
        loop = Loop(3, 2, seed, None, Silent())
        for epoch in range(begin, 3):
            seen.append([])
            _run_epoch(Watched(), shown, loop, epoch, lambda _: None)
        return seen

    whole = orders(1, 0)
    assert all(sorted(order) == [0, 12, 24, 36] for order in whole)
    assert orders(1, begin) == whole[begin:]
    assert len({tuple(order) for order in (*whole, *orders(2, 0))}) > 3


def test_a_killed_command_is_resumed_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with two trainings, killed by SIGKILL during an epoch of the second."""
    draw_sample(tmp_path / "data", num_images=24)
    monkeypatch.chdir(tmp_path)
    command = [COMMAND, "train", "data", "--recipe", "cnn", "--epochs", "3", "--leak-tax"]
    command += ["--backbone", BACKBONE, "--run", "runs/killed"]
    first = "epoch 1 of 3"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = []
        for said in process.stderr:
            lines.append(said.rstrip())
            if said.startswith(first) and sum(line.startswith(first) for line in lines) == 2:
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
    assert process.returncode == -signal.SIGKILL, lines
    assert not (tmp_path / "runs" / "killed").exists()
    assert not (tmp_path / "runs" / "latest").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    resumed = [line for line in again.stderr.splitlines() if line.startswith("Resuming")]
    # On a busy machine, training may complete an epoch between its message and the signal.
    soon = {"Resuming after epoch 1 of 3", "Resuming after epoch 2 of 3"}
    assert resumed[0] == "Resuming after epoch 3 of 3"
    assert len(resumed) == 2
    assert resumed[1] in soon
    # In another folder, so that it does not use the other's checkpoints; and in this process.
    options = TrainOptions(recipe="cnn", backbone=BACKBONE, epochs=3, leak_tax=True)
    candid.train("data", run="others/runs/uninterrupted", options=options)
    # No checkpoint is left to resume from.
    killed, uninterrupted = Path("runs", "killed"), Path("others", "runs", "uninterrupted")
    for run in (killed, uninterrupted):
        assert {path.name for path in run.parent.iterdir()} == {run.name, "latest"}
    for name in ("model.onnx", "history.csv", "metrics.json", "split.csv", "predictions.csv"):
        assert (killed / name).read_bytes() == (uninterrupted / name).read_bytes(), name
    assert read_manifest(killed).complete
