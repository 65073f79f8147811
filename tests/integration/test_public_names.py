"""`import candid` is cheap; its public names are imported on first use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import candid
from candid.runs.classifier import load
from candid.training import train

HEAVY = {"numpy", "cv2", "PIL", "onnx", "onnxruntime", "tensorflow", "sklearn", "scipy", "rich"}


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = modules_after("import candid; candid.__version__; dir(candid)")
    assert not HEAVY & loaded
    assert {name for name in loaded if name.startswith("candid.")} == {"candid._version"}


def test_loading_a_run_needs_nothing_that_only_training_needs() -> None:
    loaded = modules_after("import candid; candid.load")
    assert not {"tensorflow", "sklearn", "scipy", "matplotlib", "onnx", "tensorboard"} & loaded
    assert "candid.training" not in loaded


def test_no_library_numbers_this_machine_or_reports_to_its_maker(tmp_path: Path) -> None:
    # ONNX Runtime disables its telemetry if the environment looks like a test.
    kept = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")
    own = {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(tmp_path)}
    code = "import candid.runs.onnx_session, onnxruntime as ort; ort.get_available_providers()"
    subprocess.run([sys.executable, "-c", code], env=own, check=True)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("name", candid.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(candid, name) is getattr(candid, name)
    assert name in dir(candid)


def test_the_names_are_the_verbs_of_the_command_line() -> None:
    assert candid.load is load
    assert candid.train is train
    assert candid.evaluate.__name__ == "evaluate_run"


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        candid.predict  # noqa: B018


def test_what_a_type_checker_sees_is_what_there_is() -> None:
    assert sorted(candid._PUBLIC) == sorted(candid.__all__)
