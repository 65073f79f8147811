"""The tutorial's network on a few small pictures, as each TensorFlow test takes seconds."""

import errno
import functools
import importlib.util
import json
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from onnx import load_from_string as load
from onnx import numpy_helper

from candid.core.progress import Silent
from candid.data.catalog import scan
from candid.data.images import decode
from candid.errors import DependencyError, SplitError, UsageError
from candid.models.recipes import cnn
from candid.splits.split import PARTS, Row, Split
from candid.splits.split_export import write_links

# TensorFlow 2.21 does not know NumPy 2's `copy` yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PARTS_OF_CLASS = ("train",) * 4 + ("val",) + ("test",)


def make(folder, *classes):
    """Draw six photos per class, its own colour with noise, and split them."""
    random = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for photo in range(len(PARTS_OF_CLASS)):
            pixels = random.integers(0, 120, (40, 50, 3), dtype=np.uint8)
            pixels[..., number % 3] += np.uint8(100)
            cv2.imwrite(str(folder / name / f"{photo}.png"), pixels)
    catalog = scan(folder)
    rows = [
        Row(
            photo.path,
            photo.label,
            PARTS_OF_CLASS[i % len(PARTS_OF_CLASS)],
            photo.content[:16],
            photo.content,
        )
        for i, photo in enumerate(catalog.photos)
    ]
    return catalog, Split(tuple(rows), ())


def train(catalog, split, *, folder, epochs=20, batch_size=32, seed=0, asked=frozenset(), **others):
    """Decode the photos of all parts and train, with the options that are asked for."""
    options = cnn.Options(epochs, batch_size, seed, **dict.fromkeys(asked, True))
    with cnn.decode_photos(catalog, split.places(*PARTS)) as photos:
        return cnn.train(photos, split, options, folder=folder, **others)


@functools.cache
def build(num_classes, seed, dtype):
    """A network and its initial state."""
    training = cnn.start(num_classes, seed=seed).result()
    assert training.dtype == dtype
    return training, training.snapshot(())


def started(num_classes=2, seed=1):
    """A network in its initial state, whose functions are traced once for all tests."""
    from candid.models.recipes.cnn_keras import choose_dtype

    training, start = build(num_classes, seed, choose_dtype())
    training.restore(start)
    future = Future()
    future.set_result(training)
    return future


def without(split, part):
    rows = [Row(r.path, r.label, "" if r.part == part else r.part, "", "") for r in split.rows]
    return Split(tuple(rows), ())


class Recorder(Silent):
    """Records messages, and may press Ctrl-C at the n-th."""

    def __init__(self, press_at=None):
        self.lines = []
        self.press_at = press_at

    def say(self, line):
        self.lines.append(line)
        if len(self.lines) == self.press_at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("tensorflow").keras


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make(tmp_path_factory.mktemp("data"), "blue", "green")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """One training for all tests that only read it: two classes, two epochs."""
    folder = tmp_path_factory.mktemp("run")
    recorder = Recorder()
    return train(*data, folder=folder, epochs=2, seed=1, progress=recorder), folder, recorder


@pytest.fixture(scope="module")
def other_process(tmp_path_factory):
    """The training of `trained` again in another process: its folder and output."""
    code = (
        "import json, sys; from pathlib import Path\n"
        "from tests.models.recipes.test_cnn import make, train\n"
        "folder = Path(sys.argv[1])\n"
        "data = make(folder / 'data', 'blue', 'green')\n"
        "made = train(*data, folder=folder, epochs=2, seed=1)\n"
        "(folder / 'model.onnx').write_bytes(made.model)\n"
        "(folder / 'history.json').write_text(json.dumps(made.history))\n"
    )
    folder = tmp_path_factory.mktemp("other")
    command = [sys.executable, "-c", code, str(folder)]
    root = Path(__file__).parents[3]
    return folder, subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)


def onnx_weights(model):
    return [(each.name, numpy_helper.to_array(each)) for each in load(model).graph.initializer]


def noise(num_images=3):
    return np.random.default_rng(0).integers(0, 256, (num_images, 256, 256, 3), dtype=np.uint8)


def run(model, image):
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["probabilities", "embedding"], {"image": image})


