"""Export a run: write it in a format, pass the gate, then add README and manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from candid.core.atomic_dir import require_overwritable, write_atomic_dir
from candid.core.hashing import hash_file
from candid.core.progress import Progress, Silent
from candid.core.text import escape_markdown, fence
from candid.errors import UsageError
from candid.exporting.format import Format, LoadedExport
from candid.exporting.int8.export import check_int8, quantise, require_quantisable
from candid.exporting.int8.gate import Int8Report
from candid.exporting.keras import KERAS, SAVED_MODEL
from candid.exporting.litert import LITERT
from candid.exporting.onnx import ONNX
from candid.exporting.own_reading import OwnReading, check_own_reading
from candid.exporting.parity import Parity, compare, compare_decoded, require_parity
from candid.exporting.samples import Asked, Photos, find_photos, read_golden
from candid.exporting.snippets import Snippet, SnippetContext
from candid.exporting.source import MANIFEST, Source, describe, write_manifest
from candid.exporting.speed import Speed, measure_speed
from candid.exporting.web import WEB
from candid.runs.artifact import GOLDEN, SPLIT, find_run
from candid.runs.classifier import load
from candid.runs.paths import require_outside, require_writable, shorten
from candid.splits.split import read_csv

FORMATS: Final = {form.name: form for form in (ONNX, KERAS, SAVED_MODEL, LITERT, WEB)}
_EXPORTS: Final = Path("exports")
_README: Final = "README.md"
_INT8_TIMES: Final = 4  # as many photos for an estimate of the accuracy


@dataclass(frozen=True)
class ExportRequest:
    """Options of an export.

    Attributes:
        run: The run's folder.
        to: The name of a format.
        output: Folder to write; by default ``exports/<run>-<format>``, with ``-int8`` if quantised.
        overwrite: Whether to replace an earlier export there.
        int8: Whether to quantise it to int8.
        gate_all: Whether to compare it on every photo of the test part, instead of a sample.
    """

    run: Path
    to: str
    output: Path | None = None
    overwrite: bool = False
    int8: bool = False
    gate_all: bool = False


@dataclass(frozen=True)
class Compared:
    """An export's comparisons with its run."""

    parity: Parity | Int8Report  # on the same pixels; another one if it is quantised
    asked: Asked  # how many photos that was
    reading: OwnReading | None  # how it reads photos by its own code; None if not checked
    speed: Speed | None = None  # None if it is quantised: then the comparison has both speeds

    def to_text(self) -> str:
        """Paragraphs for a terminal."""
        parts = (self.parity, self.asked, self.reading, self.speed)
        return "\n\n".join(part.to_text() for part in parts if part is not None)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        name = "int8" if isinstance(self.parity, Int8Report) else "parity"
        values = {name: self.parity.to_json(), "gate": self.asked.to_json()}
        values |= {"own_reading": self.reading.to_json()} if self.reading else {}
        return values | ({"speed": self.speed.to_json()} if self.speed else {})


@dataclass(frozen=True)
class Exported:
    """An export that was written and passed the gate."""

    folder: Path  # where it is
    form: Format  # its format
    compared: Compared  # its comparisons with the run
    snippets: tuple[Snippet, ...]  # code that uses it
    notes: tuple[str, ...]  # notes for the user, such as on missing photos

    def to_text(self) -> str:
        """Lines for a terminal."""
        names = ", ".join((*self.form.files, MANIFEST, _README))
        parts = [self.compared.to_text(), f"Written to {shorten(self.folder)}: {names}"]
        parts += [f"{snippet.title}:\n\n{snippet.code.rstrip()}" for snippet in self.snippets]
        return "\n\n".join(parts)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "folder": str(self.folder),
            "format": self.form.name,
            "files": list(self.form.files),
            **self.compared.to_json(),
            "notes": list(self.notes),
        }

    @property
    def parity(self) -> Parity | Int8Report:
        """The comparison on the same pixels."""
        return self.compared.parity


def export_run(request: ExportRequest, *, progress: Progress | None = None) -> Exported:
    """Write a run in another format, load it by its own runtime and compare the answers.

    Raises:
        UsageError: The format is unknown or can't express this run, or the folder exists.
        ArtifactError: The run is missing or damaged.
        DataError: It is to be quantised, and the training photos are gone.
        DependencyError: A package that the format needs is not installed.
        ParityError: The export does not give the run's answers; nothing is left of it.
    """
    form = FORMATS.get(request.to)
    if form is None:
        expected = ", ".join(FORMATS)
        raise UsageError(f"there is no format {request.to!r}; expected one of {expected}.")
    if request.int8:
        require_quantisable(form, [name for name, other in FORMATS.items() if other.quantise])
    run = find_run(request.run)
    name = f"{run.resolve().name}-{form.name}{'-int8' * request.int8}"
    folder = request.output or _EXPORTS / name
    if folder.expanduser().resolve().is_relative_to(run.resolve()):
        raise UsageError(f"{folder} is inside the run {run}. Choose another --output.")
    require_free = partial(_require_free, overwrite=request.overwrite)
    require_free(folder)
    require_writable(folder)
    form.require()
    source = open_source(run)
    require_outside(folder, source.data, option="--output")
    most = None if request.gate_all else form.num_asked
    photos = None
    if not request.int8:
        photos = find_photos(source.data, read_csv(run / SPLIT), most=most)
    # The export's own files name its folder without the path on this machine.
    own_context = snippet_context(source, Path(folder.expanduser().resolve().name))
    kept: list[Compared] = []

    def fill(partial: Path) -> None:
        compared = _write(partial, form, source, photos, most, progress)
        text = _readme(form, source, compared.to_text(), form.snippets(own_context))
        (partial / _README).write_text(text, "utf-8", "backslashreplace")
        _write_manifest(partial, form, source, compared.to_json())
        kept.append(compared)

    written = write_atomic_dir(folder, fill, require_free=require_free, option="--output")
    snippets = form.snippets(snippet_context(source, shorten(folder.expanduser().absolute())))
    (compared,) = kept
    notes = (*(photos.notes if photos else ()), *compared.parity.notes)
    return Exported(written, form, compared, snippets, notes)


