"""The recipe ``cnn``: the tutorial's network to the letter, on a split without leaks.

photos ─ write_pixels ─▶ train/ val/ of BMP ─ Keras ─▶ weights ─┬─ model.keras
                                                                └─ ONNX

TensorFlow is imported by `train`, not by this module.

The tutorial's network as an ONNX graph, from the weights that Keras trained.

Calibrates a network that is trained, and teaches it when to say nothing, from a held-out part.

For networks whose cross-validation would take hours: what is usual is learnt from the val part,
which no weight was fitted on.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.extras import quiet
from candid.core.hashing import hash_file
from candid.core.onnx_builder import GraphBuilder
from candid.core.progress import Progress, Silent
from candid.core.temp_dir import temp_dir
from candid.data.catalog import Catalog
from candid.data.images import PixelContract, decode, read_file
from candid.errors import DependencyError, SplitError, UsageError
from candid.models.checkpoint import Checkpoints
from candid.models.conformal import Abstention, fit_abstention
from candid.models.ood import Novelty, fit_novelty_held_out
from candid.models.outputs import Outputs, Trained
from candid.models.temperature import LEAST_IMAGES, fit_temperature, with_temperature
from candid.splits.split import Split
from candid.splits.split_export import write_pixels

Weights = Sequence[NDArray[np.float32]]

_NUM_CONVS = 3
_FLOAT = 1  # onnx.TensorProto.FLOAT


def build_onnx(weights: Weights, *, size_px: int) -> bytes:
    """Write the network as ONNX.

    Args:
        weights: A kernel and a bias for each of three convolutions and two dense layers, as Keras
            keeps them: ``(h, w, in, out)`` and ``(in, out)``.
        size_px: Height and width of its input.

    Returns:
        The serialised graph: ``image``, uint8 ``(n, size_px, size_px, 3)``, to ``probabilities``,
        float32 ``(n, k)``, and ``embedding``, float32 ``(n, 256)``. One output unit is the
        probability of the second of two classes.
    """
    graph = GraphBuilder("cnn")
    image = graph.input("image", np.uint8, ("n", size_px, size_px, 3))
    # As bytes first: a quarter of the memory to move.
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
    """Make ``(units, c * h * w)`` of a kernel ``(h * w * c, units)`` from Keras, places first."""
    by_place = kernel.reshape(-1, num_channels, kernel.shape[1])
    return by_place.transpose(2, 1, 0).reshape(kernel.shape[1], -1)


def _add_head(
    graph: GraphBuilder, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32]
) -> str:
    scores = graph.dense(x, kernel.T, bias, name="scores")
    if len(bias) > 1:
        return graph.node("Softmax", scores, axis=1, output="probabilities")
    second = graph.node("Sigmoid", scores)
    first = graph.node("Sub", graph.constant("one", np.array(1, np.float32)), second)
    return graph.node("Concat", first, second, axis=1, output="probabilities")


@dataclass(frozen=True)
class Posthoc:
    """A network's graph with what was learnt from the val part inside.

    Attributes:
        model: The serialised graph.
        temperature: What its scores are divided by.
        abstention: When it says that it does not know; None where the val part is too small.
    """

    model: bytes
    temperature: float
    abstention: Abstention | None


def fit_posthoc(
    model: bytes,
    trained_on: tuple[Outputs, NDArray[np.int64]],
    held_out: tuple[Outputs, NDArray[np.int64], NDArray[np.int64]],
) -> Posthoc:
    """Calibrate a network and add ``novelty`` to its outputs.

    Args:
        model: The serialised graph, whose last dense layer is called ``scores``.
        trained_on: What it says of the train part, and its labels, int64.
        held_out: What it says of the val part, its labels and its groups, int64.
    """
    seen, seen_labels = trained_on
    said, labels, groups = held_out
    temperature = fit_temperature(said.probabilities, labels, groups)
    novelty, abstention = None, None
    if len(labels) >= LEAST_IMAGES:
        novelty, usual = fit_novelty_held_out(seen.embedding, seen_labels, said.embedding)
        calibrated = with_temperature(said.probabilities, temperature)
        abstention = fit_abstention(calibrated, labels, usual)
    return Posthoc(_rewrite(model, temperature, novelty), temperature, abstention)


def _rewrite(model: bytes, temperature: float, novelty: Novelty | None) -> bytes:
    """Divide the scores by the temperature, and append the nodes of the novelty."""
    import onnx
    from onnx import numpy_helper

    from candid.core.onnx_builder import GraphBuilder

    loaded = onnx.load_from_string(model)
    for initializer in loaded.graph.initializer:
        if initializer.name in ("scores.kernel", "scores.bias"):
            scaled = numpy_helper.to_array(initializer) / np.float32(temperature)
            initializer.CopyFrom(numpy_helper.from_array(scaled, initializer.name))
    graph = GraphBuilder.continue_from(loaded)
    if novelty is not None:
        graph.output(novelty.add_to(graph, "embedding"), np.float32, ("n",))
    return bytes(graph.finish().SerializeToString())


#: How photos become the network's input.
CONTRACT = PixelContract(size_px=256, fit="squash")

_SCRATCH: Final = "candid-cnn-"
_NUM_SAMPLES = 8  # pictures a class on TensorBoard's page


def train(
    catalog: Catalog,
    split: Split,
    *,
    folder: Path,
    epochs: int = 20,
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Train the tutorial's network.

    Two classes have one sigmoid unit and binary cross-entropy, more have a softmax and its loss.
    On one machine the same seed gives the same weights, to the last bit, on a CPU. Ctrl-C ends the
    training with the last epoch that ended, if one has. A training that was broken off, even by a
    kill, goes on after that epoch if it is begun again with the same photos and options, and ends
    with the weights that it would have had.

    Args:
        catalog: The photos.
        split: Their deal; training sees ``train``, each epoch is measured on ``val``.
        folder: An existing folder, for ``model.keras`` and ``tensorboard/``.
        epochs: Passes over the training part, at least 1.
        batch_size: Photos a step, at least 1.
        seed: For initial weights and order.
        progress: Told how far it is.
        checkpoints: Where each epoch is kept; by default nowhere.

    Returns:
        The model; its history has a row an epoch.

    Raises:
        DependencyError: TensorFlow, TensorBoard or ONNX is not installed.
        UsageError: ``epochs`` or ``batch_size`` is below 1.
        SplitError: The training part is empty.
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    options = _Options(epochs, batch_size, seed)
    progress = progress or Silent()
    _require_packages()
    checkpoints = checkpoints or Checkpoints()
    with temp_dir(_SCRATCH) as scratch:
        prepared = scratch / "prepared"
        _prepare(catalog, split, prepared, progress)
        return _train(catalog.classes, prepared, folder, options, progress, checkpoints)


@dataclass(frozen=True)
class _Options:
    epochs: int
    batch_size: int
    seed: int

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            received = f"epochs={self.epochs}, batch_size={self.batch_size}"
            raise UsageError(f"epochs and batch_size must be at least 1. Received: {received}")


def _require_packages() -> None:
    for name in ("tensorflow", "tensorboard", "onnx"):
        if importlib.util.find_spec(name) is None:
            raise DependencyError(_how_to_install(f"{name} is not installed"))


def _how_to_install(problem: str) -> str:
    return (
        f"the recipe cnn trains with TensorFlow and TensorBoard; {problem}. "
        'Run: pip install "candid-image[train]"'
    )


def _prepare(catalog: Catalog, split: Split, to: Path, progress: Progress) -> None:
    """Decode the photos while TensorFlow is imported, which keeps one core busy for seconds."""
    parts = ("train", "val")
    num_photos = len(split.places(*parts))
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(_import_keras)
        with progress.step("Preparing the photos", num_photos) as advance:
            layout = write_pixels(catalog, split, CONTRACT, to, parts=parts, advance=advance)
        importing.result()
    if not layout.counts["train"]:
        raise SplitError(
            "the split has no photo to train on. Add photos, or split the folder anew with "
            "another seed."
        )


def _import_keras() -> None:
    # Read by TensorFlow when it is imported; candid is written for this backend of Keras.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        with quiet():
            importlib.import_module("candid.models.recipes.cnn_fit")
    except ImportError as error:
        raise DependencyError(_how_to_install(f"it can't be imported: {error}")) from error


def _train(
    classes: tuple[str, ...],
    prepared: Path,
    folder: Path,
    options: _Options,
    progress: Progress,
    checkpoints: Checkpoints,
) -> Trained:
    from candid.models.recipes import cnn_keras
    from candid.models.recipes.cnn_fit import Loop, fit

    def load(part: str, seed: int | None) -> cnn_keras.Photos:
        size = options.batch_size
        return cnn_keras.load(prepared / part, classes, batch_size=size, shuffle_seed=seed)

    dtype = cnn_keras.choose_dtype()
    network = cnn_keras.build_network(len(classes), seed=options.seed, dtype=dtype, pool_first=True)
    letter = cnn_keras.build_network(len(classes), seed=options.seed)
    board = folder / "tensorboard"
    cnn_keras.show_on_board(board, letter, _samples(prepared / "train", classes))
    training = load("train", options.seed)
    validation = load("val", None) if cnn_keras.count_images(prepared / "val") else None
    fingerprint = _fingerprint(prepared, classes, options, dtype)
    with checkpoints.open(fingerprint, progress.say) as checkpoint:
        loop = Loop(options.epochs, board, checkpoint, progress)
        snapshot, complete = fit(network, training, validation, loop)
        checkpoint.is_complete = complete
    cnn_keras.save(folder / "model.keras", letter, snapshot)
    settings = {**asdict(options), "dtype": dtype, "num_parameters": letter.count_params()}
    model = build_onnx(snapshot.weights, size_px=CONTRACT.size_px)
    return Trained(model, CONTRACT, snapshot.history, settings, complete)


def _fingerprint(prepared: Path, classes: tuple[str, ...], options: _Options, dtype: str) -> str:
    """SHA-256 of all that decides the weights: pictures and their names, options, machine."""
    from candid.models.recipes.cnn_keras import count_images, describe_machine, stays_in_memory

    in_memory = stays_in_memory(count_images(prepared / "train"))
    told = [__version__, classes, asdict(options), dtype, in_memory, describe_machine()]
    digest = hashlib.sha256(json.dumps(told).encode())
    for file in sorted(prepared.rglob("*.bmp")):
        digest.update(os.fsencode(file.relative_to(prepared)) + b"\0")
        digest.update(hash_file(file).encode())
    return digest.hexdigest()


def _samples(folder: Path, classes: tuple[str, ...]) -> dict[str, NDArray[np.uint8]]:
    """Read a few training photos of each class that has one."""
    files = {name: sorted((folder / name).glob("*.bmp"))[:_NUM_SAMPLES] for name in classes}
    return {
        name: np.stack([decode(read_file(file), CONTRACT) for file in some])
        for name, some in files.items()
        if some
    }
