"""`import candid` costs nothing, and its public names come on first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import candid
from candid.classifier import load
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
    assert not [name for name in loaded if name.startswith("candid.")]


def test_loading_a_run_needs_nothing_that_only_training_needs() -> None:
    loaded = modules_after("import candid; candid.load")
    assert not {"tensorflow", "sklearn", "scipy", "matplotlib", "onnx", "tensorboard"} & loaded
    assert "candid.training" not in loaded


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
