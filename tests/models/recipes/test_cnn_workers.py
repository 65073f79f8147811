"""The recipe ``cnn`` on several devices: the same training as on one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")

#: Trains on two made-up devices of this process, or on one, and prints the losses.
_SCRIPT = """
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from candid.core.progress import Silent
from candid.models.checkpoint import Checkpoint
from candid.models.recipes.cnn_keras import Board, Loop, Photos, Training, fit

devices, folder = int(sys.argv[1]), Path(sys.argv[2])
cpu = tf.config.list_physical_devices("CPU")[0]
parts = [tf.config.LogicalDeviceConfiguration()] * devices
tf.config.set_logical_device_configuration(cpu, parts)
names = [f"CPU:{number}" for number in range(devices)]
strategy = tf.distribute.MirroredStrategy(names) if devices > 1 else None
training = Training(2, seed=0, dtype="float32", strategy=strategy)
pixels = np.random.default_rng(0).integers(0, 256, (13, 256, 256, 3), np.uint8)
labels = (np.arange(13) % 2).astype(np.int32)
pixels[labels == 1] //= 2
photos = Photos(pixels, labels, np.arange(9), np.arange(9, 13))
with Board(folder) as board:
    loop = Loop(2, 4, 0, Checkpoint(None, print), Silent())
    snapshot, _ = fit(training, photos, board, loop)
for row in snapshot.history:
    print(*(repr(float(value)) for value in row.values()))
"""


def losses_on(num_devices: int, folder: Path) -> list[list[float]]:
    """Epoch, loss, accuracy and those of validation, of each epoch, by a process of its own."""
    command = [sys.executable, "-c", _SCRIPT, str(num_devices), str(folder)]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [[float(word) for word in line.split()] for line in done.stdout.splitlines()]


def test_two_devices_train_as_one_does(tmp_path: Path) -> None:
    """The last batch has one photo, so one device has none."""
    one, two = (losses_on(number, tmp_path / str(number)) for number in (1, 2))
    assert len(one) == 2
    for alone, together in zip(one, two, strict=True):
        assert together == pytest.approx(alone, abs=1e-3)
