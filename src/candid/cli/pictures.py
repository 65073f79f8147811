"""Pictures of predictions: labelled photos by Matplotlib, and explanations as PNG files."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.cli.console import has_screen
from candid.cli.predicting import read_input, stem_of
from candid.core.extras import require_packages
from candid.core.text import sanitize
from candid.data.images import PixelContract, Reading, decode, preview, read_file
from candid.errors import ImageError, UsageError
from candid.runs.classifier import Classifier
from candid.runs.explaining.explain import Similar
from candid.runs.explaining.picture import picture_of
from candid.runs.prediction import Prediction

_SHOWN_PX = 512
_EXPLAINED_PX = 640
_KNOWN = (
    "This photo, or a nearly identical one, was used for training, so this answer proves little."
)


def show_predictions(
    paths: Sequence[str],
    predictions: Sequence[Prediction],
    piped: bytes,
    reading: Reading,
) -> Iterator[Path]:
    """Show each readable photo with its label, in a window or as PNG files.

    Args:
        paths: The photos' files.
        predictions: Their predictions, in the same order.
        piped: Content of ``-``.
        reading: What of a file becomes a picture.

    Yields:
        Without a screen, the PNG files written into the working directory.

    Raises:
        DependencyError: Matplotlib is not installed.
    """
    plt = _pyplot()
    for path, prediction in zip(paths, predictions, strict=True):
        if prediction.label is None:
            continue
        figure = _draw_prediction(plt, read_input(path, piped), prediction, reading)
        if has_screen():
            plt.show()
        else:
            image = io.BytesIO()
            figure.savefig(image, format="png", dpi=100)
            yield _write_png(image.getvalue(), f"{stem_of(path)}-predicted")
        plt.close(figure)


def _pyplot() -> Any:
    require_packages(["matplotlib"], needed_by="--show", extra="transfer")
    import matplotlib

    if not has_screen():
        matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def _draw_prediction(plt: Any, data: bytes, prediction: Prediction, reading: Reading) -> Any:
    pixels = decode(data, PixelContract.of(reading, _SHOWN_PX, "pad"))
    figure, axes = plt.subplots(figsize=(5, 5.4))
    axes.imshow(pixels)
    axes.set_axis_off()
    shares = ", ".join(f"{name} {value:.2f}" for name, value in prediction.probabilities.items())
    title = f"{sanitize(prediction.answer)}\n{sanitize(shares)}"
    axes.set_title(title, parse_math=False, wrap=True)  # a class may be named $x$
    figure.tight_layout()
    return figure


def draw_explanations(
    paths: Sequence[str],
    predictions: Sequence[Prediction],
    classifier: Classifier,
    piped: bytes = b"",
) -> Iterator[str]:
    """Draw the explanation of each prediction that has one.

    Args:
        paths: The photos' files.
        predictions: Their predictions, in the same order.
        classifier: The classifier that made them.
        piped: Content of ``-``.

    Yields:
        Lines for each photo: the PNG file and the evidence in words, the most similar training
        photos, and whether the photo is one of these.
    """
    folder = None if classifier.manifest is None else Path(classifier.manifest.data.folder)
    # All that the network gets, in the same shape.
    contract = PixelContract.of(classifier.contract, _EXPLAINED_PX, classifier.contract.fit)
    for path, prediction in zip(paths, predictions, strict=True):
        explained = prediction.explanation
        if explained is None:
            continue
        pixels = decode(read_input(path, piped), contract)
        similar = [
            (photo, _describe(row))
            for row in explained.similar
            if (photo := _read_training_photo(folder, row, contract)) is not None
        ]
        png = picture_of(pixels, explained.heat, prediction.answer, similar)
        written = _write_png(png, f"{stem_of(path)}-explained")
        evidence = f"{sanitize(prediction.answer)}: evidence: {explained.where}"
        yield f"{sanitize(path)}: {evidence}; written to {written}"
        if explained.similar:
            yield f"  most similar: {', '.join(map(_describe, explained.similar))}"
        if explained.is_known:
            yield f"  {_KNOWN}"


def _read_training_photo(
    folder: Path | None, photo: Similar, reading: Reading
) -> NDArray[np.uint8] | None:
    """A training photo; None if it is gone."""
    if folder is None:
        return None
    try:
        return preview(read_file(folder / photo.path), _EXPLAINED_PX, reading)
    except ImageError:
        return None


def _describe(photo: Similar) -> str:
    return f"{sanitize(photo.path)} ({photo.similarity:.2f})"


def _write_png(png: bytes, stem: str) -> Path:
    """Write a picture into the working directory, under the first free name.

    Raises:
        UsageError: It can't be written there.
    """
    number, file = 1, Path(f"{stem}.png")
    while file.exists():
        number += 1
        file = Path(f"{stem}-{number}.png")
    try:
        file.write_bytes(png)
    except OSError as error:
        raise UsageError(
            f"{file} can't be written: {error.strerror}. Go to a folder that you may write to."
        ) from error
    return file
