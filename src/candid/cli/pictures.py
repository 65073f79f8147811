"""Pictures of predictions: labelled photos by Matplotlib, and explanations as PNG files."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.cli.predicting import STDIN, Input, read_input
from candid.core.extras import require_packages
from candid.core.text import sanitize
from candid.data.images import PixelContract, Reading, decode, preview, read_file
from candid.data.listing import Listed
from candid.data.source import DataSource, is_address
from candid.data.sources import find_in
from candid.errors import DataError, ImageError, UsageError
from candid.runs.classifier import Classifier
from candid.runs.explaining.explain import Explanation, Similar
from candid.runs.explaining.picture import picture_of
from candid.runs.prediction import Prediction

_SHOWN_PX = 512
_EXPLAINED_PX = 640
_MOST_NAME_BYTES: Final = 200  # file systems allow 255
_NO_WINDOW: Final = frozenset({"agg", "cairo", "pdf", "pgf", "ps", "svg", "template"})
_PICTURE: Final = re.compile(r"-(predicted|explained)(-\d+)?\.png$")
_KNOWN = (
    "This photo, or a nearly identical one, was used for training, so this answer proves little."
)


class PictureFolder:
    """A folder that holds pictures of predictions and nothing else; made with the first one."""

    def __init__(self, folder: Path, photos: Iterable[str]) -> None:
        """Check the folder; nothing is written yet.

        Args:
            folder: It is new, empty, or has pictures of earlier predictions.
            photos: Photos and folders of photos, which the pictures must not lie among.

        Raises:
            UsageError: There are other files in it, or photos around it.
        """
        inside = folder.expanduser().resolve()
        for each in photos:
            if is_address(each):
                continue
            around = Path(each).expanduser().resolve()
            if inside.is_relative_to(around) or (around.is_file() and inside == around.parent):
                raise UsageError(
                    f"the pictures would lie in {folder}, among the photos of {each}, and be taken "
                    "for photos. Choose a folder elsewhere: --pictures DIR"
                )
        if inside.exists() and not (inside.is_dir() and _has_only_pictures(inside)):
            raise UsageError(
                f"{folder} has other files than pictures of predictions. Choose a new folder: "
                "--pictures DIR"
            )
        self._folder = folder

    def write(self, png: bytes, source: str, kind: str) -> Path:
        """Write the picture of a photo under the first free name.

        Raises:
            UsageError: It can't be written there.
        """
        stem = "stdin" if source == STDIN else Path(source.partition("::")[0]).stem
        while len(os.fsencode(stem)) > _MOST_NAME_BYTES:
            stem = stem[:-1]
        stem = f"{stem}-{kind}"
        names = (f"{stem}{'' if number == 1 else f'-{number}'}.png" for number in count(1))
        file = next(file for name in names if not (file := self._folder / name).exists())
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file.write_bytes(png)
        except OSError as error:
            raise UsageError(
                f"{file} can't be written: {error.strerror}. Choose another folder: --pictures DIR"
            ) from error
        return file


def _has_only_pictures(folder: Path) -> bool:
    return all(_PICTURE.search(path.name) for path in folder.iterdir())


def draw_each(
    predictions: Iterable[Prediction],
    classifier: Classifier,
    folder: PictureFolder,
    *,
    say: Callable[[str], None],
    show: bool = False,
    in_window: bool = False,
    inputs: Iterable[Input] = (),
    piped: bytes = b"",
) -> Iterator[Prediction]:
    """Pass predictions on, and draw each one that has a label once its row is printed.

    Args:
        predictions: Those with an explanation have it drawn.
        classifier: It made them.
        folder: Where pictures are written.
        say: Prints a line: the file that was written, the evidence in words, the most similar
            training photos, and whether the photo is one of these.
        show: Whether to draw each photo with its label.
        in_window: Whether that is shown in a window instead of written.
        inputs: What they are of; rows of tables are found there.
        piped: Content of ``-``.

    Raises:
        DependencyError: Matplotlib is not installed, which labelled photos need.
    """
    plt = _pyplot(in_window=in_window) if show else None
    # Matplotlib falls back to Agg where no toolkit is installed or the display does not answer.
    in_window = in_window and plt is not None and plt.get_backend().lower() not in _NO_WINDOW
    rows = {row.path: row for row in inputs if isinstance(row, Listed)}
    for prediction in predictions:
        yield prediction
        if prediction.label is None:
            continue
        data = read_input(rows.get(prediction.source, prediction.source), piped)
        if plt is not None:
            png = _draw_prediction(plt, data, prediction, classifier.contract, in_window=in_window)
            if not in_window:
                say(f"written to {folder.write(png, prediction.source, 'predicted')}")
        if prediction.explanation is not None:
            png, words = _draw_explanation(data, prediction, prediction.explanation, classifier)
            written = folder.write(png, prediction.source, "explained")
            say(f"{sanitize(prediction.source)}: {words[0]}; written to {written}")
            for line in words[1:]:
                say(f"  {line}")


def _pyplot(*, in_window: bool) -> Any:
    require_packages(["matplotlib"], needed_by="--show", extra="transfer")
    import matplotlib

    if not in_window:
        matplotlib.use("Agg")
    import matplotlib.pyplot

    return matplotlib.pyplot


def _draw_prediction(
    plt: Any, data: bytes, prediction: Prediction, reading: Reading, *, in_window: bool
) -> bytes:
    """A photo with its label as PNG; it is also shown in a window, if asked for."""
    pixels = decode(data, PixelContract.of(reading, _SHOWN_PX, "pad"))
    figure, axes = plt.subplots(figsize=(5, 5.4))
    axes.imshow(pixels)
    axes.set_axis_off()
    shares = ", ".join(f"{name} {value:.2f}" for name, value in prediction.probabilities.items())
    title = f"{sanitize(prediction.answer)}\n{sanitize(shares)}"
    axes.set_title(title, parse_math=False, wrap=True)  # a class may be named $x$
    figure.tight_layout()
    if in_window:
        plt.show()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100)
    plt.close(figure)
    return image.getvalue()


def _draw_explanation(
    data: bytes, prediction: Prediction, explained: Explanation, classifier: Classifier
) -> tuple[bytes, list[str]]:
    """The picture of an explanation as PNG, and the explanation in lines of words."""
    trained_on = None if classifier.manifest is None else classifier.manifest.data.source
    # All that the network gets, in the same shape.
    contract = PixelContract.of(classifier.contract, _EXPLAINED_PX, classifier.contract.fit)
    similar = [
        (photo, _describe(row))
        for row in explained.similar
        if (photo := _read_training_photo(trained_on, row, contract)) is not None
    ]
    png = picture_of(decode(data, contract), explained.heat, prediction.answer, similar)
    words = [f"{sanitize(prediction.answer)}: evidence: {explained.where}"]
    if explained.similar:
        words.append(f"most similar: {', '.join(map(_describe, explained.similar))}")
    if explained.is_known:
        words.append(_KNOWN)
    return png, words


def _read_training_photo(
    data: DataSource | None, photo: Similar, reading: Reading
) -> NDArray[np.uint8] | None:
    """A training photo; None if it is gone."""
    try:
        file = None if data is None else _finder(data)(photo.path)
        return None if file is None else preview(read_file(file), _EXPLAINED_PX, reading)
    except (DataError, ImageError):
        return None


_finder: Final = lru_cache(maxsize=1)(find_in)


def _describe(photo: Similar) -> str:
    return f"{sanitize(photo.path)} ({photo.similarity:.2f})"
