"""Files of the prediction page, and what it shows of a model: title, accuracy, sample photos."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from candid.evaluation.estimate import Estimate
from candid.reporting.number_format import percent, percent_interval, photo_count
from candid.runs.manifest import Metrics

#: All files of the page except index.html and the engine with its modules.
PAGE_FILES: Final = (
    "app.css",
    "app.js",
    "asking.js",
    "bars.js",
    "camera.js",
    "card.js",
    "dom.js",
    "files.js",
    "foreign.js",
    "heat.js",
    "icon.svg",
    "intake.js",
    "outline.js",
    "picture.js",
    "similar.js",
    "words.js",
)
_POLICY_PLACE: Final = b"<!-- policy -->"
_MOST_NAMED: Final = 4  # classes in the title


def read_file(name: str) -> bytes:
    """Read a file of the page.

    Args:
        name: One of `PAGE_FILES`, or a file of an engine.

    Returns:
        Its bytes; ``app.css`` follows the styles that all pages share.
    """
    data = (files("candid.reporting.app") / name).read_bytes()
    if name == "app.css":
        return (files("candid.reporting.pages") / "base.css").read_bytes() + data
    return data


def index_html(policy: str | None = None) -> bytes:
    """Read index.html.

    Args:
        policy: A Content-Security-Policy to add as a ``<meta>``, where no header can be sent.
    """
    meta = ""
    if policy is not None:
        meta = f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
    return read_file("index.html").replace(_POLICY_PLACE, meta.encode(), 1)


def read_samples(golden: Path) -> tuple[bytes, ...]:
    """Read the sample photos of a run from its ``golden.npz``.

    Args:
        golden: The file; its hash must have been checked.

    Returns:
        One PNG file per photo, in the model's input size.
    """
    import cv2

    with golden.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return tuple(bytes(cv2.imencode(".png", rgb[..., ::-1])[1]) for rgb in arrays["image"])


def title_of(classes: Sequence[str]) -> str:
    """The page's heading for a model.

    >>> title_of(["happy", "sad"]), title_of(["a", "b", "c"]), title_of(list("abcdef"))
    ('happy or sad?', 'a, b or c?', 'Which of 6 classes?')
    """
    if len(classes) > _MOST_NAMED:
        return f"Which of {len(classes)} classes?"
    return f"{' or '.join(filter(None, (', '.join(classes[:-1]), *classes[-1:])))}?"


def sentence_of(metrics: Metrics | None) -> str:
    """The accuracy of the estimate to believe, with its interval and n; empty if not measured."""
    believed = metrics and metrics.believed
    if believed is None or believed.accuracy is None:
        return ""
    figure = Estimate(**vars(believed.accuracy))
    return (
        f"Accuracy on {photo_count(figure.n)} held out from training: {percent(figure.value)} "
        f"(95 % interval {percent_interval(figure)})."
    )
