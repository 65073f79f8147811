"""The recipe ``cnn``: the tutorial's network, unchanged, on a split without leaks.

`start` imports TensorFlow and builds the network beside other work. `train` trains it on the photos
that `decode_photos` holds, and writes the weights to ``model.keras`` and as ONNX (`build_onnx`).
`fit_posthoc` then calibrates the model and adds its OOD score, both fitted on the val part, as
cross-validation would take hours.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid._version import __version__
from candid.core.extras import import_tensorflow, require_packages
from candid.core.onnx_builder import GraphBuilder
from candid.core.progress import Progress, Silent
from candid.core.temp_dir import mapped_array
from candid.core.threads import map_ahead
from candid.data.catalog import Catalog
from candid.data.images import PixelContract, Reading, decode, read_file
from candid.errors import SplitError, UsageError
from candid.models.checkpoint import Checkpoints
from candid.models.conformal import LEAST_PHOTOS, Abstention, fit_abstention
from candid.models.ood import Novelty, fit_novelty_held_out
from candid.models.outputs import Outputs, Trained
from candid.models.temperature import fit_temperature, with_temperature
from candid.splits.split import Split, label_numbers

if TYPE_CHECKING:
    from candid.models.recipes.cnn_keras import Photos, RunEpochs, Training

Weights = Sequence[NDArray[np.float32]]

#: How photos become the network's input.
CONTRACT = PixelContract(size_px=256, fit="squash")

_NUM_CONVS = 3
_FLOAT = 1  # onnx.TensorProto.FLOAT
_SCRATCH: Final = "candid-cnn-"
_NUM_SAMPLES = 8  # pictures per class on TensorBoard's page
_NUM_AHEAD: Final = 16  # decoded photos in memory, before they are in the file


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


@dataclass(frozen=True)
class Decoded:
    """The photos of a catalog as the network's input.

    Attributes:
        pixels: uint8 ``(n, 256, 256, 3)``, a row per photo; those not asked for are 0.
        contract: How bytes became pixels.
    """

    catalog: Catalog
    pixels: NDArray[np.uint8]
    contract: PixelContract


@contextmanager
def decode_photos(
    catalog: Catalog,
    places: NDArray[np.int64],
    *,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> Iterator[Decoded]:
    """Decode the photos at some places of a catalog, once for all passes over them.

    They are in a temporary file that is mapped into memory, so there may be more than fit into it.

    Raises:
        ImageError: A photo can't be decoded.
        UsageError: There is no space for the file.
    """
    contract = PixelContract.of(reading or Reading(), CONTRACT.size_px, CONTRACT.fit)
    shape = (len(catalog.photos), contract.size_px, contract.size_px, 3)
    with mapped_array(_SCRATCH, np.uint8, shape) as pixels:

        def load(place: int) -> None:
            pixels[place] = decode(read_file(catalog.file(catalog.photos[place])), contract)

        with (progress or Silent()).step("Preparing the photos", len(places)) as advance:
            for _ in map_ahead(load, places.tolist(), num_ahead=_NUM_AHEAD):
                advance(1)
        yield Decoded(catalog, pixels, contract)


def start_import() -> Future[object]:
    """Import TensorFlow in a thread, beside other work: it takes one core for seconds.

    Raises:
        DependencyError: TensorFlow, TensorBoard or ONNX is not installed.
    """
    packages = ("tensorflow", "tensorboard", "onnx")
    require_packages(packages, needed_by="the recipe cnn", extra="train")
    return _import()


@functools.cache
def _import() -> Future[object]:
    return ThreadPoolExecutor(1).submit(import_tensorflow, extra="train")


def start(num_classes: int, *, seed: int) -> Future[Training]:
    """Build the network in a thread, once TensorFlow is imported; see `start_import`."""
    importing = start_import()

    def build() -> Training:
        importing.result()
        from candid.models.recipes.cnn_keras import Training

        return Training(num_classes, seed=seed)

    return ThreadPoolExecutor(1).submit(build)


@dataclass(frozen=True)
class Options:
    """What a training is asked for.

    Attributes:
        epochs: Passes over the training part, at least 1.
        batch_size: Photos per step, at least 1.
        seed: Random seed of the initial weights, the order and the augmentation.
        augment: Whether each epoch shows new views of the photos: crop, mirror image, light.
        early_stop: Whether to stop once the validation loss was not lowest for five epochs.
        best_epoch: Whether the weights are those of the epoch with the lowest validation loss.
    """

    epochs: int = 20
    batch_size: int = 32
    seed: int = 0
    augment: bool = False
    early_stop: bool = False
    best_epoch: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            received = f"epochs={self.epochs}, batch_size={self.batch_size}"
            raise UsageError(f"epochs and batch_size must be at least 1. Received: {received}")


def train(
    photos: Decoded,
    split: Split,
    options: Options,
    *,
    folder: Path,
    started: Future[Training] | None = None,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
    on_workers: bool = False,
) -> Trained:
    """Train the tutorial's network.

    Two classes have one sigmoid unit and binary cross-entropy, more have softmax and categorical
    cross-entropy. On one machine, the same seed gives bit-identical weights on a CPU. Ctrl-C ends
    the training after the last complete epoch, if there is one. An interrupted or killed training
    resumes after that epoch if it is repeated with the same photos and options, and ends with the
    same weights as an uninterrupted one.

    Args:
        photos: The photos of the parts ``train`` and ``val``, and perhaps others.
        split: Their parts; ``train`` is trained on, ``val`` is measured after each epoch.
        options: Epochs, batch size and seed.
        folder: An existing folder for ``model.keras`` and ``tensorboard/``.
        started: Of `start`, with the same seed; by default, it starts now.
        progress: Progress callback.
        checkpoints: Where each epoch is kept; by default nowhere.
        on_workers: Whether to train on all nodes of the Ray cluster that this process is part of.

    Returns:
        The model; its history has one row per epoch.

    Raises:
        DependencyError: TensorFlow, TensorBoard or ONNX is not installed.
        SplitError: The training part is empty, or the validation part that an option needs.
        KeyboardInterrupt: Ctrl-C before the first epoch ended.
    """
    if not len(split.places("train")):
        raise SplitError(
            "the split has no photo to train on. Add photos, or make a new split with another seed."
        )
    if (options.early_stop or options.best_epoch) and not len(split.places("val")):
        raise SplitError(
            "the split has no val part, by whose loss early_stop and best_epoch choose an epoch. "
            "Make a new split, or train without them."
        )
    progress, classes = progress or Silent(), photos.catalog.classes
    training = (started or start(len(classes), seed=options.seed)).result()
    from candid.models.recipes import cnn_keras

    # By content, so that names do not matter.
    train_on, val = (_by_content(photos.catalog, split.places(part)) for part in ("train", "val"))
    labels = label_numbers(photos.catalog)
    given = cnn_keras.Photos(photos.pixels, labels.astype(np.int32), train_on, val)
    fingerprint = _fingerprint(given, classes, options, training.dtype)
    with (
        (checkpoints or Checkpoints()).open(fingerprint, progress.say) as checkpoint,
        cnn_keras.Board(folder / "tensorboard") as board,
    ):
        board.write_samples(training.graph, _samples(given, classes))
        loop = cnn_keras.Loop(**asdict(options), checkpoint=checkpoint, progress=progress)
        run = _on_workers(photos, given, options, training.dtype) if on_workers else None
        snapshot, complete = cnn_keras.fit(training, given, board, loop, run)
        checkpoint.is_complete = complete
    training.restore(snapshot)
    weights = snapshot.best or snapshot.weights
    training.network.set_weights(weights)
    training.network.save(folder / "model.keras")
    settings = {
        # Those of the tutorial, and what of the rest was asked for.
        **{name: value for name, value in asdict(options).items() if value is not False},
        **({"kept_epoch": cnn_keras.best_epoch(snapshot.history)} if snapshot.best else {}),
        "dtype": training.dtype,
        "num_parameters": training.network.count_params(),
    }
    model = build_onnx(weights, size_px=CONTRACT.size_px)
    return Trained(model, photos.contract, snapshot.history, settings, complete)


def _on_workers(photos: Decoded, given: Photos, options: Options, dtype: str) -> RunEpochs:
    from candid.models.recipes.cnn_workers import Job, run_on_workers

    catalog = photos.catalog
    job = Job(
        {place: catalog.file(catalog.photos[place]) for place in [*given.train, *given.val]},
        photos.contract,
        given.labels,
        given.train,
        given.val,
        len(catalog.classes),
        dtype,
    )
    return functools.partial(run_on_workers, job, asdict(options))


def _by_content(catalog: Catalog, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array(sorted(places, key=lambda place: catalog.photos[place].content), np.int64)


def _fingerprint(photos: Photos, classes: tuple[str, ...], options: Options, dtype: str) -> str:
    """SHA-256 of everything that determines the weights: pictures, names, options, machine."""
    from candid.models.recipes.cnn_keras import describe_machine

    parts = [[photos.labels[places].tolist() for places in (photos.train, photos.val)]]
    facts = [__version__, classes, asdict(options), dtype, describe_machine(), parts]
    digest = hashlib.sha256(json.dumps(facts).encode())
    for place in (*photos.train, *photos.val):
        digest.update(photos.pixels[place])
    return digest.hexdigest()


def _samples(photos: Photos, classes: tuple[str, ...]) -> dict[str, NDArray[np.uint8]]:
    """A few training photos of each class that has any."""
    labels = photos.labels[photos.train]
    places = {name: photos.train[labels == number] for number, name in enumerate(classes)}
    return {name: photos.pixels[some[:_NUM_SAMPLES]] for name, some in places.items() if len(some)}
