"""Draws what answers rest on: a picture a photo, in the working folder.

Shows photos with their label by Matplotlib: in a window, or as PNG files without a screen.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.cli.predicting import read_input, stem_of
from candid.core.text import sanitize
from candid.data.images import PixelContract, decode, preview, read_file
from candid.errors import DependencyError, ImageError, UsageError
from candid.runs.classifier import Classifier
from candid.runs.explaining.explain import Explanation, Similar
from candid.runs.explaining.picture import picture_of
from candid.runs.prediction import Prediction

_SHOWN_PX = 512


def show_predictions(
    paths: Sequence[str], predictions: Sequence[Prediction], piped: bytes = b""
) -> Iterator[Path]:
    """Show each photo that was read with its label.

    Args:
        paths: The photos' files.
        predictions: What was said of them, in the same order.
        piped: What ``-`` stands for among the paths.

    Yields:
        The PNG files written into the working folder, where there is no screen; none otherwise.

    Raises:
        DependencyError: Matplotlib is not installed.
    """
    plt = _pyplot()
    for path, prediction in zip(paths, predictions, strict=True):
        if prediction.label is None:
            continue
        figure = _draw(plt, read_input(path, piped), prediction)
        if _has_screen():
            plt.show()
        else:
            yield _save(figure, path)
        plt.close(figure)


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise DependencyError(
            "--show draws with Matplotlib, which is not installed. "
            'Run: pip install "candid-image[transfer]"'
        ) from error
    if not _has_screen():
        matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def _has_screen() -> bool:
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _draw(plt: Any, data: bytes, prediction: Prediction) -> Any:
    pixels = decode(data, PixelContract(_SHOWN_PX, "pad"))
    figure, axes = plt.subplots(figsize=(5, 5.4))
    axes.imshow(pixels)
    axes.set_axis_off()
    shares = ", ".join(f"{name} {value:.2f}" for name, value in prediction.probabilities.items())
    # No mathtext: a class may be named $x$.
    axes.set_title(
        f"{sanitize(prediction.answer)}\n{sanitize(shares)}", parse_math=False, wrap=True
    )
    figure.tight_layout()
    return figure


def _save(figure: Any, path: str) -> Path:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100)
    return write_beside(image.getvalue(), f"{stem_of(path)}-predicted")


def write_beside(png: bytes, stem: str) -> Path:
    """Write a picture into the working folder, under the first name that is free.

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


_EXPLAINED_PX = 640
_KNOWN = "It learnt from this photo, or from one nearly the same, so this answer proves little."


def draw_explanations(
    paths: Sequence[str],
    predictions: Sequence[Prediction],
    classifier: Classifier,
    piped: bytes = b"",
) -> Iterator[str]:
    """Draw each photo that was explained, and say it in words.

    Args:
        paths: The photos' files.
        predictions: What was said of them, in the same order.
        classifier: Who said it.
        piped: What ``-`` stands for among the paths.

    Yields:
        Lines of each photo: the picture's file with what spoke for the answer; the most similar
        training photos; and whether it is one of these.

    Raises:
        DependencyError: Matplotlib is not installed.
    """
    folder = None if classifier.manifest is None else Path(classifier.manifest.data.folder)
    for path, prediction in zip(paths, predictions, strict=True):
        explained = prediction.explanation
        if explained is None:
            continue
        png = _draw_explanation(read_input(path, piped), prediction, folder, classifier)
        written = write_beside(png, f"{stem_of(path)}-explained")
        spoke = f"{sanitize(prediction.answer)}: what spoke for it is {explained.where}"
        yield f"{sanitize(path)}: {spoke}; written to {written}"
        if explained.similar:
            yield f"  most similar: {', '.join(map(_name, explained.similar))}"
        if explained.is_known:
            yield f"  {_KNOWN}"


def _draw_explanation(
    data: bytes, prediction: Prediction, folder: Path | None, classifier: Classifier
) -> bytes:
    # All that the network saw, in the shape that it saw it in.
    contract = PixelContract(_EXPLAINED_PX, classifier.contract.fit)
    pixels = decode(data, contract)
    explained: Explanation | None = prediction.explanation
    if explained is None:
        raise ValueError("the prediction was not explained")
    similar = [
        (picture, _name(photo))
        for photo in explained.similar
        for picture in [_read(folder, photo)]
        if picture is not None
    ]
    return picture_of(pixels, explained.heat, prediction.answer, similar)


def _read(folder: Path | None, photo: Similar) -> NDArray[np.uint8] | None:
    """A training photo, or None where it is gone."""
    if folder is None:
        return None
    try:
        return preview(read_file(folder / photo.path), _EXPLAINED_PX)
    except ImageError:
        return None


def _name(photo: Similar) -> str:
    return f"{sanitize(photo.path)} ({photo.similarity:.2f})"
