"""Commands killed at many moments leave runs and exports whole.

The features are cached, so that most of the time is spent on writing.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from conftest import BACKBONE, COMMAND

from candid.cli.demo import SampleSet, draw_sample
from candid.runs.artifact import GOLDEN
from candid.runs.classifier import load
from candid.training import Run
from tests.fuzz.budget import SECONDS

#: `make fuzz` tries more.
NUM_MOMENTS = 48 if SECONDS else 8


@pytest.fixture
def drawn(tmp_path: Path) -> SampleSet:
    return draw_sample(tmp_path / "data", num_images=24)


def spread(times: int) -> list[float]:
    """Moments spread evenly over a time, as shares of it."""
    return [(number + 0.5) / times for number in range(times)]


def require_killed(codes: list[int]) -> None:
    """Check that most processes were killed before they ended."""
    assert codes.count(-signal.SIGKILL) > len(codes) / 2


class TestCommands:
    def kill_at(self, command: list[object], work: Path, after_s: float) -> int:
        """Start a command, kill it after a while; gives its exit code."""
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=work,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            errors = process.communicate(timeout=after_s)[1]
            assert process.returncode == 0, errors
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        return process.returncode

    def kill_often(
        self,
        command: list[object],
        work: Path,
        check: Callable[[], None],
        *,
        moments: Sequence[float],
    ) -> list[int]:
        """Kill a command at moments, as shares of its time; gives its exit codes."""
        took, codes = 120.0, []
        for moment in (1, *moments):
            began = time.monotonic()
            codes.append(self.kill_at(command, work, took * moment))
            if codes[-1] == 0:  # the machine is less busy than it was: later moments come sooner
                took = time.monotonic() - began
            check()
        assert self.kill_at(command, work, 120) == 0
        check()
        assert codes[0] == 0
        return codes[1:]

    def test_train(self, drawn: SampleSet, work: Path, state_of: Callable) -> None:
        before = state_of(drawn.folder)
        options = ["--backbone", BACKBONE, "--run", "runs/one", "--overwrite"]
        command = [COMMAND, "train", drawn.folder, *options]
        runs = work / "runs"

        def check() -> None:
            assert state_of(drawn.folder) == before
            # The first was whole, and is never lost.
            load(runs / "one").check_golden(runs / "one" / GOLDEN)
            if (runs / "latest").is_symlink():
                assert (runs / "latest").samefile(runs / "one")

        require_killed(self.kill_often(command, work, check, moments=spread(NUM_MOMENTS)))
        assert sorted(path.name for path in runs.iterdir()) == ["latest", "one"]
        assert sorted(path.name for path in work.iterdir()) == ["runs"]

    def test_export(self, trained: Run, work: Path, state_of: Callable) -> None:
        before = state_of(trained.folder)
        command = [COMMAND, "export", trained.folder, "--to", "onnx", "--output", "out/x"]

        def check() -> None:
            assert state_of(trained.folder) == before
            manifest = json.loads((work / "out" / "x" / "candid-export.json").read_text())
            assert manifest["files"]

        command.append("--overwrite")
        require_killed(self.kill_often(command, work, check, moments=spread(NUM_MOMENTS // 2)))
        assert [path.name for path in (work / "out").iterdir()] == ["x"]
