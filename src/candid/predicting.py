"""Which images a command line means, and what a classifier says of each."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from candid.catalog import find_images
from candid.classifier import Classifier, Source
from candid.errors import UsageError
from candid.images import read_file
from candid.prediction import Prediction

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
