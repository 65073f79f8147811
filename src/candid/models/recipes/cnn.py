"""The recipe ``cnn``: the tutorial's network, unchanged, on a split without leaks.

`train` decodes the photos to BMP files, trains with Keras (which only then is imported), and writes
the weights to ``model.keras`` and as ONNX (`build_onnx`). `fit_posthoc` then calibrates the model
and adds its OOD score, both fitted on the val part, as cross-validation would take hours.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.extras import quiet, require_packages
from candid.core.hashing import hash_file
from candid.core.onnx_builder import GraphBuilder
from candid.core.progress import Progress, Silent
from candid.core.temp_dir import temp_dir
from candid.data.catalog import Catalog
from candid.data.images import PixelContract, Reading, decode, read_file
from candid.errors import DependencyError, SplitError, UsageError
from candid.models.checkpoint import Checkpoints
from candid.models.conformal import LEAST_PHOTOS, Abstention, fit_abstention
from candid.models.ood import Novelty, fit_novelty_held_out
from candid.models.outputs import Outputs, Trained
from candid.models.temperature import fit_temperature, with_temperature
from candid.splits.split import Split
from candid.splits.split_export import write_pixels

Weights = Sequence[NDArray[np.float32]]

#: How photos become the network's input.
CONTRACT = PixelContract(size_px=256, fit="squash")

_NUM_CONVS = 3
_FLOAT = 1  # onnx.TensorProto.FLOAT
_SCRATCH: Final = "candid-cnn-"
_NUM_SAMPLES = 8  # pictures per class on TensorBoard's page


def build_onnx(weights: Weights, *, size_px: int) -> bytes:
    """Write the network as ONNX.

    Args:
        weights: A kernel and a bias for each of three convolutions and two dense layers, in Keras'
            layout: ``(h, w, in, out)`` and ``(in, out)``. A single output unit is the probability
            of the second of two classes.
        size_px: Height and width of its input.

    Returns:
        The serialised graph: ``image``, uint8 ``(n, size_px, size_px, 3)``, to ``probabilities``,
        float32 ``(n, k)``, and ``embedding``, float32 ``(n, 256)``.
    """
    graph = GraphBuilder("cnn")
    image = graph.input("image", np.uint8, ("n", size_px, size_px, 3))
    # Transpose before the cast: bytes are a quarter of the memory.
    x = graph.node("Transpose", image, perm=[0, 3, 1, 2])
    x = graph.node("Cast", x, to=_FLOAT)
    x = graph.node("Mul", x, graph.constant("scale", np.array(1 / 255, np.float32)))
    layers = [(weights[i], weights[i + 1]) for i in range(0, len(weights), 2)]
    for number, (kernel, bias) in enumerate(layers[:_NUM_CONVS], start=1):
        x = graph.conv(x, kernel.transpose(3, 2, 0, 1), bias, name=f"conv{number}")
        x = graph.node("Relu", x)
        x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    (kernel, bias), head = layers[_NUM_CONVS:]
    x = graph.node("Flatten", x)
    x = graph.dense(x, _channels_first(kernel, len(layers[2][1])), bias, name="hidden")
    embedding = graph.node("Relu", x, output="embedding")
    probabilities = _add_head(graph, embedding, *head)
    graph.output(probabilities, np.float32, ("n", max(2, len(head[1]))))
    graph.output(embedding, np.float32, ("n", kernel.shape[1]))
    return bytes(graph.finish().SerializeToString())


def _channels_first(kernel: NDArray[np.float32], num_channels: int) -> NDArray[np.float32]:
    """Reorder Keras' kernel ``(h * w * c, units)`` to ``(units, c * h * w)``."""
    by_place = kernel.reshape(-1, num_channels, kernel.shape[1])
    return by_place.transpose(2, 1, 0).reshape(kernel.shape[1], -1)


