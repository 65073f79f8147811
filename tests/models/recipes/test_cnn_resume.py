"""A killed training resumes after its last complete epoch and gives the same weights."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import BACKBONE, COMMAND

from candid.cli.demo import draw_sample
from candid.core.progress import Silent
from candid.models.checkpoint import Checkpoints
from candid.models.recipes import Trained, cnn
from candid.runs.artifact import read_manifest
from tests.models.recipes.test_cnn import make

# TensorFlow 2.21 does not know NumPy 2's `copy` yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

EPOCHS = 3
BATCH = 3  # of 8 photos, so that their order matters


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

    def train(recorder: Recorder | None = None, *, keep: bool = True, **options: object):
        recorder = recorder or Recorder()
        number = sum(1 for _ in tmp_path.glob("run*"))
        (tmp_path / f"run{number}").mkdir()
        checkpoints = Checkpoints(tmp_path / "beside") if keep else None
        asked = {"epochs": EPOCHS, "batch_size": BATCH, "seed": 1} | options
        folder = tmp_path / f"run{number}"
        made = cnn.train(*data, folder=folder, progress=recorder, checkpoints=checkpoints, **asked)
        return made, recorder

    return train


@pytest.fixture(scope="module")
def uninterrupted(data, tmp_path_factory) -> tuple[Trained, Path]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    made = cnn.train(*data, folder=folder, epochs=EPOCHS, batch_size=BATCH, seed=1)
    return made, folder


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


@pytest.mark.parametrize("other", [{"seed": 2}, {"epochs": 2}, {"batch_size": 2}])
def test_the_fingerprint_covers_every_option(tmp_path: Path, other: dict[str, int]) -> None:
    """It separates the checkpoints of different trainings."""
    options = cnn._Options(EPOCHS, BATCH, 1)
    changed = replace(options, **other)
    (tmp_path / "tree" / "train").mkdir(parents=True)
    mine, theirs = (
        cnn._fingerprint(tmp_path / "tree", ("blue", "green"), each, "float32")
        for each in (options, changed)
    )
    assert mine != theirs


def test_the_fingerprint_covers_every_picture_and_its_name(tmp_path: Path, data) -> None:
    from candid.splits.split_export import write_pixels

    catalog, split = data
    write_pixels(catalog, split, cnn.CONTRACT, tmp_path / "tree")
    options = cnn._Options(EPOCHS, BATCH, 1)

    def fingerprint() -> str:
        return cnn._fingerprint(tmp_path / "tree", catalog.classes, options, "float32")

    seen = [fingerprint(), fingerprint()]
    assert seen[0] == seen[1]
    file = next((tmp_path / "tree" / "train").rglob("*.bmp"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    seen.append(fingerprint())
    file.rename(file.with_name("other.bmp"))
    seen.append(fingerprint())
    assert len(set(seen)) == 3


@pytest.mark.parametrize("memory", [1, 10**12])
def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(
    tmp_path: Path, data, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    from candid.models.recipes import cnn_keras
    from candid.splits.split_export import write_pixels

    monkeypatch.setattr(cnn_keras, "_memory_bytes", lambda: memory)
    catalog, split = data
    write_pixels(catalog, split, cnn.CONTRACT, tmp_path / "tree")

    def load(seed: int) -> cnn_keras.Photos:
        folder = tmp_path / "tree" / "train"
        return cnn_keras.load(folder, catalog.classes, batch_size=3, shuffle_seed=seed)

    def one_pass(photos: cnn_keras.Photos) -> bytes:
        return b"".join(pixels.numpy().tobytes() for pixels, _ in photos.batches)

    whole = load(seed=1)
    passes = [one_pass(whole) for _ in range(4)]
    assert len(set(passes)) == 4
    for begin in range(4):
        entered = load(seed=1)
        entered.skip(begin)
        iter(entered.batches)  # an unused iterator draws no order
        assert [one_pass(entered) for _ in range(begin, 4)] == passes[begin:]
    assert one_pass(load(seed=2)) not in passes


def test_a_killed_command_is_resumed_by_the_same_command(tmp_path: Path) -> None:
    """Also with two trainings, killed by SIGKILL during an epoch of each."""
    draw_sample(tmp_path / "data", num_images=24)
    command = [COMMAND, "train", "data", "--recipe", "cnn", "--epochs", "3", "--leak-tax"]
    command += ["--backbone", BACKBONE, "--run"]

    def begin(run: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, run], cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def wait_for(process: subprocess.Popen[str]) -> list[str]:
        errors = process.communicate()[1].splitlines()
        assert process.returncode == 0, errors
        return [line for line in errors if line.startswith("Resuming")]

    def kill_at(line: str, time: int) -> list[str]:
        with begin("runs/killed") as process:
            assert process.stderr is not None
            lines = []
            for said in process.stderr:
                lines.append(said.rstrip())
                if said.startswith(line) and sum(h.startswith(line) for h in lines) == time:
                    process.send_signal(signal.SIGKILL)
                    break
            process.communicate()
        assert process.returncode == -signal.SIGKILL, lines
        assert not (tmp_path / "runs" / "killed").exists()
        assert not (tmp_path / "runs" / "latest").exists()
        return lines

    kill_at("epoch 1 of 3", time=1)
    lines = kill_at("epoch 1 of 3", time=1)  # of the second training
    # On a busy machine, training may complete an epoch between its message and the signal.
    soon = {"Resuming after epoch 1 of 3", "Resuming after epoch 2 of 3"}
    [said] = [h for h in lines if h.startswith("Resuming")]
    assert said in soon
    # At the same time; in another folder, so that neither uses the other's checkpoints.
    with (
        begin("runs/killed") as process,
        begin("others/runs/uninterrupted") as other,
        ThreadPoolExecutor(2) as pool,
    ):
        resumed, from_scratch = pool.map(wait_for, (process, other))
    assert resumed[0] == "Resuming after epoch 3 of 3"
    assert len(resumed) == 2
    assert resumed[1] in soon
    assert from_scratch == []
    # No checkpoint is left to resume from.
    for runs, name in (
        (tmp_path / "runs", "killed"),
        (tmp_path / "others" / "runs", "uninterrupted"),
    ):
        assert {path.name for path in runs.iterdir()} == {name, "latest"}
    killed, uninterrupted = (
        tmp_path / "runs" / "killed",
        tmp_path / "others" / "runs" / "uninterrupted",
    )
    for name in ("model.onnx", "history.csv", "metrics.json", "split.csv", "predictions.csv"):
        assert (killed / name).read_bytes() == (uninterrupted / name).read_bytes(), name
    assert read_manifest(killed).complete
