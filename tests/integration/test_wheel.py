"""The installed wheel predicts and serves without the packages for training."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from candid.cli.demo import SampleSet
from candid.training import Run

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"
TRAINING_ONLY = ("tensorflow", "sklearn", "matplotlib", "jinja2", "onnx", "faiss", "scipy")
NO_NETWORK = re.compile(
    r"dns error|failed to lookup|connect error|error sending request|timed out|could not connect",
    re.IGNORECASE,
)


def uv(*arguments: object) -> None:
    """Run uv; where no index can be reached, there is nothing to test with."""
    done = subprocess.run(
        [str(UV), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode and NO_NETWORK.search(done.stderr):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not UV.exists():
        pytest.skip("uv is not installed; run `make env`")
    folder = tmp_path_factory.mktemp("wheel")
    uv("build", "--wheel", "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment that holds the wheel and what it asks for."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    uv("venv", "--python", sys.executable, venv)
    python = venv / "bin" / "python"
    versions = ROOT / "requirements.lock"
    uv("pip", "install", "--python", python, "--constraints", versions, f"{wheel}[serve]")
    return venv / "bin"


@pytest.fixture
def environment() -> dict[str, str]:
    """Nothing of this process's environment that would lead to its packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}


@pytest.fixture
def address(
    installed: Path, trained: Run, tmp_path: Path, environment: dict[str, str]
) -> Iterator[str]:
    """Of ``candid serve`` from the wheel, as a process of its own."""
    process = subprocess.Popen(
        [installed / "candid", "serve", trained.folder, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found, process.communicate(timeout=10)
        yield found[0]
    finally:
        process.terminate()
        errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors) == (0, "")


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("candid/")}
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "src/candid"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("the files are not those of a git checkout")
    tracked = {line.removeprefix("src/") for line in listed.stdout.splitlines()}
    present = {name for name in tracked if (ROOT / "src" / name).exists()}
    assert present <= packed
    suffixes = {Path(name).suffix for name in packed}
    assert {".py", ".html", ".css", ".js"} <= suffixes
    assert "candid/py.typed" in packed


def test_nothing_that_only_training_needs_is_installed(
    installed: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    code = (
        "import importlib.util, json, sys, candid; "
        "print(json.dumps([candid.__file__, "
        "[name for name in sys.argv[1:] if importlib.util.find_spec(name)]]))"
    )
    done = subprocess.run(
        [installed / "python", "-c", code, *TRAINING_ONLY],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    file, found = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed.parent)
    assert found == []


def test_it_predicts_what_this_environment_predicts(
    installed: Path, trained: Run, faces: SampleSet, tmp_path: Path, environment: dict[str, str]
) -> None:
    photos = sorted(faces.folder.glob("*/face-*"))[:4]
    done = subprocess.run(
        [installed / "candid", "predict", *photos, "--run", trained.folder, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    answers = json.loads(done.stdout)
    expected = trained.classifier.predict(list(photos))
    assert [answer["label"] for answer in answers] == [answer.label for answer in expected]
    assert [a["probability"] for a in answers] == pytest.approx(
        [a.probability for a in expected], abs=1e-3
    )


def test_it_asks_for_training_by_name(
    installed: Path, faces: SampleSet, tmp_path: Path, environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [installed / "candid", "train", faces.folder],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 2
    assert 'pip install "candid-image[' in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_it_serves_an_answer_and_its_page(address: str, faces: SampleSet) -> None:
    photo = next(faces.folder.glob("*/face-*.png"))
    with httpx.Client(base_url=address, timeout=60) as client:
        asked = {"Content-Type": "image/png"}
        answer = client.post("/v1/predict", content=photo.read_bytes(), headers=asked)
        assert answer.status_code == 200
        assert answer.json()["predictions"][0]["label"] in ("happy", "sad")
        page = client.get("/")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "<html" in page.text
        linked = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        assert "app/app.js" in linked
        for name in linked:
            assert client.get(f"/{name}").status_code == 200, name
