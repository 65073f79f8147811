"""Input photos of a command line, and their predictions as a table, CSV or JSON.

Of a file with several pages, one is answered for; a note says so.
"""

from __future__ import annotations

import csv
import glob
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Final, Literal, TypeAlias

from candid.cli.console import json_text
from candid.core.progress import Advance
from candid.core.text import display_width, join_names, plural, sanitize
from candid.data.images import HEAD_BYTES, NO_FILE, SUFFIXES, Reading, identify, inspect, read_file
from candid.data.listing import Listed, Listing
from candid.data.location import Location, PhotoFile, Slice, read_start
from candid.data.source import DataSource, hide, is_address, is_listed
from candid.data.walk import ListedPath, find_files, is_folder
from candid.engines import Engine
from candid.errors import ImageError, UsageError
from candid.reporting.number_format import decimals_with_n
from candid.runs.class_names import join_classes
from candid.runs.classifier import Classifier
from candid.runs.paths import shorten
from candid.runs.prediction import Prediction
from candid.runs.source import files_of

STDIN = "-"
_PAGED: Final = ("TIFF", "DICOM")
_PAGED_SUFFIXES: Final = (".tif", ".tiff", ".dcm", ".dicom")
_MOST_NAMED: Final = 6  # classes in a summary

Form = Literal["table", "csv", "json"]
#: A path, or a row of a table.
Input: TypeAlias = str | Listed

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


def expand(paths: Sequence[str], *, image_column: str = "") -> list[Input]:
    """Expand folders to their files, glob patterns to their matches, and tables to their rows.

    Args:
        paths: Files, folders, addresses of such, glob patterns (``**`` too), or ``-`` for standard
            input. Or tables, archives and the like; one among photos is a stray: ``folder/*``.
        image_column: Of a table: the column of the photo.

    Returns:
        Inputs in the order given; missing files stay, and get a reason later.

    Raises:
        DataError: A table can't be read.
        UsageError: A folder has no file, or a pattern matches nothing.
    """
    if not all(is_listed(path) or is_folder(Path(path)) for path in paths):
        return [file for path in paths for file in _expand_one(path)]
    from candid.data.sources import list_photos  # which photos need not

    sources = [DataSource(path, image_column) for path in paths]
    listings = [list_photos(source, labelled=False) for source in sources]
    are_several = sum(listing is not None for listing in listings) > 1
    inputs: list[Input] = []
    for path, listing in zip(paths, listings, strict=True):
        start = f"{path}/" if are_several else ""
        if listing is None:
            inputs += _expand_one(path)
        else:
            inputs += (_to_input(listing, row, start) for row in listing.rows)
    return inputs


def _to_input(listing: Listing, row: Listed, start: str) -> Listed:
    """A row of one or several tables; one whose file is missing says what was meant."""
    path, file, reason = f"{start}{row.path}", row.file, row.reason
    if isinstance(file, Path) and not file.exists():
        file, reason = None, f"{NO_FILE}{listing.explain(row.path)}"
    return replace(row, path=path, file=file, reason=reason)


def name_of(one: Input) -> str:
    """The path that is printed."""
    return one if isinstance(one, str) else one.path


def _expand_one(path: str) -> list[str]:
    if is_address(path):
        shown = hide(path)
        if PurePosixPath(shown.partition("::")[0]).suffix.lower() in SUFFIXES:
            return [shown]
        from candid.data.sources.root import open_address

        root, name = open_address(path)
        listed = [] if name else find_files(ListedPath.tree(root.files))
        if not name and not listed:
            raise UsageError(f"{root} has no file in it.")
        return [root.locate(name or row.path).address for row in listed or [ListedPath()]]
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


def read_piped(paths: Sequence[Input]) -> bytes:
    """Read standard input if ``-`` is among the paths."""
    return sys.stdin.buffer.read() if STDIN in paths else b""


