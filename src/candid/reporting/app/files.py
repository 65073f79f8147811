"""What the page says of a model at first: what it tells apart, and how good it is.

The page's files.

Photos to try a model on: those that it was checked with when it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.estimate import Estimate
from candid.reporting.number_format import between, percent, photos
from candid.runs.manifest import Metrics

#: All but index.html, and but the engine with its modules.
PAGE_FILES: Final = (
    "app.css",
    "app.js",
    "asking.js",
    "bars.js",
    "camera.js",
    "card.js",
    "dom.js",
    "heat.js",
    "icon.svg",
    "intake.js",
    "outline.js",
    "picture.js",
    "similar.js",
    "words.js",
)
_INDEX: Final = "index.html"
_PLACE: Final = b"<!-- policy -->"


def read_file(name: str) -> bytes:
    """Read a file of the page.

    Args:
        name: One of `PAGE_FILES`, or an engine's file beside them.

    Returns:
        Its bytes; of ``app.css`` with the looks of all our pages before it.
    """
    data = (files("candid.reporting.app") / name).read_bytes()
    if name == "app.css":
        return (files("candid.reporting.pages") / "base.css").read_bytes() + data
    return data


def index_html(policy: str | None = None) -> bytes:
    """The page itself.

    Args:
        policy: A Content-Security-Policy for those who can't send it as a header; put into a
            ``<meta>``.
    """
    said = "" if policy is None else _meta(policy)
    return read_file(_INDEX).replace(_PLACE, said.encode(), 1)


def _meta(policy: str) -> str:
    return f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'


def read_samples(golden: Path) -> tuple[bytes, ...]:
    """Read the pictures of a run's ``golden.npz``.

    Args:
        golden: The file, whose hash was checked.

    Returns:
        A PNG file a picture, in the shape that the network sees.
    """
    with golden.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
        return tuple(_encode(pixels) for pixels in arrays["image"])


def _encode(pixels: NDArray[Any]) -> bytes:
    import cv2

    return bytes(cv2.imencode(".png", pixels[..., ::-1])[1])


_MOST_NAMED: Final = 4


def title_of(classes: Sequence[str]) -> str:
    """The question that a model answers.

    >>> title_of(["happy", "sad"]), title_of(["a", "b", "c"]), title_of(list("abcdef"))
    ('happy or sad?', 'a, b or c?', 'Which of 6 classes?')
    """
    if len(classes) > _MOST_NAMED:
        return f"Which of {len(classes)} classes?"
    return f"{' or '.join(filter(None, (', '.join(classes[:-1]), *classes[-1:])))}?"


def sentence_of(metrics: Metrics | None) -> str:
    """How good a model is, by the estimate to believe.

    Args:
        metrics: Of the manifest; None where it was not measured.

    Returns:
        A sentence with the interval and the number of photos; empty where it was not measured.
    """
    believed = metrics and metrics.believed
    if believed is None or believed.accuracy is None:
        return ""
    figure = Estimate(**vars(believed.accuracy))
    return (
        f"It was right for {percent(figure.value)} of {photos(figure.n)} that it had not seen. "
        f"With 95 % confidence the truth is {between(figure)}."
    )
