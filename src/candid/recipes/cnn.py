"""The recipe ``cnn``: the tutorial's network to the letter, on a split without leaks.

photos ─ write_pixels ─▶ train/ val/ of BMP ─ Keras ─▶ weights ─┬─ model.keras
                                                                └─ ONNX

TensorFlow is imported by `train`, not by this module.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid import __version__
from candid.catalog import Catalog
from candid.checkpoint import Checkpoints
from candid.errors import DependencyError, SplitError, UsageError
from candid.hashing import hash_file
from candid.images import PixelContract, decode, read_file
from candid.layout import write_pixels
from candid.owned_folder import scratch_folder
from candid.progress import Progress, Silent
from candid.quiet_tensorflow import quiet
from candid.recipes.trained import Trained
from candid.split import Split

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
    with scratch_folder(_SCRATCH) as scratch:
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
            importlib.import_module("candid.recipes.cnn_fit")
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
    from candid.recipes import cnn_keras, cnn_photos
    from candid.recipes.cnn_fit import Loop, fit
    from candid.recipes.cnn_graph import build_onnx

    def load(part: str, seed: int | None) -> cnn_photos.Photos:
        size = options.batch_size
        return cnn_photos.load(prepared / part, classes, batch_size=size, shuffle_seed=seed)

    dtype = cnn_keras.choose_dtype()
    network = cnn_keras.build_network(len(classes), seed=options.seed, dtype=dtype, pool_first=True)
    letter = cnn_keras.build_network(len(classes), seed=options.seed)
    board = folder / "tensorboard"
    cnn_keras.show_on_board(board, letter, _samples(prepared / "train", classes))
    training = load("train", options.seed)
    validation = load("val", None) if cnn_photos.count_images(prepared / "val") else None
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
    from candid.recipes.cnn_keras import describe_machine
    from candid.recipes.cnn_photos import count_images, stays_in_memory

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
