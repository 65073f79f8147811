"""Draws what answers rest on: a picture a photo, in the working folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from candid.classifier import Classifier
from candid.errors import ImageError
from candid.explaining.explanation import Explanation, Similar
from candid.explaining.picture import picture_of
from candid.images import PixelContract, decode, preview, read_file
from candid.predicting import read_input, stem_of
from candid.prediction import Prediction
from candid.showable import show_text
from candid.showing import write_beside

_SHOWN_PX = 640
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
        png = _draw(read_input(path, piped), prediction, folder, classifier)
        written = write_beside(png, f"{stem_of(path)}-explained")
        spoke = f"{show_text(prediction.answer)}: what spoke for it is {explained.where}"
        yield f"{show_text(path)}: {spoke}; written to {written}"
        if explained.similar:
            yield f"  most similar: {', '.join(map(_name, explained.similar))}"
        if explained.is_known:
            yield f"  {_KNOWN}"


def _draw(
    data: bytes, prediction: Prediction, folder: Path | None, classifier: Classifier
) -> bytes:
    # All that the network saw, in the shape that it saw it in.
    contract = PixelContract(_SHOWN_PX, classifier.contract.fit)
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
        return preview(read_file(folder / photo.path), _SHOWN_PX)
    except ImageError:
        return None


def _name(photo: Similar) -> str:
    return f"{show_text(photo.path)} ({photo.similarity:.2f})"