def read_input(one: Input, piped: bytes) -> bytes:
    """Read a photo's file; for ``-``, return what was piped.

    Raises:
        ImageError: It can't be read.
    """
    source = _source_of(one, piped)
    return source if isinstance(source, bytes) else read_file(source)


def _source_of(one: Input, piped: bytes) -> PhotoFile | bytes:
    if isinstance(one, str):
        if one == STDIN:
            return piped
        if not is_address(one):
            return Path(one)
        from candid.data.address import AddressFile

        return AddressFile.at(one)
    return b"" if one.file is None else one.file


def describe_run(classifier: Classifier) -> str:
    """The run that answers: its folder, recipe, classes and the accuracy to believe."""
    manifest, folder = classifier.require_manifest(), classifier.run_folder or Path()
    words = [f"{shorten(folder.resolve())}: {manifest.recipe}, {join_names(manifest.classes)}"]
    believed = manifest.metrics and manifest.metrics.believed
    if believed and (accuracy := believed.accuracy):
        words.append(f"accuracy {decimals_with_n(accuracy)}")
    return sanitize("; ".join(words))


def predict_all(
    classifier: Classifier,
    paths: Sequence[Input],
    *,
    piped: bytes = b"",
    explain: bool = False,
    engine: Engine | None = None,
    advance: Advance = lambda _: None,
) -> Iterator[Prediction]:
    """Predict files.

    Args:
        classifier: The classifier.
        paths: From `expand`.
        piped: From `read_piped`.
        explain: Whether to explain each prediction.
        engine: Where files are read and predicted; by default in this process.
        advance: Progress callback.

    Yields:
        One prediction per path, in order.
    """
    sources = (_source_of(path, piped) for path in paths)
    predictions = classifier.stream(sources, explain=explain, engine=engine)
    for path, prediction in zip(paths, predictions, strict=True):
        advance(1)
        if isinstance(path, Listed) and path.file is None:  # nowhere, for a reason
            prediction = Prediction.unreadable(path.path, path.reason)
        yield replace(prediction, source=name_of(path))


