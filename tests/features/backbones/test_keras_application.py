from dataclasses import replace

import numpy as np
import pytest

from candid.core.cache import Cache
from candid.core.onnx_builder import GraphBuilder
from candid.errors import ArtifactError, DependencyError, ParityError, UsageError
from candid.features.backbones import build, find_origin, get, registry
from candid.features.backbones.keras_application import APPLICATIONS, KerasApplication
from candid.features.backbones.origin import folder_of_backbones
from candid.features.backbones.registry import Embedder

SIDE_PX = 75  # small and odd at every stage
NOISE = np.random.default_rng(0).integers(0, 256, (2, SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
PIXELS = np.stack([NOISE[0], np.sort(NOISE[1], axis=0)])  # noise, and dark above bright
#: One of each family; together they have every layer that is known.
FAMILIES = ("keras:MobileNetV2", "keras:MobileNetV3Small", "keras:EfficientNetV2B0")


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CANDID_CACHE", str(tmp_path / "candid"))
    monkeypatch.setattr(registry, "_last", {})


class Draw:
    """Draws weights from a seed, in place of the download."""

    def __init__(self):
        self.seed = 1
        self.made = []  # Keras models

    def __call__(self, load, application, keras):
        keras.utils.set_random_seed(self.seed)
        model = load(application, keras, None)
        norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
        for norm in norms:  # fresh ones would keep little of a picture
            norm.momentum = 0.0
        scaled = PIXELS / np.float32(127.5) - 1 if application.is_scaled else PIXELS
        model(scaled.astype(np.float32), training=True)
        for norm in norms:  # two pictures leave channels whose rounding would be blown up
            variance = norm.moving_variance.numpy()
            norm.moving_variance.assign(np.maximum(variance, variance.max() / 10))
        self.made.append(model)
        return model


@pytest.fixture
def drawn(monkeypatch):
    draw, load = Draw(), KerasApplication._load
    monkeypatch.setattr(KerasApplication, "_load", lambda self, keras: draw(load, self, keras))
    for name, application in APPLICATIONS.items():
        monkeypatch.setitem(APPLICATIONS, name, replace(application, size_px=SIDE_PX))
    return draw


@pytest.mark.parametrize("name", FAMILIES)
def test_an_embedding_is_that_of_keras_on_pixels_as_it_wants_them(name, drawn):
    import keras

    module = {
        "keras:MobileNetV2": keras.applications.mobilenet_v2,
        "keras:MobileNetV3Small": keras.applications.mobilenet_v3,
        "keras:EfficientNetV2B0": keras.applications.efficientnet_v2,
    }[name]
    embeddings = Embedder(get(name)).embed(PIXELS)
    (model,) = drawn.made
    expected = model(module.preprocess_input(PIXELS.astype(np.float32)), training=False).numpy()
    assert np.ptp(expected, axis=0).max() > 0.1 * np.abs(expected).max()
    np.testing.assert_allclose(embeddings, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert embeddings.shape == (2, get(name).num_features)


class TestOneOfThem:
    NAME = "keras:MobileNetV3Small"

    @pytest.mark.usefixtures("drawn")
    def test_its_embedding_is_the_mean_of_its_features(self):
        graph = GraphBuilder.continue_from(build(get(self.NAME)))
        graph.output("features", np.float32, ("n", 576, "h", "w"))
        session = registry.start_onnx(graph.finish().SerializeToString())
        embedding, features = session.run(["embedding", "features"], {"image": PIXELS})
        assert features.shape == (2, 576, 3, 3)
        np.testing.assert_allclose(features.mean(axis=(2, 3)), embedding, rtol=1e-3, atol=1e-6)

    def test_it_says_where_its_weights_came_from_and_is_kept_without_keras(self, drawn):
        import keras

        with Cache(folder_of_backbones()) as cache:
            first = registry.read_graph(get(self.NAME))
            registry._last.clear()
            assert registry.read_graph(get(self.NAME), cache) == first
            registry._last.clear()
            registry.read_graph(get(self.NAME), cache)
        assert len(drawn.made) == 2
        origin = find_origin(get(self.NAME))
        assert (origin.source, origin.file) == ("keras.applications", "MobileNetV3Small")
        assert origin.revision == keras.__version__
        assert origin.license is None

    def test_other_weights_than_at_first_are_refused(self, drawn):
        build(get(self.NAME))
        registry._last.clear()
        drawn.seed = 2
        with pytest.raises(ArtifactError, match="of the first use here"):
            build(get(self.NAME))

    @pytest.mark.usefixtures("drawn")
    def test_a_graph_that_answers_otherwise_is_refused(self, monkeypatch):
        monkeypatch.setattr(
            "candid.features.backbones.keras_application._Translator._rescaling", lambda _, __, x: x
        )
        with pytest.raises(ParityError, match=r"answers otherwise.*choose another backbone"):
            build(get(self.NAME))

    @pytest.mark.usefixtures("drawn")
    def test_an_unknown_layer_is_refused(self, monkeypatch):
        monkeypatch.delattr("candid.features.backbones.keras_application._Translator._conv2d")
        with pytest.raises(UsageError, match="has a layer Conv2D"):
            build(get(self.NAME))

    def test_offline_one_line_says_how_to_bring_the_weights(self, monkeypatch, capfd):
        def fail(*_, **__):
            raise OSError("no connection\nin two lines")

        monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", fail)
        with pytest.raises(DependencyError, match=r"\.keras/models") as error:
            build(get(self.NAME))
        assert "\n" not in str(error.value)
        assert not capfd.readouterr().out
        assert "keras.applications.MobileNetV3Small(" in str(error.value)


def test_a_name_that_keras_has_and_candid_does_not_know_is_refused():
    with pytest.raises(UsageError, match="keras:MobileNetV2"):
        get("keras:NASNetLarge")
    assert all(name == application.name for name, application in APPLICATIONS.items())
