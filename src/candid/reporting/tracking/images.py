"""Photos and the confusion matrix for TensorBoard's "Images"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from candid.core.text import escape_markdown, sanitize, table
from candid.data.images import read_header
from candid.reporting.tracking.event_file import append_tensors, tag_text

if TYPE_CHECKING:
    from candid.evaluation.measures import Measures

Pixels = NDArray[np.uint8]

_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_MARGIN: Final = 16  # pixels
_LINE: Final = 32  # pixels
_LEAST_CELL: Final = 56  # pixels, of a cell with a number
_TITLE: Final = "rows: true, columns: predicted"
_LONGEST_NAME: Final = 20  # characters
_MOST_WITH_TEXT: Final = 20  # classes; a larger matrix has no text
_SIDE_WITHOUT_TEXT: Final = 800  # pixels
_BLACK: Final = (0, 0, 0)
_WHITE: Final = (255, 255, 255)
_FULL: Final = (8, 64, 129)  # RGB of a cell with all images of its class


def write_images(folder: Path, tag: str, pictures: Sequence[tuple[str, bytes]]) -> None:
    """Write pictures with their captions.

    Each has its own tag ``<tag>/<number> <caption>``: TensorBoard sorts by tag, and keeps only ten
    pictures per tag.

    Args:
        folder: Folder of the event file.
        tag: Prefix of the tags, such as ``mistakes``.
        pictures: A caption, and a file that TensorBoard shows.
    """
    digits = len(str(len(pictures)))
    images = [
        (f"{tag}/{number:0{digits}} {tag_text(caption)}", file, escape_markdown(caption))
        for number, (caption, file) in enumerate(pictures, 1)
    ]
    _write(folder, images)


def write_confusion(folder: Path, measures: Measures, tag: str) -> None:
    """Write a picture of the confusion matrix, with the counts as a table in its description."""
    drawn = cv2.imencode(".png", draw_confusion(measures)[..., ::-1])[1].tobytes()
    _write(folder, [(tag, drawn, _describe(measures))])


def _write(folder: Path, images: Sequence[tuple[str, bytes, str]]) -> None:
    """Write images, each a tag, a file and a Markdown description, for the plugin ``images``."""
    from tensorboard.plugins.image.metadata import create_summary_metadata

    rows = []
    for tag, file, description in images:
        header = read_header(file)
        size = (str(side).encode() for side in (header.width_px, header.height_px))
        metadata = create_summary_metadata(display_name="", description=description)
        rows.append((tag, metadata, [*size, file]))
    append_tensors(folder, rows)


def draw_confusion(measures: Measures) -> Pixels:
    """Draw the confusion matrix: rows are true classes, columns predicted ones.

    A cell is darker for a larger share of its row. Columns have the numbers of the rows, as their
    names would not fit.

    Returns:
        uint8 ``(h, w, 3)``, RGB.
    """
    shares = measures.confusion / np.maximum(measures.confusion.sum(axis=1, keepdims=True), 1)
    shades = np.array(_WHITE) + shares[..., np.newaxis] * np.subtract(_FULL, _WHITE)
    cells = shades.round().astype(np.uint8)
    if len(measures.classes) > _MOST_WITH_TEXT:
        return _enlarge(cells, max(1, _SIDE_WITHOUT_TEXT // len(cells)))
    return _with_text(measures, cells, is_dark=shares > 0.5)


def _with_text(measures: Measures, cells: Pixels, *, is_dark: np.ndarray) -> Pixels:
    labels = [_label(number, name) for number, name in enumerate(measures.classes, 1)]
    widest = max(_width(str(count)) for count in measures.confusion.flat)
    size = max(_LEAST_CELL, widest + _MARGIN)
    left = 2 * _MARGIN + max(map(_width, labels))
    top = _MARGIN + 2 * _LINE
    width = max(left + size * len(labels), _MARGIN + _width(_TITLE)) + _MARGIN
    canvas = np.full((top + size * len(labels) + _MARGIN, width, 3), 255, np.uint8)
    canvas[top:-_MARGIN, left : left + size * len(labels)] = _enlarge(cells, size)
    _put(canvas, _TITLE, (_MARGIN, _LINE))
    for row, label in enumerate(labels):
        bottom = top + size * row + size // 2 + _MARGIN // 2
        _put(canvas, label, (_MARGIN, bottom))
        _put(canvas, str(row + 1), (left + size * row + _MARGIN // 2, top - _MARGIN // 2))
        for column, count in enumerate(measures.confusion[row]):
            at = (left + size * column + _MARGIN // 2, bottom)
            _put(canvas, str(count), at, _WHITE if is_dark[row, column] else _BLACK)
    return canvas


def _enlarge(cells: Pixels, size: int) -> Pixels:
    return np.repeat(np.repeat(cells, size, axis=0), size, axis=1)


def _label(number: int, name: str) -> str:
    """Number and name; only the number where the font, which is ASCII, can't write the name."""
    shown = sanitize(name)
    if not shown.isascii():
        return str(number)
    return f"{number} {shown if len(shown) <= _LONGEST_NAME else shown[:_LONGEST_NAME] + '...'}"


def _width(text: str) -> int:
    return int(cv2.getTextSize(text, _FONT, 1, 2)[0][0])


def _put(
    canvas: Pixels, text: str, at: tuple[int, int], colour: tuple[int, int, int] = _BLACK
) -> None:
    cv2.putText(canvas, text, at, _FONT, 1, colour, 2, cv2.LINE_AA)


def _describe(measures: Measures) -> str:
    names = [escape_markdown(name) for name in measures.classes]
    if len(names) > _MOST_WITH_TEXT:
        return f"Rows are true classes, columns predicted ones: {', '.join(names)}."
    counts = zip(names, measures.confusion, strict=True)
    return table(["true, then predicted", *names], ([name, *map(str, row)] for name, row in counts))