def _add_head(
    graph: GraphBuilder, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> str:
    scores = graph.dense(x, kernel.T, bias, name="scores")
    if len(bias) == 1:
        # A sigmoid as a softmax of opposite scores: 1 minus a float32 sigmoid is 0 from a score of
        # 17 on, and no temperature can undo that.
        half = graph.node("Mul", scores, graph.constant("half", np.array(0.5, np.float32)))
        scores = graph.node("Concat", graph.node("Neg", half), half, axis=1)
    return graph.node("Softmax", scores, axis=1, output="probabilities")


@dataclass(frozen=True)
class Posthoc:
    """A network's serialised graph after calibration on the val part."""

    model: bytes
    temperature: float  # the divisor of its scores
    abstention: Abstention | None  # None if the val part is too small


def fit_posthoc(
    model: bytes,
    trained_on: tuple[Outputs, NDArray[np.int64]],
    held_out: tuple[Outputs, NDArray[np.int64], NDArray[np.int64]],
) -> Posthoc:
    """Calibrate a network and add ``novelty`` to its outputs.

    Args:
        model: The serialised graph, whose last dense layer is called ``scores``.
        trained_on: Its outputs for the train part, and the labels, int64.
        held_out: Its outputs for the val part, the labels and the groups, int64.
    """
    train, train_labels = trained_on
    val, labels, groups = held_out
    temperature = fit_temperature(val.probabilities, labels, groups)
    novelty, abstention = None, None
    if len(labels) >= LEAST_PHOTOS:
        novelty, scores = fit_novelty_held_out(train.embedding, train_labels, val.embedding)
        calibrated = with_temperature(val.probabilities, temperature)
        abstention = fit_abstention(calibrated, labels, scores)
    return Posthoc(_add_posthoc(model, temperature, novelty), temperature, abstention)


def _add_posthoc(model: bytes, temperature: float, novelty: Novelty | None) -> bytes:
    """Divide the scores by the temperature and append the nodes of the novelty."""
    import onnx
    from onnx import numpy_helper

    loaded = onnx.load_from_string(model)
    for initializer in loaded.graph.initializer:
        if initializer.name in ("scores.kernel", "scores.bias"):
            scaled = numpy_helper.to_array(initializer) / np.float32(temperature)
            initializer.CopyFrom(numpy_helper.from_array(scaled, initializer.name))
    graph = GraphBuilder.continue_from(loaded)
    if novelty is not None:
        graph.output(novelty.add_to(graph, "embedding"), np.float32, ("n",))
    return bytes(graph.finish().SerializeToString())


def train(
    catalog: Catalog,
    split: Split,
    *,
    folder: Path,
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    reading: Reading | None = None,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train the tutorial's network.

    Two classes have one sigmoid unit and binary cross-entropy, more have softmax and categorical
    cross-entropy. On one machine, the same seed gives bit-identical weights on a CPU. Ctrl-C ends
    the training after the last complete epoch, if there is one. An interrupted or killed training
    resumes after that epoch if it is repeated with the same photos and options, and ends with the
    same weights as an uninterrupted one.

    Args:
        catalog: The photos.
        split: Their parts; ``train`` is trained on, ``val`` is measured after each epoch.
        folder: An existing folder for ``model.keras`` and ``tensorboard/``.
        epochs: Passes over the training part, at least 1.
        batch_size: Photos per step, at least 1.
        seed: Random seed of the initial weights and the order.
        reading: What of a file becomes a picture.
        progress: Progress callback.
        checkpoints: Where each epoch is kept; by default nowhere.

    Returns:
        The model; its history has one row per epoch.

    Raises:
        DependencyError: TensorFlow, TensorBoard or ONNX is not installed.
        UsageError: ``epochs`` or ``batch_size`` is below 1.
        SplitError: The training part is empty.
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    options = _Options(epochs, batch_size, seed)
    progress = progress or Silent()
    packages = ("tensorflow", "tensorboard", "onnx")
    require_packages(packages, needed_by="the recipe cnn", extra="train")
    checkpoints = checkpoints or Checkpoints()
    with temp_dir(_SCRATCH) as scratch:
        prepared = scratch / "prepared"
        contract = PixelContract.of(reading or Reading(), CONTRACT.size_px, CONTRACT.fit)
        _prepare(catalog, split, contract, prepared, progress)
        trained = _train(catalog.classes, prepared, folder, options, progress, checkpoints)
    return replace(trained, contract=contract)


@dataclass(frozen=True)
class _Options:
    epochs: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            received = f"epochs={self.epochs}, batch_size={self.batch_size}"
            raise UsageError(f"epochs and batch_size must be at least 1. Received: {received}")


def _prepare(
    catalog: Catalog, split: Split, contract: PixelContract, to: Path, progress: Progress
) -> None:
    """Decode the photos while TensorFlow is imported, which takes one core for seconds."""
    parts = ("train", "val")
    num_photos = len(split.places(*parts))
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(_import_keras)
        with progress.step("Preparing the photos", num_photos) as advance:
            tree = write_pixels(catalog, split, contract, to, parts=parts, advance=advance)
        importing.result()
    if not tree.counts["train"]:
        raise SplitError(
            "the split has no photo to train on. Add photos, or make a new split with another seed."
        )


def _import_keras() -> None:
    # Read by TensorFlow and Keras on import; only this backend is supported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with quiet():
            importlib.import_module("candid.models.recipes.cnn_keras")
    except ImportError as error:
        raise DependencyError(
            f"the recipe cnn needs TensorFlow, which can't be imported: {error}. "
            'Run: pip install "candid-image[train]"'
        ) from error


def _train(
    classes: tuple[str, ...],
    prepared: Path,
    folder: Path,
    options: _Options,
    progress: Progress,
    checkpoints: Checkpoints,
) -> Trained:
    from candid.models.recipes import cnn_keras

    def load(part: str, seed: int | None) -> cnn_keras.Photos:
        size = options.batch_size
        return cnn_keras.load(prepared / part, classes, batch_size=size, shuffle_seed=seed)

    dtype = cnn_keras.choose_dtype()
    network = cnn_keras.build_network(len(classes), seed=options.seed, dtype=dtype, pool_first=True)
    original = cnn_keras.build_network(len(classes), seed=options.seed)
    board = folder / "tensorboard"
    cnn_keras.write_tensorboard(board, original, _samples(prepared / "train", classes))
    training = load("train", options.seed)
    validation = load("val", None) if cnn_keras.count_images(prepared / "val") else None
    fingerprint = _fingerprint(prepared, classes, options, dtype)
    with checkpoints.open(fingerprint, progress.say) as checkpoint:
        loop = cnn_keras.Loop(options.epochs, board, checkpoint, progress)
        snapshot, complete = cnn_keras.fit(network, training, validation, loop)
        checkpoint.is_complete = complete
    cnn_keras.save(folder / "model.keras", original, snapshot)
    settings = {**asdict(options), "dtype": dtype, "num_parameters": original.count_params()}
    model = build_onnx(snapshot.weights, size_px=CONTRACT.size_px)
    return Trained(model, CONTRACT, snapshot.history, settings, complete)


def _fingerprint(prepared: Path, classes: tuple[str, ...], options: _Options, dtype: str) -> str:
    """SHA-256 of everything that determines the weights: pictures, names, options, machine."""
    from candid.models.recipes.cnn_keras import count_images, describe_machine, stays_in_memory

    in_memory = stays_in_memory(count_images(prepared / "train"))
    facts = [__version__, classes, asdict(options), dtype, in_memory, describe_machine()]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for file in sorted(prepared.rglob("*.bmp")):
        digest.update(os.fsencode(file.relative_to(prepared)) + b"\0")
        digest.update(hash_file(file).encode())
    return digest.hexdigest()


def _samples(folder: Path, classes: tuple[str, ...]) -> dict[str, NDArray[np.uint8]]:
    """A few training photos of each class that has any."""
    files = {name: sorted((folder / name).glob("*.bmp"))[:_NUM_SAMPLES] for name in classes}
    return {
        name: np.stack([decode(read_file(file), CONTRACT) for file in some])
        for name, some in files.items()
        if some
    }
