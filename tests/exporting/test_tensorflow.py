"""Keras, SavedModel and LiteRT, in one module because TensorFlow takes seconds to import."""

import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import BACKBONE

from candid.errors import UsageError
from candid.exporting import FORMATS, ExportRequest, ParityError, export_run
from candid.exporting.export import open_source
from candid.exporting.keras_model import build_classifier
from candid.exporting.litert import load_litert
from candid.runs.classifier import load
from candid.training import TrainOptions, train
from tests.exporting.cnn_run import make_cnn_run
from tests.exporting.run_snippets import photo_of, require_same, run_snippet

# TensorFlow 2.21 does not know NumPy 2's `copy` yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

NAMES = ("keras", "saved_model", "litert")
#: Each format with the recipe transfer, and with a cnn of a sigmoid or a softmax head.
PAIRS = (
    *(("transfer", name) for name in NAMES),
    ("int8", "litert"),
    ("two", "litert"),
    ("three", "keras"),
    ("three", "saved_model"),
)
#: About ten times what was measured, and a tenth of the gate's tolerance.
NEAR = 1e-4


@pytest.fixture(scope="module", autouse=True)
def tensorflow():
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def runs(trained, faces, tmp_path_factory):
    """Runs of transfer with two classes (one in 8 bits), and of cnn with two and with three."""
    eight_bits = TrainOptions(backbone=f"{BACKBONE}-int8")
    folder = tmp_path_factory.mktemp("int8") / "run"
    return {
        "transfer": trained.folder,
        "int8": train(faces.folder, run=folder, options=eight_bits).folder,
        "two": make_cnn_run(tmp_path_factory.mktemp("two"), "blue", "green"),
        "three": make_cnn_run(tmp_path_factory.mktemp("three"), "blue", "green", "red"),
    }


@pytest.fixture(scope="module")
def exports(runs, tmp_path_factory):
    """Exports of each run in each format, made on first use. Not to be written to."""
    made = {}

    def give(run, name):
        if (run, name) not in made:
            folder = tmp_path_factory.mktemp("exports") / f"{run}-{name}"
            made[run, name] = export_run(ExportRequest(runs[run], name, folder))
        return made[run, name]

    return give