def open_source(run: Path) -> Source:
    """Load a run and check that its model still gives the answers in ``golden.npz``.

    Raises:
        ArtifactError: It is missing or damaged.
    """
    classifier = load(run)
    classifier.check_golden(run / GOLDEN)
    return Source(run, classifier)


def _write(
    folder: Path,
    form: Format,
    source: Source,
    photos: Photos | None,
    most: int | None,
    progress: Progress | None,
) -> Compared:
    """Write the model and pass the gate; quantised, if None says that it chooses photos itself."""
    told = progress or Silent()
    written, num_calibrated = quantise(form, source, told) if photos is None else (source, 0)
    with told.step(f"Writing {form.title}", 1) as advance:
        form.write(folder, written)
        advance(1)
    # A preliminary one, which the export's own code reads.
    write_manifest(folder, describe(source) | {"format": form.name})
    parity: Parity | Int8Report
    with form.open_export(folder) as loaded:
        if photos is None:
            most = most and most * _INT8_TIMES
            parity, asked = check_int8(
                folder, form, source, loaded, num_calibrated, told, most=most
            )
        else:
            parity = _check_parity(form, source, loaded, photos, told)
            asked = Asked(len(photos.files), photos.num_listed, most)
        reading = check_own_reading(loaded, form, source, snippet_context(source, folder))
        if photos is None:
            return Compared(parity, asked, reading)
        with told.step("Measuring the speed", 1) as advance:
            speed = measure_speed(loaded.run, read_golden(source.folder).pixels)
            advance(1)
        return Compared(parity, asked, reading, speed)


def _check_parity(
    form: Format, source: Source, loaded: LoadedExport, photos: Photos, progress: Progress
) -> Parity:
    """Compare what was written with the run."""
    golden = read_golden(source.folder)
    num_images = len(golden.pixels) + len(photos.files)
    batches = chain([golden], photos.batches(source.classifier))
    with progress.step("Comparing with the run", num_images) as advance:
        parity = compare(form, loaded.run, source.classifier, batches, advance)
    parity = replace(parity, runtime=loaded.runtime, notes=loaded.notes)
    require_parity(form, parity)
    if loaded.predict_photo is None or not photos.files:
        return parity
    with progress.step("Comparing its own decoding", len(photos.files)) as advance:
        decoded = compare_decoded(loaded.predict_photo, source.classifier, photos.files, advance)
    return replace(parity, decoded=decoded, notes=(*parity.notes, *decoded.notes))


def _readme(form: Format, source: Source, compared: str, snippets: Sequence[Snippet]) -> str:
    """The export's ``README.md``: classes, input, output, comparison with the run, snippets."""
    classes = ", ".join(escape_markdown(name) for name in source.classifier.classes)
    size = source.size_px
    files = ", ".join(f"`{name}`" for name in form.files)
    parts = [
        f"# {escape_markdown(source.name)} for {form.title}",
        f"An image classifier, trained by `candid train` and written by `candid export`: {files}. "
        f"Its classes: {classes}.",
        f"- Input: `image`, uint8 `(n, {size}, {size}, 3)`, RGB, 0 to 255. The model includes its "
        f"preprocessing; photos are made square by `{source.classifier.contract.fit}`.",
        "- Output: `probabilities`, float32, calibrated, one column per class in the order above.",
        f"- `{MANIFEST}` contains the classes, the pixel format, the decision rule and the "
        "tables for answering *uncertain* or *unknown*; under `answer`, what the values mean that "
        "the code below makes of them: `probability` is that of `label`.",
        "## Compared with the run",
        fence(compared),
    ]
    for snippet in snippets:
        parts += [f"## {snippet.title}", fence(snippet.code.rstrip("\n"), snippet.language)]
    return "\n\n".join(parts) + "\n"


def _write_manifest(folder: Path, form: Format, source: Source, parity: dict[str, Any]) -> None:
    """Write the manifest, last: it has the hash of every file."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    hashes = {file.relative_to(folder).as_posix(): hash_file(file) for file in files}
    values = {"format": form.name, **parity, "files": hashes}
    write_manifest(folder, describe(source) | values)


def _require_free(folder: Path, *, overwrite: bool) -> None:
    place = folder.expanduser()
    require_overwritable(
        place, kind="export", manifest=MANIFEST, option="--output", overwrite=overwrite
    )


def snippet_context(source: Source, folder: Path) -> SnippetContext:
    """What an export's snippets are made for; ``folder`` is its path as a user would type it."""
    run = source.classifier
    abstains = run.abstention is not None
    return SnippetContext(folder, run.contract, run.rule, len(run.classes), abstains)
