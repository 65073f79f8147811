"""Shared fixtures: drawn photos, runs, commands and embedders."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import settings

from candid.cli.demo import SampleSet, draw_sample
from candid.core.cache import Cache
from candid.features.backbones import get
from candid.features.backbones.registry import Embedder
from candid.training import Run, TrainOptions, train
from tests import s3_server

# A machine that others use too may be slow; a property does not hold less for it.
settings.register_profile("candid", deadline=None)
settings.load_profile("candid")


#: What tells BLAS and TensorFlow how many threads they may have.
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def pytest_configure(config: pytest.Config) -> None:
    """Where tests run side by side (`-n`), each worker has one thread: it inherits this."""
    if config.getoption("numprocesses", None):
        for name in _THREADS:
            os.environ.setdefault(name, "1")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Say, below everything else, with which seed the tests were shuffled."""
    yield
    seed = config.getoption("randomly_seed", None)
    if seed is not None:
        terminalreporter.write_line(f"same order again: python -m pytest --randomly-seed={seed}")


#: The smaller backbone: what is tested here does not depend on which it is.
BACKBONE = "efficientnet-lite0"
#: A prediction as JSON.
JSON_KEYS = [
    "path",
    "answer",
    "label",
    "probability",
    "positive_probability",
    "probabilities",
    "verdict",
    "possible",
    "familiarity",
    "reason",
]
COMMAND = Path(sys.executable).parent / "candid"
_SCREENS = {"DISPLAY", "WAYLAND_DISPLAY"}


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for all tests, in a temporary folder: the user's own is never touched."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CANDID_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    """Sixty drawn faces and the injected defects; read-only."""
    return draw_sample(tmp_path_factory.mktemp("drawn") / "faces", num_images=60)


@pytest.fixture(scope="session")
def trained(faces: SampleSet, tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Run:
    """A run on the sixty faces; read-only, see `copied_run`."""
    del own_cache
    folder = tmp_path_factory.mktemp("trained") / "run"
    return train(faces.folder, run=folder, options=TrainOptions(backbone=BACKBONE))


@pytest.fixture
def copied_run(trained: Run, tmp_path: Path) -> Path:
    """A copy of the run, to be damaged."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copied"))


def state_of(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and time of every file, and time of every folder: equal if nothing was touched."""
    return {
        str(path): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
            path.stat().st_mtime_ns,
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    }


@pytest.fixture(name="state_of")
def _state_of() -> object:
    return state_of


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[s3_server.S3]:
    with s3_server.serve() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.variables.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def s3(_s3_server: s3_server.S3) -> Iterator[s3_server.S3]:
    """An S3 server without faults, for all tests: each has a prefix of its own."""
    _s3_server.asked.clear()
    _s3_server.most_at_once = 0
    yield _s3_server
    _s3_server.fault = lambda _: None


Candid = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An empty folder for the command to run in."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def candid(work: Path) -> Candid:
    """Run the installed command in ``work``, without a screen or a terminal."""

    def run(*arguments: object, stdin: bytes = b"", **variables: str) -> object:
        environment = {k: v for k, v in os.environ.items() if k not in _SCREENS} | variables
        done = subprocess.run(
            [str(COMMAND), *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=work,
            env=environment,
            timeout=120,
            check=False,
        )
        texts = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(done.args, done.returncode, *texts)

    return run


class FakeEmbedder:
    """Embeds a picture as its own 8×8 miniature, and remembers how many it was given."""

    fingerprint = hashlib.sha256(b"fake").hexdigest()

    def __init__(self) -> None:
        self.batches: list[int] = []

    @property
    def num_seen(self) -> int:
        return sum(self.batches)

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        self.batches.append(len(pixels))
        small = [cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA) for picture in pixels]
        rows = np.stack(small).reshape(len(pixels), -1).astype(np.float32)
        return rows - rows.mean(axis=1, keepdims=True)


@pytest.fixture
def fake_embedder() -> FakeEmbedder:
    return FakeEmbedder()


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The real one, which takes half a second to build."""
    return Embedder(get("efficientnet-lite0"), num_threads=1)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    """Twenty drawn faces and the injected defects; read-only."""
    return draw_sample(tmp_path_factory.mktemp("sample") / "faces", num_images=20)


@pytest.fixture
def memory() -> Iterator[Cache]:
    with Cache(None) as cache:
        yield cache


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of two small PNG files each, all different."""
    for number, path in enumerate(("cat/a.png", "cat/b.png", "dog/a.png", "dog/b.png")):
        write_picture(tmp_path / "data" / path, seed=number)
    return tmp_path / "data"


def write_picture(path: Path, *, seed: int = 0) -> Path:
    """Write smooth random colours, 48×36, in the format that the suffix says."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(coarse, (48, 36), interpolation=cv2.INTER_CUBIC))
    return path


@pytest.fixture(name="write_picture")
def _write_picture() -> object:
    return write_picture