def test_importing_the_recipe_does_not_import_tensorflow():
    code = "import sys, candid.models.recipes.cnn; print('tensorflow' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_the_network_is_the_tutorials(trained, keras):
    result, folder, _ = trained
    model = keras.models.load_model(folder / "model.keras")
    assert model.count_params() == result.settings["num_parameters"] == 3_696_625
    assert model.input_shape == (None, 256, 256, 3)
    layers = [(type(layer).__name__, layer.get_config()) for layer in model.layers]
    conv, pool = "Conv2D", "MaxPooling2D"
    names = ["Rescaling", conv, pool, conv, pool, conv, pool, "Flatten", "Dense", "Dense"]
    assert [name for name, _ in layers] == names
    convs = [config for name, config in layers if name == conv]
    assert [config["filters"] for config in convs] == [16, 32, 16]
    assert all(tuple(config["kernel_size"]) == (3, 3) for config in convs)
    activations = [config["activation"] for _, config in layers if "activation" in config]
    assert activations == ["relu"] * 4 + ["sigmoid"]
    assert layers[0][1]["scale"] == pytest.approx(1 / 255)
    assert type(model.optimizer).__name__ == "Adam"
    assert int(model.optimizer.iterations) == 2  # one step per epoch, so training can resume
    assert isinstance(model.loss, keras.losses.BinaryCrossentropy)


def test_keras_and_onnx_agree_for_two_classes(trained, keras):
    result, folder, _ = trained
    model = keras.models.load_model(folder / "model.keras")
    embed = keras.Model(model.inputs, model.layers[-2].output)
    probabilities, embedding = run(result.model, noise())
    second = model.predict(noise(), verbose=0)
    expected = np.concatenate([1 - second, second], axis=1)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(embedding, embed.predict(noise(), verbose=0), rtol=1e-5, atol=1e-5)
    assert embedding.shape == (3, 256)


def test_four_classes_have_a_softmax_on_which_keras_and_onnx_agree(tmp_path, keras):
    data = make(tmp_path / "data", "a", "b", "c", "d")
    result = train(*data, folder=tmp_path, epochs=1)
    model = keras.models.load_model(tmp_path / "model.keras")
    probabilities, _ = run(result.model, noise())
    np.testing.assert_allclose(probabilities, model.predict(noise(), verbose=0), rtol=0, atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert isinstance(model.loss, keras.losses.SparseCategoricalCrossentropy)


@pytest.mark.usefixtures("keras")
@pytest.mark.parametrize("num_classes", [2, 3])
def test_training_computes_what_keras_computes(num_classes):
    """Two steps, on batches of two sizes, beside those of the network as the tutorial writes it."""
    from candid.models.recipes.cnn_keras import Training, build_network

    training = Training(num_classes, seed=3, dtype="float32")
    tutorials = build_network(num_classes, seed=3)
    start = tutorials.get_weights()
    for size in (4, 3):
        pixels, labels = noise(size), np.arange(size, dtype=np.int32) % num_classes
        for ours, theirs in (
            (training.step, tutorials.train_on_batch),
            (training.measure, tutorials.test_on_batch),
        ):
            loss, accuracy = ours(pixels, labels, np.float32(size)).numpy() / size
            tutorials.reset_metrics()
            told = theirs(pixels, labels[:, None], return_dict=True)
            assert (loss, accuracy) == pytest.approx((told["loss"], told["accuracy"]), rel=1e-4)
    for ours, theirs, first in zip(
        training.network.get_weights(), tutorials.get_weights(), start, strict=True
    ):
        assert (ours != first).any()
        # Adam's first steps are as long for the least gradients, whose last digits differ.
        assert np.mean(np.abs(ours - theirs) < 1e-5) > 0.999
    for ours, theirs in zip(
        training.network.optimizer.variables, tutorials.optimizer.variables, strict=True
    ):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-6)
    assert int(tutorials.optimizer.iterations) == 2


