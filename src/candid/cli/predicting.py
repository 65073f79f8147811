"""Input photos of a command line, and their predictions as a table, CSV or JSON."""

from __future__ import annotations

import csv
import glob
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from candid.cli.console import print_json
from candid.data.catalog import find_files
from candid.data.images import SUFFIXES, read_file
from candid.errors import UsageError
from candid.runs.classifier import Classifier
from candid.runs.prediction import Prediction

STDIN = "-"

Form = Literal["table", "csv", "json"]


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
    if Path(path).is_dir():
        files = [str(file) for file in find_files(Path(path))]
        if not files:
            raise UsageError(f"the folder {path} has no file in it.")
        return files
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
    sources = (piped if path == STDIN else path for path in paths)
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
    predictions: Iterable[Prediction], classes: Sequence[str], *, form: Form, keep: bool = False
) -> Printed:
    """Print predictions on stdout as they arrive; JSON as one array at the end.

    Args:
        predictions: Consumed one by one.
        classes: Names of the classes.
        form: ``table`` for a terminal; ``csv`` with the columns path, label, probability, reason,
            answer, possible (separated by ``|``) and familiarity;
            ``json`` with the probability of each class too.
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

    if form == "csv":
        _print_csv(counted())
    elif form == "json":
        print_json([prediction.to_json() for prediction in counted()])
    else:
        _print_table(counted(), classes)
    return Printed(num_failed, tuple(kept))


def _is_failed(prediction: Prediction) -> bool:
    """Whether a photo could not be read; a text or table among photos has a row, and is no failure.

    The reason is that of `candid.data.images.files.refusal`.
    """
    if prediction.label is not None:
        return False
    is_named_so = Path(prediction.source).suffix.lower() in SUFFIXES
    return is_named_so or not (prediction.reason or "").startswith("not an image")


def _print_csv(predictions: Iterable[Prediction]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("path", "label", "probability", "reason", "answer", "possible", "familiarity"))
    for p in predictions:
        probability = "" if p.probability is None else f"{p.probability:.6f}"
        familiarity = "" if p.familiarity is None else f"{p.familiarity:.6f}"
        row = (p.source, p.label or "", probability, p.reason or "", p.answer)
        writer.writerow((*row, "|".join(p.possible), familiarity))


def _print_table(predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    second = f"p({classes[1]})" if len(classes) == 2 else "probability"
    table = Table(box=None, header_style="bold")
    for title in ("photo", "answer", second, ""):
        table.add_column(Text(title))
    for p in predictions:
        probability = "" if p.probability is None else f"{p.probability:.3f}"
        # Text, not markup: a file may be named [red].
        cells = (p.source, p.answer, probability, p.reason or "")
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)
