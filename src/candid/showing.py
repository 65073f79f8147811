"""Shows photos with their label by Matplotlib: in a window, or as PNG files without a screen."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from candid.errors import DependencyError, UsageError
from candid.images import PixelContract, decode
from candid.predicting import read_input, stem_of
from candid.prediction import Prediction
from candid.showable import show_text

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
        f"{show_text(prediction.answer)}\n{show_text(shares)}", parse_math=False, wrap=True
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
