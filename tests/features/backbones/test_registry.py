import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest

from candid.core.cache import Cache
from candid.errors import UsageError
from candid.features.backbones import build, get, registry, weights
from candid.features.backbones.registry import Embedder


@pytest.fixture(scope="module")
def embedder():
    return Embedder(get("efficientnet-lite0"), num_threads=2)


def test_threads_start_one_session(monkeypatch):
    started = []

    class Session:
        def __init__(self, *_, **__):
            started.append(self)
            time.sleep(0.05)

        def run(self, *_):
            return [np.zeros((1, get("efficientnet-lite0").num_features), np.float32)]

    monkeypatch.setattr(registry, "start_onnx", Session)
    # Python 3.11 has a lock there, later ones have none.
    monkeypatch.setattr(Embedder.__dict__["_session"], "lock", nullcontext(), raising=False)
    embed = Embedder(get("efficientnet-lite0")).embed
    with ThreadPoolExecutor(2) as pool:
        assert all(len(answer) for answer in pool.map(embed, [noise(1)] * 2))
    assert len(started) == 1


def noise(num_images):
    shape = (num_images, 224, 224, 3)
    return np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)


def test_an_image_has_the_same_embedding_alone_and_among_others(embedder):
    pixels = noise(3)
    together = embedder.embed(pixels)
    assert together.shape == (3, embedder.backbone.num_features)
    assert together.dtype == np.float32
    for row in range(3):
        np.testing.assert_allclose(embedder.embed(pixels[row : row + 1])[0], together[row], 1e-5)


def test_no_images_give_no_embeddings(embedder):
    assert embedder.embed(noise(0)).shape == (0, embedder.backbone.num_features)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((2, 224, 224, 3), np.float32),
        np.zeros((2, 260, 260, 3), np.uint8),
        np.zeros((224, 224, 3), np.uint8),
    ],
)
def test_other_pixels_than_those_of_the_contract_are_refused(embedder, pixels):
    with pytest.raises(UsageError, match=r"expected uint8 \(n, 224, 224, 3\), received"):
        embedder.embed(pixels)


def test_the_fingerprint_is_the_same_for_the_same_backbone_only(embedder):
    again = Embedder(get("efficientnet-lite0"))
    other = Embedder(get("efficientnet-lite2"))
    assert embedder.fingerprint == again.fingerprint
    assert embedder.fingerprint != other.fingerprint


def test_the_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="efficientnet-lite0, efficientnet-lite2"):
        get("resnet50")


def test_the_graph_has_the_features_as_a_tensor_for_a_head():
    model = build(get("efficientnet-lite0"))
    assert [output.name for output in model.graph.output] == ["embedding"]
    assert "features" in {name for node in model.graph.node for name in node.output}


def test_a_bundled_backbone_saved_as_a_file_gives_the_same_embeddings(embedder, tmp_path):
    path = tmp_path / "mine.onnx"
    onnx.save(build(get("efficientnet-lite0")), path)
    mine = get(str(path))
    assert (mine.name, mine.size_px, mine.num_features) == ("mine.onnx", 224, 1584)
    np.testing.assert_array_equal(Embedder(mine).embed(noise(2)), embedder.embed(noise(2)))


def test_describing_a_backbone_imports_neither_onnx_nor_a_framework():
    code = (
        "import sys; from candid.features.backbones import get; get('efficientnet-lite0'); "
        "print([m for m in ('onnx', 'tensorflow', 'keras', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def metadata_is_missing(name):
    raise PackageNotFoundError(name)


class TestTheKeptGraph:
    """A stand-in for the building, as what is kept does not depend on what is in it."""

    SPEC = get("efficientnet-lite0-int8")

    @pytest.fixture
    def builds(self, monkeypatch):
        """One item for each time that a process built the graph."""
        builds = []
        monkeypatch.setattr(registry, "_last", {})
        monkeypatch.setattr(registry, "_build", lambda _: builds.append(1) or b"a graph")
        return builds

    def in_another_process(self, cache):
        registry._last.clear()
        return registry.read_graph(self.SPEC, cache)

    def test_it_is_built_once_for_all_processes(self, builds):
        cache = Cache(None)
        assert {self.in_another_process(cache) for _ in range(3)} == {b"a graph"}
        assert len(builds) == 1

    def test_it_is_read_once_by_a_process(self, builds, monkeypatch):
        cache = Cache(None)
        self.in_another_process(cache)
        monkeypatch.setattr(cache, "get", pytest.fail)
        assert registry.read_graph(self.SPEC, cache) == registry.read_graph(self.SPEC)
        assert len(builds) == 1

    @pytest.fixture
    def code(self, tmp_path, monkeypatch):
        """A folder as that of Candid's code, in place of it."""
        for folder in ("core", "features/backbones"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "core/onnx_builder.py").write_text("one")
        (tmp_path / "features/backbones/int8.py").write_text("one")
        monkeypatch.setattr(registry, "__file__", str(tmp_path / "features/backbones/registry.py"))
        return tmp_path

    CHANGES: ClassVar = {
        "code": lambda _, code: (code / "features/backbones/int8.py").write_text("two"),
        "shared code": lambda _, code: (code / "core/onnx_builder.py").write_text("two"),
        "weights": lambda patch, _: patch.setattr(weights, "find_weights", lambda _: Path("a")),
        "Candid": lambda patch, _: patch.setattr(registry, "__version__", "9"),
        "NumPy": lambda patch, _: patch.setattr(np, "__version__", "9"),
        "onnx": lambda patch, _: patch.setattr("importlib.metadata.version", lambda _: "9"),
    }

    @pytest.mark.parametrize("change", CHANGES)
    def test_one_of_other_code_weights_or_versions_is_built_anew_and_replaced(
        self, change, builds, code, monkeypatch
    ):
        cache = Cache(None)
        self.in_another_process(cache)
        self.CHANGES[change](monkeypatch, code)
        assert [self.in_another_process(cache) for _ in range(2)] == [b"a graph"] * 2
        assert len(builds) == 2

    def test_one_is_kept_where_the_package_onnx_has_no_metadata(self, builds, monkeypatch):
        monkeypatch.setattr("importlib.metadata.version", metadata_is_missing)
        cache = Cache(None)
        assert {self.in_another_process(cache) for _ in range(2)} == {b"a graph"}
        assert len(builds) == 1

    @pytest.mark.usefixtures("builds")
    def test_a_thread_gets_its_own_though_another_reads_one_meanwhile(self, monkeypatch):
        class Replaced(dict):
            def __setitem__(self, *_):
                super().__setitem__("another thread's", b"another graph")

        monkeypatch.setattr(registry, "_last", Replaced())
        assert registry.read_graph(self.SPEC) == b"a graph"

    def test_a_damaged_one_is_built_anew(self, builds, tmp_path):
        with Cache(tmp_path) as cache:
            self.in_another_process(cache)
            cache._connection.execute("UPDATE rows SET value = substr(value, 1, 66)")
            assert self.in_another_process(cache) == b"a graph"
        assert len(builds) == 2
