"""Input photos of a command line, and their predictions as a table, CSV or JSON.

Of a file with several pages, one is answered for; a note says so.
"""

from __future__ import annotations

import csv
import glob
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

from candid.cli.console import print_json
from candid.core.text import plural, sanitize
from candid.data.images import HEAD_BYTES, SUFFIXES, Reading, identify, inspect, read_file
from candid.errors import ImageError, UsageError
from candid.runs.class_names import join_classes
from candid.runs.classifier import Classifier
from candid.runs.prediction import Prediction
from candid.runs.source import files_of

STDIN = "-"
_PAGED: Final = ("TIFF", "DICOM")

Form = Literal["table", "csv", "json"]

#: The first columns of the CSV; they keep their names and their order.
COLUMNS: Final = (
    "path",
    "label",
    "probability",
    "reason",
    "answer",
    "verdict",
    "possible",
    "familiarity",
)


def expand(paths: Sequence[str]) -> list[str]:
    """Expand folders to their files, and glob patterns to their matches.

    Args:
        paths: Files, folders, glob patterns (``**`` too), or ``-`` for standard input.

    Returns:
        Paths in the order given; missing files stay, and get a reason later.

    Raises:
        UsageError: A folder has no file, or a pattern matches nothing.
    """
    return [file for path in paths for file in _expand_one(path)]


def _expand_one(path: str) -> list[str]:
    if path == STDIN or Path(path).is_file():
        return [path]
    if files := files_of(Path(path)):
        return list(map(str, files))
    if glob.has_magic(path):
        matches = sorted(
            match for match in glob.glob(path, recursive=True) if Path(match).is_file()
        )
        if not matches:
            raise UsageError(f"nothing matches the pattern {path}.")
        return matches
    return [path]


def read_piped(paths: Sequence[str]) -> bytes:
    """Read standard input if ``-`` is among the paths."""
    return sys.stdin.buffer.read() if STDIN in paths else b""


def read_input(path: str, piped: bytes) -> bytes:
    """Read a photo's file; for ``-``, return what was piped.

    Raises:
        ImageError: It can't be read.
    """
    return piped if path == STDIN else read_file(Path(path))


def stem_of(path: str) -> str:
    """Stem of the names of files written for a photo."""
    return "stdin" if path == STDIN else Path(path).stem


def predict_all(
    classifier: Classifier, paths: Sequence[str], *, piped: bytes = b"", explain: bool = False
) -> Iterator[Prediction]:
    """Predict files.

    Args:
        classifier: The classifier.
        paths: From `expand`.
        piped: From `read_piped`.
        explain: Whether to explain each prediction.

    Yields:
        One prediction per path, in order.
    """
    sources = (piped if path == STDIN else Path(path) for path in paths)
    predictions = classifier.stream(sources, explain=explain)
    for path, prediction in zip(paths, predictions, strict=True):
        yield replace(prediction, source=path)


class Printed(NamedTuple):
    """Result of `print_predictions`.

    Attributes:
        num_failed: Number of unreadable images.
        predictions: All predictions if they were to be kept, otherwise empty.
    """

    num_failed: int
    predictions: tuple[Prediction, ...]


def print_predictions(
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    *,
    form: Form,
    with_probabilities: bool = False,
    keep: bool = False,
) -> Printed:
    """Print predictions on stdout as they arrive; JSON as one array at the end.

    Args:
        predictions: Consumed one by one.
        classes: Names of the classes.
        form: ``table`` for a terminal; ``csv`` with the columns `COLUMNS`; ``json`` with the values
            of `Prediction.to_json`.
        with_probabilities: Whether table and CSV have a column ``p:<class>`` per class; JSON always
            has the probability of each class.
        keep: Whether to return them as well.
    """
    num_failed = 0
    kept: list[Prediction] = []

    def counted() -> Iterator[Prediction]:
        nonlocal num_failed
        for prediction in predictions:
            num_failed += _is_failed(prediction)
            if keep:
                kept.append(prediction)
            yield prediction

    if form == "json":
        print_json([prediction.to_json() for prediction in counted()])
    else:
        print_rows = _print_csv if form == "csv" else _print_table
        print_rows(counted(), classes if with_probabilities else ())
    return Printed(num_failed, tuple(kept))


def _is_failed(prediction: Prediction) -> bool:
    """Whether a photo could not be read; a text or table among photos has a row, and is no failure.

    The reason is that of `candid.data.images.files.refusal`.
    """
    if prediction.label is not None:
        return False
    is_named_so = Path(prediction.source).suffix.lower() in SUFFIXES
    return is_named_so or not (prediction.reason or "").startswith("not an image")


def _print_csv(predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow((*COLUMNS, *map(_column_of, classes)))
    for p in predictions:
        known = (p.source, p.label or "", _decimal(p.probability), p.reason or "", p.answer)
        judged = (p.verdict or "", join_classes(p.possible), _decimal(p.familiarity))
        shares = (_decimal(p.probabilities.get(name)) for name in classes)
        writer.writerow((*known, *judged, *shares))


def _column_of(name: str) -> str:
    """Title of the column with the probability of a class; no other title begins with ``p:``."""
    return f"p:{name}"


def _decimal(share: float | None, places: int = 6) -> str:
    return "" if share is None else f"{share:.{places}f}"


def _print_table(predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    for title in ("photo", "label", "probability", "verdict", *map(_column_of, classes)):
        table.add_column(Text(title))
    for p in predictions:
        shares = (_decimal(p.probabilities.get(name), 3) for name in classes)
        cells = (p.source, p.label or "", _decimal(p.probability, 3), _in_words(p), *shares)
        # Text, not markup: a file may be named [red].
        table.add_row(*map(Text, cells))
    Console().print(table)


def _in_words(prediction: Prediction) -> str:
    """The verdict and what goes with it: the possible classes, or why there is no label."""
    verdict = prediction.verdict
    words = prediction.answer if verdict == "uncertain" else verdict
    return ": ".join(filter(None, (words, prediction.reason)))


def note_pages(paths: Sequence[str], piped: bytes, reading: Reading) -> Iterator[str]:
    """Say which files have further pages, and how to choose one.

    Other files are only opened, to see by their first bytes that they have none.
    """
    counts = {path: count for path in paths if (count := _count_pages(path, piped, reading)) > 1}
    if not counts:
        return
    page = reading.page or 1
    (path, count), *others = counts.items()
    if others:
        yield (
            f"{plural(len(counts), 'file')} have several pages, such as {sanitize(path)} "
            f"({count}); these answer for page {page}, see --page"
        )
    else:
        yield f"{sanitize(path)} has {count} pages; this answers for page {page}, see --page"


def _count_pages(path: str, piped: bytes, reading: Reading) -> int:
    try:
        if path == STDIN:
            head = piped[:HEAD_BYTES]
        else:
            with Path(path).open("rb") as file:
                head = file.read(HEAD_BYTES)
        if identify(head) not in _PAGED:
            return 1
        return inspect(read_input(path, piped), max_pixels=reading.max_pixels).num_frames
    except (ImageError, OSError, ValueError):  # ValueError: a NUL in the path
        return 1