def noise(run):
    size = load(run).contract.size_px
    return np.random.default_rng(2).integers(0, 256, (3, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(("run", "name"), PAIRS)
def test_an_export_gives_the_answers_of_its_run(run, name, exports, runs):
    exported = exports(run, name)
    parity = exported.parity
    assert exported.compared.reading.probability < 0.02  # its own Python code ran
    assert parity.num_same_label == parity.num_images > 3
    assert parity.probability < NEAR
    assert parity.novelty is not None
    manifest = json.loads((exported.folder / "candid-export.json").read_text("utf-8"))
    assert manifest["parity"] == parity.to_json()
    answers = FORMATS[name].load(exported.folder)(noise(runs[run]))
    expected = load(runs[run]).model.run(noise(runs[run]), with_heatmap=True)
    np.testing.assert_allclose(answers["probabilities"], expected.probabilities, atol=NEAR)
    np.testing.assert_allclose(answers["embedding"], expected.embedding, atol=NEAR)
    np.testing.assert_allclose(answers["novelty"], expected.novelty, atol=1e-2)
    assert ("heatmap" in answers) == (expected.heatmap is not None)
    if expected.heatmap is not None:
        np.testing.assert_allclose(answers["heatmap"], expected.heatmap, atol=1e-3)


def test_litert_gives_the_numbers_of_a_run_in_8_bits(exports):
    # Rounding makes a difference of a thousandth out of a single number that is off by one.
    assert exports("int8", "litert").parity.probability < 1e-5


def test_a_run_in_8_bits_is_not_quantised_again(runs, tmp_path):
    with pytest.raises(UsageError, match="computes in eight bits already: export it without"):
        export_run(ExportRequest(runs["int8"], "onnx", tmp_path / "out", int8=True))
    assert not (tmp_path / "out").exists()


def test_an_answer_does_not_depend_on_the_batch(exports, runs):
    """Keras once took a column of as many images as classes for a bias."""
    import keras

    model = keras.models.load_model(exports("three", "keras").folder / "model.keras")
    pixels = noise(runs["three"])
    alone = [np.asarray(model(pixels[i : i + 1])["novelty"])[0] for i in range(len(pixels))]
    for number in (2, 3):
        together = np.asarray(model(pixels[:number])["novelty"])
        np.testing.assert_allclose(together, alone[:number], rtol=1e-4, atol=1e-3)


def test_the_python_snippet_runs_unchanged(exports, trained, tmp_path, monkeypatch, capsys):
    exported = exports("transfer", "litert")
    prediction = photo_of(trained, tmp_path)
    monkeypatch.chdir(tmp_path)
    run_snippet(exported.snippets[0].code, tmp_path)
    require_same(capsys.readouterr().out, prediction, NEAR)


def test_keras_answers_nan_for_what_are_no_levels_from_0_to_255(exports, runs):
    """Keras casts silently: floats from 0 to 1 would be a black photo."""
    levels = noise(runs["transfer"])[:1]
    wrong = (levels / np.float32(255), levels + np.float32(0.5), levels - np.float32(9))
    ask = FORMATS["keras"].load(exports("transfer", "keras").folder)
    answers = ask(np.concatenate([*wrong, levels]))
    assert all(np.isnan(value[:3]).all() for value in answers.values())
    expected = load(runs["transfer"]).model.run(levels, with_heatmap=True)
    for name, value in answers.items():
        np.testing.assert_allclose(value[3:], getattr(expected, name), atol=1e-2)


@pytest.mark.parametrize(("run", "name"), [("three", "saved_model"), ("two", "litert")])
def test_other_formats_refuse_floats(run, name, exports, runs, tensorflow):
    errors = (ValueError, tensorflow.errors.InvalidArgumentError)
    ask = FORMATS[name].load(exports(run, name).folder)
    with pytest.raises(errors, match=r"(?i)float"):
        ask(noise(runs[run])[:1] / np.float32(255))


def test_the_litert_files_have_metadata_and_labels_for_androids_task_library(exports, runs):
    for run in ("transfer", "two"):
        folder, classifier = exports(run, "litert").folder, load(runs[run])
        names = [*classifier.classes]
        assert (folder / "labels.txt").read_text("utf-8").splitlines() == names
        for name, heads in (("image_classifier", 1), ("model", 4 if run == "transfer" else 3)):
            file = folder / f"{name}.tflite"
            with zipfile.ZipFile(file) as archive:
                (packed,) = archive.infolist()
                assert archive.read("labels.txt").decode("utf-8").splitlines() == names
                assert packed.compress_type == zipfile.ZIP_STORED
            about = read_metadata(file)
            (image,), outputs = about.tables(3)[0].tables(2), about.tables(3)[0].tables(3)
            size = image.table(3).table(1).table(1)
            assert [size.number(0), size.number(1)] == [classifier.contract.size_px] * 2
            (normalised,) = image.tables(4)
            assert normalised.number(0, "Int8") == 1
            assert [normalised.table(1).floats(place) for place in (0, 1)] == [[0], [1]]
            assert [image.table(5).floats(place) for place in (0, 1)] == [[255], [0]]
            assert len(outputs) == heads
            assert outputs[0].text(0) == "probabilities"
            (labels,) = outputs[0].tables(6)
            assert (labels.text(0), labels.number(2, "Int8")) == ("labels.txt", 2)


def test_the_file_for_the_task_library_has_one_output_of_the_same_probabilities(exports, runs):
    from ai_edge_litert.interpreter import Interpreter

    for run in ("transfer", "two"):
        folder = exports(run, "litert").folder
        interpreter = Interpreter(model_path=str(folder / "image_classifier.tflite"))
        (output,) = interpreter.get_output_details()
        assert output["shape"].tolist() == [1, 2]
        found = load_litert(folder, "image_classifier.tflite")(noise(runs[run]))
        whole = load_litert(folder)(noise(runs[run]))
        assert [*found] == ["probabilities"]
        np.testing.assert_allclose(found["probabilities"], whole["probabilities"], atol=1e-6)
        files = [folder / f"{name}.tflite" for name in ("image_classifier", "model")]
        assert files[0].stat().st_size < files[1].stat().st_size


class Fields:
    """A table of a flatbuffer, read by its places in the schema alone."""

    def __init__(self, table):
        self.of = table

    def at(self, place):
        return self.of.Offset(4 + 2 * place)

    def number(self, place, kind="Uint32"):
        from flatbuffers import number_types

        kind = getattr(number_types, f"{kind}Flags")
        return self.of.Get(kind, self.of.Pos + self.at(place))

    def text(self, place):
        return self.of.String(self.of.Pos + self.at(place)).decode("utf-8")

    def floats(self, place):
        from flatbuffers import number_types

        return self.of.GetVectorAsNumpy(number_types.Float32Flags, self.at(place)).tolist()

    def table(self, place):
        from flatbuffers.table import Table

        return Fields(Table(self.of.Bytes, self.of.Indirect(self.of.Pos + self.at(place))))

    def tables(self, place):
        from flatbuffers.table import Table

        start, number = self.of.Vector(self.at(place)), self.of.VectorLen(self.at(place))
        places = [self.of.Indirect(start + 4 * one) for one in range(number)]
        return [Fields(Table(self.of.Bytes, one)) for one in places]


def read_metadata(file):
    """``ModelMetadata``, which the model's own schema only names."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers.table import Table

    model = schema.Model.GetRootAsModel(file.read_bytes(), 0)
    entries = [model.Metadata(place) for place in range(model.MetadataLength())]
    (entry,) = [one for one in entries if one.Name() == b"TFLITE_METADATA"]
    data = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
    assert data[4:8] == b"M001"
    return Fields(Table(data, int.from_bytes(data[:4], "little")))


def test_the_keras_file_has_only_keras_layers_and_can_be_trained(exports):
    import keras

    model = keras.models.load_model(exports("transfer", "keras").folder / "model.keras")
    layers = {layer.__class__.__module__.split(".")[0] for layer in model.layers}
    assert layers == {"keras"}
    assert [weight.path for weight in model.trainable_weights] == ["scores/kernel", "scores/bias"]
    model.get_layer("efficientnet-lite0").trainable = True
    assert len(model.trainable_weights) > 100


def test_the_saved_model_takes_batches_named_image(exports, tensorflow):
    folder = exports("three", "saved_model").folder / "saved_model"
    signature = tensorflow.saved_model.load(folder).signatures["serving_default"]
    (image,) = signature.structured_input_signature[1].values()
    assert (image.name, image.dtype, image.shape[0]) == ("image", tensorflow.uint8, None)
    outputs = signature.structured_outputs
    assert {*outputs} == {"probabilities", "embedding", "novelty"}
    assert outputs["probabilities"].shape[-1] == 3


def test_the_litert_file_takes_one_uint8_image(exports):
    from ai_edge_litert.interpreter import Interpreter

    file = exports("transfer", "litert").folder / "model.tflite"
    (image,) = Interpreter(model_path=str(file)).get_input_details()
    assert image["dtype"] is np.uint8
    assert image["shape"].tolist() == image["shape_signature"].tolist() == [1, 224, 224, 3]


def test_an_export_that_lost_its_calibration_is_refused(runs, tmp_path, monkeypatch):
    def write(folder, source):
        model = build_classifier(source)
        dense = model.get_layer("scores")
        dense.set_weights([weight * np.float32(3) for weight in dense.get_weights()])
        model.save(folder / "model.keras")

    monkeypatch.setitem(FORMATS, "keras", replace(FORMATS["keras"], write=write))
    with pytest.raises(ParityError, match="the export to Keras does not give the run's answers"):
        export_run(ExportRequest(runs["three"], "keras", tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("width", [1584, 1280])
def test_a_backbone_with_mirrored_views_is_one_model(trained, width):
    """The default backbone averages each image and its mirror image; that of the tests does not.

    Runs of earlier versions have the head's 1280 features alone.
    """
    import keras

    from candid.exporting.keras_model import _features
    from candid.features.backbones import get
    from candid.features.backbones.onnx_graph import build_onnx
    from candid.features.backbones.weights import load_weights

    spec = replace(get("efficientnet-lite0"), mirror=True)
    image = keras.layers.Input((spec.size_px, spec.size_px, 3), dtype="uint8")
    source = SimpleNamespace(
        head=lambda: (np.zeros((2, width), np.float32), np.zeros(2)),
        manifest=SimpleNamespace(settings=None),
    )
    model = keras.Model(image, _features(keras, spec, source, image))
    pixels = noise(trained.folder)[:2]
    expected = run_onnx(build_onnx(spec, load_weights(spec)), pixels)[:, :width]
    found = np.asarray(model(pixels)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    plain = np.asarray(model.get_layer(spec.name)(pixels.astype(np.float32)))
    assert np.abs(plain.transpose(0, 3, 1, 2) - expected).max() > 0.1


def run_onnx(model, pixels):
    import onnxruntime as ort

    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["features"], {"image": pixels})[0]


def test_a_cnn_run_without_its_keras_file_is_refused(runs, tmp_path):
    from candid.errors import ArtifactError

    source = open_source(runs["two"])
    with pytest.raises(ArtifactError, match=r"lacks model\.keras; restore it or train again"):
        build_classifier(replace(source, folder=tmp_path))
