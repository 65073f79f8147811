"""Does the code that an export brings see what the run sees? Asked with drawn photos, by file.

The gate of `candid.exporting.parity` compares models on the same pixels. Here the README's Python
code itself, or the page in a browser, reads files of every colour mode and answers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from candid.core.extras import quiet
from candid.core.text import plural
from candid.data.images import decode
from candid.errors import ParityError
from candid.exporting.drawn_photos import draw_photos
from candid.exporting.format import Format, LoadedExport, Runner
from candid.exporting.snippets import SnippetContext
from candid.exporting.source import Source

#: Answers to a photo's file, at least ``label`` (None if unreadable) and ``probabilities``.
Reader = Callable[[bytes], Mapping[str, Any]]

#: The pixels of a large JPEG may move a probability by as much, and a label that is a tie with it.
_TIE: Final = 0.02


@dataclass(frozen=True)
class OwnReading:
    """An export's answers to drawn photos that it reads itself."""

    reader: str  # what read them, such as ``the Python code above``
    num_photos: int  # number of photos
    probability: float  # largest difference of a probability

    def to_text(self) -> str:
        """A line for a terminal."""
        return (
            f"Read by {self.reader}, {plural(self.num_photos, 'drawn photo')} of every colour mode "
            f"have the run's label; a probability differs by up to {self.probability:.1g}."
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "reader": self.reader,
            "num_images": self.num_photos,
            "num_same_label": self.num_photos,
            "largest_probability_difference": self.probability,
        }


def check_own_reading(
    loaded: LoadedExport, form: Format, source: Source, context: SnippetContext
) -> OwnReading | None:
    """Ask the README's Python code, or the page in a browser, about drawn photos.

    Args:
        loaded: The export.
        form: Its format.
        source: The run.
        context: The export's folder, for its snippets.

    Returns:
        The comparison; None if nothing in the export reads files here.

    Raises:
        ParityError: A label differs, or a photo is not read.
    """
    if context.contract.page is not None or context.contract.bands is not None:
        return None  # drawn photos have but one page, and three bands
    if loaded.predict_photo is not None:
        # Its graph outside the browser, which is faster, gives what the page should see.
        run = form.load(context.folder)
        return _compare(form, source, run, "the page in a browser", loaded.predict_photo)
    code = python_code(form, context)
    if code is None:
        return None
    with quiet():
        return _compare(form, source, loaded.run, "its Python code", load_code(code))


def python_code(form: Format, context: SnippetContext) -> str | None:
    """The Python code among a format's snippets."""
    codes = [snippet.code for snippet in form.snippets(context) if snippet.language == "python"]
    return codes[0] if codes else None


def load_code(code: str) -> Reader:
    """Load the script, as an import would, and give its function for a photo's bytes."""
    names: dict[str, Any] = {"__name__": "candid_export"}
    exec(compile(code, "README.md", "exec"), names)

    def read(data: bytes) -> Mapping[str, Any]:
        answered: Mapping[str, Any] = names["classify"](io.BytesIO(data))
        return answered

    return read


def _compare(form: Format, source: Source, run: Runner, reader: str, read: Reader) -> OwnReading:
    classifier = source.classifier
    differences = [0.0]
    photos = draw_photos(classifier.contract.size_px)
    for mode, data in photos.items():
        expected = run(decode(data, classifier.contract)[None])["probabilities"]
        label = classifier.classes[classifier.rule.decide(expected, classifier.classes)[0]]
        received = read(data)
        if received["label"] is None:
            found = f"not read ({received.get('reason') or 'no reason given'})"
            raise _refused(form, reader, mode, label, found)
        shares = [received["probabilities"][name] for name in classifier.classes]
        differences.append(float(np.abs(np.array(shares) - expected[0]).max()))
        if received["label"] != label and not differences[-1] <= _TIE:
            raise _refused(form, reader, mode, label, received["label"])
    return OwnReading(reader, len(photos), max(differences))


def _refused(form: Format, reader: str, mode: str, expected: str, received: str) -> ParityError:
    return ParityError(
        f"the export to {form.title} does not see what the run sees: of a drawn photo ({mode}), "
        f"{reader} made {received}, the run {expected}. It was removed; try another version of "
        f"Pillow, OpenCV or {form.runtime_package}, or another format."
    )
