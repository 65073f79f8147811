"""Prints predictions as a table, as CSV or as JSON.

Which images a command line means, and what a classifier says of each.
"""

from __future__ import annotations

import csv
import glob
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from candid.data.catalog import find_images
from candid.data.images import read_file
from candid.errors import UsageError
from candid.runs.classifier import Classifier, Source
from candid.runs.prediction import Prediction

STDIN = "-"


def expand(paths: Sequence[str]) -> list[str]:
    """Turn what was typed into files: a folder into its images, a pattern into what it matches.

    Args:
        paths: Files, folders, glob patterns (``**`` too), or ``-`` for standard input.

    Returns:
        Paths in the order given; a file that does not exist stays, and gets a reason later.

    Raises:
        UsageError: A folder has no image in it, or a pattern matches nothing.
    """
    found: list[str] = []
    for path in paths:
        found += _expand_one(path)
    return found


def read_piped(paths: Sequence[str]) -> bytes:
    """Read standard input, once, where ``-`` is among some paths; else it is left alone."""
    return sys.stdin.buffer.read() if STDIN in paths else b""


def read_input(path: str, piped: bytes) -> bytes:
    """Read a photo's file; of ``-``, what was piped.

    Raises:
        ImageError: It can't be read.
    """
    return piped if path == STDIN else read_file(Path(path))


def stem_of(path: str) -> str:
    """How the names of pictures begin that are made of a photo."""
    return "stdin" if path == STDIN else Path(path).stem


def predict_all(
    classifier: Classifier, paths: Iterable[str], *, piped: bytes = b"", explain: bool = False
) -> Iterator[Prediction]:
    """Predict files one after the other.

    Args:
        classifier: What predicts.
        paths: From `expand`.
        piped: What ``-`` stands for, from `read_piped`.
        explain: Whether to say what each answer rests on.

    Yields:
        A prediction a path, in order.
    """
    names: list[str] = []

    def sources() -> Iterator[Source]:
        for path in paths:
            names.append(path)
            yield piped if path == STDIN else path

    for place, prediction in enumerate(classifier.stream(sources(), explain=explain)):
        yield replace(prediction, source=names[place])


def _expand_one(path: str) -> list[str]:
    if path == STDIN or Path(path).is_file():
        return [path]
    if Path(path).is_dir():
        images = [str(image) for image in find_images(Path(path))]
        if not images:
            raise UsageError(f"the folder {path} has no image in it.")
        return images
    if glob.has_magic(path):
        matches = sorted(
            match for match in glob.glob(path, recursive=True) if Path(match).is_file()
        )
        if not matches:
            raise UsageError(f"nothing matches the pattern {path}.")
        return matches
    return [path]


Form = Literal["table", "csv", "json"]


@dataclass(frozen=True)
class Printed:
    """What was printed.

    Attributes:
        num_failed: How many images could not be read.
        predictions: All of them, where they were to be kept.
    """

    num_failed: int
    predictions: tuple[Prediction, ...]


def print_predictions(
    predictions: Iterable[Prediction], classes: Sequence[str], *, form: Form, keep: bool = False
) -> Printed:
    """Print predictions on stdout as they come; JSON as one array.

    Args:
        predictions: Consumed one by one.
        classes: Names of the classes.
        form: ``table`` for a terminal; ``csv`` with the columns path, label, probability, reason,
            answer, possible (separated by ``|``) and familiarity;
            ``json`` with the probability of each class too.
        keep: Whether they are returned as well.
    """
    write = {"table": _print_table, "csv": _print_csv, "json": _print_json}[form]
    counter = _Counter(predictions, keep=keep)
    write(counter, classes)
    return Printed(counter.num_failed, tuple(counter.kept))


class _Counter:
    """Passes predictions on and remembers what `Printed` needs."""

    def __init__(self, predictions: Iterable[Prediction], *, keep: bool) -> None:
        self.num_failed = 0
        self.kept: list[Prediction] = []
        self._predictions = predictions
        self._keep = keep

    def __iter__(self) -> _Counter:
        self._iterator = iter(self._predictions)
        return self

    def __next__(self) -> Prediction:
        prediction = next(self._iterator)
        self.num_failed += prediction.label is None
        if self._keep:
            self.kept.append(prediction)
        return prediction


def _print_csv(predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    del classes
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("path", "label", "probability", "reason", "answer", "possible", "familiarity"))
    for p in predictions:
        probability = "" if p.probability is None else f"{p.probability:.6f}"
        familiarity = "" if p.familiarity is None else f"{p.familiarity:.6f}"
        told = (p.source, p.label or "", probability, p.reason or "", p.answer)
        writer.writerow((*told, "|".join(p.possible), familiarity))


def _print_json(predictions: Iterable[Prediction], classes: Sequence[str]) -> None:
    del classes
    rows = [p.to_json() for p in predictions]
    text = json.dumps(rows, indent=2, ensure_ascii=False) + "\n"
    # What of a file name is not UTF-8 becomes an escape, which JSON reads as what it was.
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))


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