def test_relu_after_pooling_has_the_same_outputs_and_gradients_to_the_last_bit(keras):
    import tensorflow as tf

    from candid.models.recipes.cnn_keras import Training

    training = Training(2, seed=3, dtype="float32")
    network = training.network
    network.set_weights([w + np.float32(0.01) * (w.ndim == 1) for w in network.get_weights()])
    results = []
    scores = keras.Model(network.inputs, network.layers[-1].output)
    for outputs_of in (scores, lambda pixels: tf.sigmoid(training._scores(pixels))):
        with tf.GradientTape() as tape:
            outputs = outputs_of(tf.constant(noise()))
            loss = tf.reduce_sum(outputs)
        weights = [variable.value for variable in network.trainable_variables]
        results.append([outputs, *tape.gradient(loss, weights)])
    for letter, ours in zip(*results, strict=True):
        assert float(tf.reduce_max(tf.abs(letter))) > 0
        np.testing.assert_array_equal(letter, ours)


def test_an_epoch_is_a_row_and_a_line(trained):
    result, _, recorder = trained
    assert [row["epoch"] for row in result.history] == [1, 2]
    assert list(result.history[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert len(recorder.lines) == 2
    assert recorder.lines[0].startswith("epoch 1 of 2: loss ")
    assert result.complete
    json.dumps(result.settings)


def test_tensorboard_has_scalars_the_graph_and_samples(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, folder, _ = trained
    tags = {}
    for part in ("train", "validation", "samples"):
        events = EventAccumulator(str(folder / "tensorboard" / part)).Reload()
        tags[part] = events.Tags()
    assert "epoch_loss" in tags["train"]["tensors"]
    assert "epoch_accuracy" in tags["validation"]["tensors"]
    assert tags["samples"]["graph"]
    assert set(tags["samples"]["tensors"]) == {"samples/blue", "samples/green"}


def test_the_same_seed_gives_the_same_weights_in_another_process(trained, other_process):
    folder, _ = other_process
    assert (folder / "model.onnx").read_bytes() == trained[0].model
    assert json.loads((folder / "history.json").read_text()) == list(trained[0].history)


def test_ctrl_c_keeps_the_epochs_that_ended(trained, data, tmp_path, keras):
    result = train(
        *data,
        folder=tmp_path,
        epochs=9,
        seed=1,
        progress=Recorder(press_at=2),
        started=started(),
    )
    assert not result.complete
    assert result.history == trained[0].history
    assert result.model == trained[0].model
    assert keras.models.load_model(tmp_path / "model.keras").count_params() == 3_696_625


def test_ctrl_c_before_the_first_epoch_ends_is_raised(data, tmp_path, monkeypatch):
    from candid.models.recipes import cnn_keras

    def press_ctrl_c(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(cnn_keras, "_run_epoch", press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        train(*data, folder=tmp_path, epochs=2, started=started())


def test_without_validation_photos_nothing_is_validated(data, tmp_path):
    catalog, split = data
    result = train(catalog, without(split, "val"), folder=tmp_path, epochs=1, started=started())
    assert list(result.history[0]) == ["epoch", "loss", "accuracy"]


@pytest.mark.parametrize("asked", ["early_stop", "best_epoch"])
def test_an_epoch_is_not_chosen_without_validation_photos(data, tmp_path, asked):
    catalog, split = data
    with pytest.raises(SplitError, match=r"no val part.*early_stop and best_epoch"):
        train(catalog, without(split, "val"), folder=tmp_path, asked={asked})


@pytest.fixture
def written(monkeypatch):
    """Instead of training, an epoch has a given validation loss and leaves its number as a bias."""
    from candid.models.recipes import cnn_keras

    losses = [0.9, 0.5, 0.7, 0.6, 0.4, 0.8, np.nan, 0.4, 0.5, 0.6, 0.3, 0.2]

    def run_epoch(training, _photos, _loop, epoch, _advance):
        training.network.weights[-1].assign([epoch + 1.0])
        return {"loss": 1.0, "accuracy": 0.5, "val_loss": losses[epoch], "val_accuracy": 0.5}

    monkeypatch.setattr(cnn_keras, "_run_epoch", run_epoch)


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize(
    ("asked", "epochs", "ran", "kept"),
    [
        ((), 12, 12, 12),
        (("best_epoch",), 10, 10, 5),  # the first of two that are alike
        (("best_epoch",), 12, 12, 12),
        (("early_stop",), 12, 10, 10),  # the fifth without a lower loss
        (("early_stop", "best_epoch"), 12, 10, 5),
        (("early_stop", "best_epoch"), 4, 4, 2),
    ],
)
def test_the_validation_loss_stops_the_training_and_chooses_the_epoch(
    data, tmp_path, keras, asked, epochs, ran, kept
):
    result = train(*data, folder=tmp_path, epochs=epochs, started=started(), asked=asked)
    assert result.complete
    assert len(result.history) == ran
    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.get_weights()[-1].tolist() == [kept]
    (bias,) = (each for each in onnx_weights(result.model) if each[0] == "scores.bias")
    assert bias[1].tolist() == [kept]
    chosen = {name: result.settings[name] for name in result.settings if name.endswith("epoch")}
    expected = {"best_epoch": True, "kept_epoch": kept} if "best_epoch" in asked else {}
    assert chosen == expected
    assert result.settings.get("early_stop", False) == ("early_stop" in asked)


def test_bfloat16_trains_and_returns_float32(tmp_path, data, monkeypatch, keras):
    from candid.models.recipes import cnn_keras

    monkeypatch.setattr(cnn_keras, "choose_dtype", lambda: "mixed_bfloat16")
    result = train(*data, folder=tmp_path, epochs=1)
    model = keras.models.load_model(tmp_path / "model.keras")
    second = model.predict(noise(), verbose=0)
    probabilities, _ = run(result.model, noise())
    np.testing.assert_allclose(probabilities[:, 1:], second, rtol=0, atol=1e-5)
    assert result.settings["dtype"] == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("flags : fpu avx512f avx512_vnni", False),
        ("flags : fpu avx512_bf16 avx512f", True),
        ("flags\t\t: amx_bf16 amx_tile", True),
        ("Features : fp asimd bf16", False),
        ("", False),
    ],
)
def test_bfloat16_is_used_where_the_cpu_multiplies_it(flags, expected):
    from candid.models.recipes.cnn_keras import has_bfloat16

    assert has_bfloat16(flags) is expected


def test_photos_are_decoded_into_a_temporary_file_and_others_are_not(data):
    catalog, split = data
    places = without(split, "test").places(*PARTS)
    with cnn.decode_photos(catalog, places) as photos:
        assert photos.pixels.shape == (12, 256, 256, 3)
        for place, photo in enumerate(catalog.photos):
            expected = decode(catalog.file(photo).read_bytes(), cnn.CONTRACT)
            shown = photos.pixels[place]
            assert np.array_equal(shown, expected) if place in places else not shown.any()
        file = Path(photos.pixels.filename)
        assert file.exists()
    assert not file.parent.exists()


def test_a_full_disk_is_said_of_the_temporary_folder(data, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", refuse)
    said = "temporary files.* MB .*No space left.*TMPDIR"
    with pytest.raises(UsageError, match=said), cnn.decode_photos(data[0], np.arange(2)):
        pass


def test_keras_loader_reads_the_links_and_finds_no_picture_in_two_parts(data, tmp_path, keras):
    catalog, split = data
    written = write_links(catalog, split, tmp_path / "links")
    pictures = {}
    for part in PARTS:
        photos = keras.utils.image_dataset_from_directory(
            tmp_path / "links" / part, image_size=(64, 64), batch_size=None, verbose=False
        )
        assert tuple(photos.class_names) == catalog.classes
        pictures[part] = {pixels.numpy().tobytes() for pixels, _ in photos}
        assert len(pictures[part]) == written.counts[part]
    assert not pictures["train"] & pictures["val"]
    assert not (pictures["train"] | pictures["val"]) & pictures["test"]


def test_training_prints_nothing_of_its_own(other_process):
    _, out = other_process
    assert (out.stdout, out.stderr) == ("", "")


def test_a_missing_package_is_named_at_once(data, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        "candid.core.extras.find_spec", lambda n: None if n == "tensorflow" else find_spec(n)
    )
    with pytest.raises(DependencyError, match=r'pip install "candid-image\[train\]"'):
        train(*data, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": 0}])
def test_zero_epochs_or_batch_size_are_refused(wrong):
    with pytest.raises(UsageError, match=r"must be at least 1\. Received: epochs="):
        cnn.Options(**wrong)


def test_an_empty_training_part_is_refused(data, tmp_path):
    catalog, split = data
    with pytest.raises(SplitError, match="no photo to train on"):
        train(catalog, without(split, "train"), folder=tmp_path)
