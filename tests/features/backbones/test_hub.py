import builtins
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hub_server import DRAWN, serve

from candid.errors import ArtifactError, DependencyError, UsageError
from candid.features.backbones import build, get, registry
from candid.features.backbones.hub import HUB
from candid.features.backbones.origin import Origin, folder_of_backbones
from candid.features.backbones.registry import Embedder

huggingface_hub = pytest.importorskip("huggingface_hub", reason='comes with the extra "hub"')

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
#: As transformers' image processors compute, from the values of each preprocessor_config.json.
SCALING = {"siglip2-base": ([0.5] * 3, [0.5] * 3)}
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def server():
    with serve() as hub:
        yield hub


@pytest.fixture
def hub(server, tmp_path, monkeypatch):
    """An empty hub, cache and memory, in place of the real ones."""
    server.files, server.asked, server.stated = {}, [], {}
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "candid"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(registry, "_last", {})
    return server


@pytest.fixture
def publish(hub, monkeypatch):
    """Put a model with drawn weights up under a name, pinned to its hash or to none."""

    def put(name, *, is_pinned=True, seed=0):
        data = DRAWN[name][0](seed)
        sha256 = hub.publish(HUB[name], data)
        monkeypatch.setitem(HUB, name, replace(HUB[name], sha256=sha256 if is_pinned else None))
        registry._last.clear()
        return data

    return put


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", HUB)
def test_an_embedding_is_the_right_tensor_of_the_normalised_picture(name, publish):
    data = publish(name)
    model, target = onnx.load_from_string(data), DRAWN[name][1]
    if target not in {value.name for value in model.graph.output}:
        model.graph.output.append(onnx.ValueInfoProto(name=target))
    mean, std = SCALING.get(name, IMAGENET)
    planes = ((PIXELS / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    raw = ort.InferenceSession(model.SerializeToString())
    (expected,) = raw.run([target], {"pixel_values": planes})
    if expected.ndim == 3:
        expected = expected[:, 0]  # the first token
    embeddings = Embedder(get(name)).embed(PIXELS)
    assert embeddings.shape == (2, get(name).num_features)
    assert np.abs(embeddings[0] - embeddings[1]).max() > 1e-3
    np.testing.assert_allclose(embeddings, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", HUB)
def test_the_graph_has_a_fixed_size_one_output_and_no_classifier(name, publish):
    publish(name)
    graph = build(get(name)).graph
    shapes = [
        (value.name, [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim])
        for value in (*graph.input, *graph.output)
    ]
    embedding = ("embedding", ["n", get(name).num_features])
    assert shapes == [("image", ["n", 224, 224, 3]), embedding]
    assert not {"file.c.weight", "file.c.bias"} & {value.name for value in graph.initializer}


def test_the_graph_says_where_its_weights_came_from(publish):
    publish("dinov2-small")
    model = get("dinov2-small")
    assert Origin.read_from(build(model)) == Origin(
        "onnx-community/dinov2-small",
        "onnx/model.onnx",
        "8b1f705a3a7f6f062f6bdd21986c1583d3ef105d",
        model.sha256,
        "Apache-2.0",
        "facebook/dinov2-small",
    )


def test_every_entry_names_a_whole_commit_and_states_its_licence():
    for model in HUB.values():
        assert len(bytes.fromhex(model.revision)) == 20
        assert model.sha256 is None or len(bytes.fromhex(model.sha256)) == 32
        assert model.license
        assert model.weights_of


def test_it_is_downloaded_once_and_then_used_offline(hub, publish, monkeypatch):
    publish("dinov2-small")
    first = Embedder(get("dinov2-small")).fingerprint
    asked = list(hub.asked)
    assert sum(request.startswith("GET") for request in asked) == 1
    registry._last.clear()
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert Embedder(get("dinov2-small")).fingerprint == first
    assert hub.asked == asked


def test_other_weights_than_the_pinned_ones_are_refused(hub, publish):
    publish("mobilenetv4-small")
    other = DRAWN["mobilenetv4-small"][0](1)
    hub.publish(HUB["mobilenetv4-small"], other)
    with pytest.raises(ArtifactError, match=r"pinned by Candid.*received [0-9a-f]{64}") as error:
        build(get("mobilenetv4-small"))
    assert HUB["mobilenetv4-small"].sha256 in one_line(error)


class TestWithoutAPinnedHash:
    def test_a_later_load_of_other_weights_is_refused(self, publish, tmp_path, monkeypatch):
        publish("convnext-tiny", is_pinned=False)
        build(get("convnext-tiny"))
        kept = folder_of_backbones() / "convnext-tiny.sha256"
        publish("convnext-tiny", is_pinned=False, seed=1)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "another"))
        with pytest.raises(ArtifactError, match="of the first use here") as error:
            build(get("convnext-tiny"))
        assert str(kept) in one_line(error)
        kept.unlink()
        build(get("convnext-tiny"))

    def test_a_download_must_have_the_hash_that_the_hub_states(self, hub, publish):
        publish("convnext-tiny", is_pinned=False)
        (path,) = hub.files
        hub.stated[path] = "0" * 64
        with pytest.raises(ArtifactError, match=r"not downloaded whole.*Try again") as error:
            build(get("convnext-tiny"))
        one_line(error)
        hub.stated.clear()
        build(get("convnext-tiny"))


class TestOffline:
    @pytest.fixture
    def brought(self, monkeypatch):
        """Where a file is to be put, on a machine without connection."""
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        return folder_of_backbones() / "siglip2-base.onnx"

    @pytest.mark.usefixtures("hub")
    def test_one_line_says_how_to_bring_the_file(self, brought):
        with pytest.raises(DependencyError) as error:
            build(get("siglip2-base"))
        line = one_line(error)
        assert str(brought) in line
        assert "siglip2-base-patch16-224-ONNX/resolve/ba1f3b08" in line
        assert line.endswith("siglip2-base.onnx.")

    def test_a_file_that_was_brought_is_used_and_checked(self, publish, brought, monkeypatch):
        data = publish("siglip2-base")
        brought.parent.mkdir(parents=True)
        brought.write_bytes(data)
        self.forget_the_package(monkeypatch)
        assert Embedder(get("siglip2-base")).embed(PIXELS).shape == (2, 768)
        registry._last.clear()
        brought.write_bytes(data[:-1])
        with pytest.raises(ArtifactError, match="pinned by Candid"):
            build(get("siglip2-base"))

    def forget_the_package(self, monkeypatch):
        def find(name):
            return None if name == "huggingface_hub" else builtins

        monkeypatch.setattr("candid.core.extras.find_spec", find)

    @pytest.mark.usefixtures("hub")
    def test_without_the_package_the_same_line_names_the_extra(self, brought, monkeypatch):
        self.forget_the_package(monkeypatch)
        with pytest.raises(DependencyError, match=r"candid-image\[hub\]") as error:
            build(get("siglip2-base"))
        assert str(brought) in one_line(error)


class TestAnotherFileThanExpected:
    def bring(self, hub, monkeypatch, data):
        sha256 = hub.publish(HUB["siglip2-base"], data)
        monkeypatch.setitem(HUB, "siglip2-base", replace(HUB["siglip2-base"], sha256=sha256))

    def test_one_that_is_no_model_is_refused(self, hub, monkeypatch):
        self.bring(hub, monkeypatch, b"not a model")
        with pytest.raises(ArtifactError, match="does not load as an ONNX model") as error:
            build(get("siglip2-base"))
        one_line(error)

    def test_one_without_the_output_is_refused(self, hub, monkeypatch):
        self.bring(hub, monkeypatch, DRAWN["dinov2-small"][0]())
        with pytest.raises(ArtifactError, match="last_hidden_state: expected pooler_output"):
            build(get("siglip2-base"))

    def test_one_with_other_embeddings_is_refused(self, hub, monkeypatch):
        self.bring(hub, monkeypatch, DRAWN["siglip2-base"][0]())
        monkeypatch.setitem(HUB, "siglip2-base", replace(HUB["siglip2-base"], num_features=512))
        embedder = Embedder(get("siglip2-base"))
        with pytest.raises(ArtifactError, match=r"expected embeddings \(1, 512\), received"):
            embedder.embed(PIXELS)


def test_the_error_for_an_unknown_name_lists_those_of_the_hub():
    with pytest.raises(UsageError, match="dinov2-small, siglip2-base, mobilenetv4-small, convnext"):
        get("dinov3")