@dataclass
class Tally:
    """What was predicted: a count of files by label and by verdict, and of those that failed."""

    num_failed: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)

    def count(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Count predictions as they pass."""
        for prediction in predictions:
            self.num_failed += _is_failed(prediction)
            self.labels[prediction.label or ""] += 1
            self.verdicts[prediction.verdict or ""] += 1
            yield prediction

    def to_text(self) -> str:
        """``20 files: happy 12, sad 7; sure 15, uncertain 4, unreadable 1``."""
        counted = (_join_counts(names) for names in (self.labels, self.verdicts))
        return f"{plural(self.labels.total(), 'file')}: {'; '.join(filter(None, counted))}"


def _join_counts(names: Counter[str]) -> str:
    counts = [f"{sanitize(name)} {number:,}" for name, number in names.most_common() if name]
    return join_names(counts, most=_MOST_NAMED)


def print_predictions(
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    *,
    form: Form,
    with_probabilities: bool = False,
    show: Callable[[str], None] = print,
    paths: Sequence[str] = (),
) -> Tally:
    """Print predictions on stdout as they arrive; JSON as one array at the end.

    Args:
        predictions: Consumed one by one.
        classes: Names of the classes.
        form: ``table`` for a terminal; ``csv`` with the columns `COLUMNS`; ``json`` with the values
            of `Prediction.to_json`.
        with_probabilities: Whether table and CSV have a column ``p:<class>`` per class; JSON always
            has the probability of each class.
        show: Prints a row.
        paths: Those of the predictions, which the table's first column has room for.
    """
    tally = Tally()
    counted = tally.count(predictions)
    columns = classes if with_probabilities else ()
    if form == "json":
        show(json_text([prediction.to_json() for prediction in counted]))
    elif form == "csv":
        # A writer calls this once a row, with the end of the line.
        writer = csv.writer(
            SimpleNamespace(write=lambda line: show(line[:-1])), lineterminator="\n"
        )
        for row in _csv_rows(counted, columns):
            writer.writerow(row)
    else:
        for line in _table_lines(counted, classes, columns, paths):
            show(line)
    return tally


def _is_failed(prediction: Prediction) -> bool:
    """Whether a photo could not be read; a text or table among photos has a row, and is no failure.

    The reason is that of `candid.data.images.files.refusal`.
    """
    if prediction.label is not None:
        return False
    is_named_so = Path(prediction.source).suffix.lower() in SUFFIXES
    return is_named_so or not (prediction.reason or "").startswith("not an image")


def _csv_rows(
    predictions: Iterable[Prediction], classes: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    yield (*COLUMNS, *map(_column_of, classes))
    for p in predictions:
        known = (p.source, p.label or "", _decimal(p.probability), p.reason or "", p.answer)
        judged = (p.verdict or "", join_classes(p.possible), _decimal(p.familiarity))
        shares = (_decimal(p.probabilities.get(name)) for name in classes)
        yield (*known, *judged, *shares)


def _column_of(name: str) -> str:
    """Title of the column with the probability of a class; no other title begins with ``p:``."""
    return f"p:{name}"


def _decimal(share: float | None, places: int = 6) -> str:
    return "" if share is None else f"{share:.{places}f}"


def _table_lines(
    predictions: Iterable[Prediction],
    classes: Sequence[str],
    columns: Sequence[str],
    paths: Sequence[str],
) -> Iterator[str]:
    """Lines of a table whose widths are known before the first prediction."""
    shares = [_column_of(name) for name in columns]
    widths = [
        *(max(map(_width, names)) for names in (("photo", *paths), ("label", *classes))),
        *map(_width, ("probability", *shares)),
    ]
    yield _line(("photo", "label", "probability", *shares, "verdict"), widths)
    for p in predictions:
        shown = (p.probability, *map(p.probabilities.get, columns))
        numbers = (_decimal(share, 3) for share in shown)
        yield _line((p.source, p.label or "", *numbers, _in_words(p)), widths)


def _line(cells: Iterable[str], widths: Sequence[int]) -> str:
    """Cells side by side; the last one has no width."""
    *padded, last = cells
    texts = [
        sanitize(cell) + " " * (width - _width(cell))
        for cell, width in zip(padded, widths, strict=True)
    ]
    return "  ".join((*texts, sanitize(last))).rstrip()


def _width(cell: str) -> int:
    return display_width(sanitize(cell))


def _in_words(prediction: Prediction) -> str:
    """The verdict and what goes with it: the possible classes, or why there is no label."""
    verdict = prediction.verdict
    words = prediction.answer if verdict == "uncertain" else verdict
    return ": ".join(filter(None, (words, prediction.reason)))


def note_pages(paths: Sequence[Input], piped: bytes, reading: Reading) -> Iterator[str]:
    """Say which files have further pages, and how to choose one.

    Other files are only opened, to see by their first bytes that they have none.
    """
    counts = {
        name_of(path): count for path in paths if (count := _count_pages(path, piped, reading)) > 1
    }
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


def _count_pages(one: Input, piped: bytes, reading: Reading) -> int:
    try:
        source = _source_of(one, piped)
        if isinstance(source, bytes):
            head = source[:HEAD_BYTES]
        elif isinstance(source, Slice) or (
            source.address.partition("::")[0].lower().endswith(_PAGED_SUFFIXES)  # not to fetch all
            if isinstance(source, Location)
            else source.is_file()
        ):
            head = read_start(source, HEAD_BYTES)
        else:
            return 1  # opening a pipe would block, and looking into a table takes long
        if identify(head) not in _PAGED:
            return 1
        return inspect(read_input(one, piped), max_pixels=reading.max_pixels).num_frames
    except (ImageError, OSError, ValueError):  # ValueError: a NUL in the path
        return 1
