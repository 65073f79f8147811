"""On a terminal something moves all the time, on a machine that is slow too."""

from __future__ import annotations

import itertools
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import BACKBONE, COMMAND

from candid.cli.demo import SampleSet
from candid.training import Run

pty = pytest.importorskip("pty", reason="there are pseudo-terminals on Unix only")

LONGEST_S = 1.5
#: How long the command stands still after each stretch of as many seconds.
STRETCH_S = 0.03


def silences(command: Sequence[object], work: Path, code: int = 0) -> list[float]:
    """Seconds between what a command writes to a terminal, until it ends with a code.

    From the first output on it is paused half of the time, as if other processes had the machine.
    """
    ours, theirs = pty.openpty()
    written = [time.monotonic()]
    with subprocess.Popen(
        list(map(str, command)), cwd=work, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        with suppress(OSError):  # the terminal is closed at the end
            while True:
                if select.select([ours], [], [], STRETCH_S)[0]:
                    if not os.read(ours, 100_000):
                        break
                    written.append(time.monotonic())
                if len(written) > 1:
                    process.send_signal(signal.SIGSTOP)
                    time.sleep(STRETCH_S)
                    process.send_signal(signal.SIGCONT)
    os.close(ours)
    assert process.returncode == code
    written.append(time.monotonic())
    return [after - before for before, after in itertools.pairwise(written)]


@pytest.mark.parametrize("name", ["train", "audit", "predict", "export"])
def test_no_command_is_silent(name: str, faces: SampleSet, trained: Run, work: Path) -> None:
    more = {
        "train": (faces.folder, "--run", "run", "--backbone", BACKBONE),
        "audit": (faces.folder, "--run", "audit", "--backbone", BACKBONE),
        "predict": (faces.folder / "happy", "--run", trained.folder),
        "export": (trained.folder, "--to", "onnx"),
    }
    code = 1 if name == "predict" else 0  # 1: there are broken photos
    assert max(silences([COMMAND, name, *more[name]], work, code)) < LONGEST_S


def test_a_silence_would_be_noticed(work: Path) -> None:
    says = f"echo one; sleep {LONGEST_S}; echo two"
    assert max(silences(["sh", "-c", says], work)) >= LONGEST_S
