"""What `candid export` does: writes a run in another format, and keeps what answers as the run.

The formats that there are, by the name that the user types.

The ``README.md`` of an export.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final

from candid.core.atomic_dir import require_overwritable, write_atomic_dir
from candid.core.extras import require_packages
from candid.core.hashing import hash_file
from candid.core.progress import Progress, Silent
from candid.core.text import escape_markdown, fence
from candid.errors import UsageError
from candid.exporting.format import Format
from candid.exporting.int8.export import require_quantisable, write_int8
from candid.exporting.int8.gate import Int8
from candid.exporting.keras import KERAS, SAVED_MODEL
from candid.exporting.litert import LITERT
from candid.exporting.onnx import ONNX
from candid.exporting.parity import Parity, compare, require_parity
from candid.exporting.samples import Photos, compare_decoded, find_photos, read_golden, spread
from candid.exporting.snippets import Pasted, Snippet
from candid.exporting.source import MANIFEST, Source, describe, write_manifest
from candid.exporting.web import WEB
from candid.runs.artifact import GOLDEN, SPLIT, find_run
from candid.runs.classifier import load
from candid.runs.paths import require_outside, require_writable, shorten
from candid.splits.split import read_csv

FORMATS: Final = {form.name: form for form in (ONNX, KERAS, SAVED_MODEL, LITERT, WEB)}


def find_format(name: str) -> Format:
    """Find a format.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in FORMATS:
        raise UsageError(f"there is no format {name!r}; expected one of {', '.join(FORMATS)}.")
    return FORMATS[name]


def write_readme(
    form: Format, source: Source, parity: Parity | Int8, snippets: Sequence[Snippet]
) -> str:
    """What the export is, how near it is to its run, and how to use it, as Markdown."""
    classes = ", ".join(escape_markdown(name) for name in source.classifier.classes)
    size = source.size_px
    files = ", ".join(f"`{name}`" for name in form.files)
    parts = [
        f"# {escape_markdown(source.name)} for {form.title}",
        f"A classifier that `candid train` made, written by `candid export`: {files}. It tells "
        f"{classes}.",
        f"- In: `image`, uint8 `(n, {size}, {size}, 3)`, RGB, 0 to 255. The preprocessing is "
        f"inside; photos are made square by `{source.classifier.contract.fit}`.",
        "- Out: `probabilities`, float32, a column a class in that order, calibrated.",
        f"- `{MANIFEST}` has the classes, the pixels, the decision rule and what the model "
        "needs to know when to say nothing.",
        "## As the run says",
        fence(parity.to_text()),
    ]
    for snippet in snippets:
        parts += [f"## {snippet.title}", fence(snippet.code.rstrip("\n"), snippet.language)]
    return "\n\n".join(parts) + "\n"


EXPORTS: Final = Path("exports")
README: Final = "README.md"


@dataclass(frozen=True)
class ExportRequest:
    """What is asked for.

    Attributes:
        run: The run's folder.
        to: The name of a format.
        output: Where the export is written; by default ``exports/<run>-<format>``, and ``-int8``.
        overwrite: Whether an earlier export there is replaced.
        int8: Whether it is rounded to eight bits.
    """

    run: Path
    to: str
    output: Path | None = None
    overwrite: bool = False
    int8: bool = False


@dataclass(frozen=True)
class Exported:
    """An export that was written and answers as its run does.

    Attributes:
        folder: Where it is.
        form: Its format.
        parity: How near it comes to the run; rounded to eight bits, how good it is beside it.
        snippets: What a person can paste to use it.
        notes: What a person should know, such as photos that are gone.
    """

    folder: Path
    form: Format
    parity: Parity | Int8
    snippets: tuple[Snippet, ...]
    notes: tuple[str, ...]

    def to_text(self) -> str:
        """For a terminal."""
        names = ", ".join((*self.form.files, MANIFEST, README))
        parts = [self.parity.to_text(), f"Written to {shorten(self.folder)}: {names}"]
        parts += [f"{snippet.title}:\n\n{snippet.code.rstrip()}" for snippet in self.snippets]
        return "\n\n".join(parts)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "folder": str(self.folder),
            "format": self.form.name,
            "files": list(self.form.files),
            **_told(self.parity),
            "notes": list(self.notes),
        }


def export_run(request: ExportRequest, *, progress: Progress | None = None) -> Exported:
    """Write a run in another format, load it again in its own runtime and compare the answers.

    Args:
        request: What is asked for.
        progress: Told how far it is.

    Returns:
        The export, which agrees with the run.

    Raises:
        UsageError: The format is unknown or can't hold this run, or the folder is there already.
        ArtifactError: The run is not there, or not as it was written.
        DataError: It is to be rounded, and the training photos are gone.
        DependencyError: A package that the format needs is not installed.
        ParityError: The export answers otherwise than the run; nothing is left of it.
    """
    form = find_format(request.to)
    if request.int8:
        require_quantisable(form, [name for name, other in FORMATS.items() if other.quantise])
    run = find_run(request.run)
    folder = request.output or _default_folder(run, form, int8=request.int8)
    _require_free(folder, overwrite=request.overwrite)
    require_writable(folder)
    require_packages(form.packages, needed_by=f"an export to {form.title}", extra=form.extra)
    source = open_source(run)
    require_outside(folder, source.data_folder, option="--output")
    _require_outside_run(folder, run)
    photos = Photos((), ())
    if not request.int8:
        photos = find_photos(source.data_folder, read_csv(run / SPLIT))
    # Who is given the folder has no use for where it lay here, and nothing to know it for.
    named = form.snippets(_pasted(source, Path(folder.expanduser().resolve().name)))
    kept: list[Parity | Int8] = []

    def fill(partial: Path) -> None:
        parity: Parity | Int8
        if request.int8:
            parity = write_int8(partial, form, source, progress or Silent())
        else:
            parity = _write(partial, form, source, photos, progress or Silent())
        (partial / README).write_text(
            write_readme(form, source, parity, named), "utf-8", "backslashreplace"
        )
        _finish(partial, form, source, parity)
        kept.append(parity)

    written = write_atomic_dir(
        folder,
        fill,
        require_free=lambda place: _require_free(place, overwrite=request.overwrite),
        option="--output",
    )
    snippets = form.snippets(_pasted(source, shorten(folder.expanduser().absolute())))
    return Exported(written, form, kept[0], snippets, (*photos.notes, *kept[0].notes))


def open_source(run: Path) -> Source:
    """Open a run, after its model gave the answers that it gave when it was written.

    Raises:
        ArtifactError: It is not whole.
    """
    classifier = load(run)
    classifier.check_golden(run / GOLDEN)
    return Source(run, classifier)


def _write(
    folder: Path, form: Format, source: Source, photos: Photos, progress: Progress
) -> Parity:
    """Write the model, and hold what was written against the run."""
    with progress.step(f"Writing {form.title}", 1) as advance:
        form.write(folder, source)
        advance(1)
    golden = read_golden(source.folder)
    num_images = len(golden.pixels) + len(photos.files)
    batches = chain([golden], photos.batches(source.classifier))
    with form.opened(folder) as opened:
        with progress.step("Comparing with the run", num_images) as advance:
            parity = compare(form, opened.run, source.classifier, batches, advance)
        parity = replace(parity, runtime=opened.runtime, notes=opened.notes)
        require_parity(form, parity)
        files = spread(photos.files)
        if opened.ask_photo is None or not files:
            return parity
        with progress.step("Comparing its own decoding", len(files)) as advance:
            decoded = compare_decoded(opened.ask_photo, source.classifier, files, advance)
    return replace(parity, decoded=decoded, notes=(*parity.notes, *decoded.notes))


def _require_outside_run(folder: Path, run: Path) -> None:
    """Refuse a folder within the run, whose files are all that it has."""
    if folder.expanduser().resolve().is_relative_to(run.resolve()):
        raise UsageError(f"{folder} lies in the run {run}. Choose another --output.")


def _default_folder(run: Path, form: Format, *, int8: bool) -> Path:
    return EXPORTS / f"{run.resolve().name}-{form.name}{'-int8' * int8}"


def _told(parity: Parity | Int8) -> dict[str, Any]:
    return {"int8" if isinstance(parity, Int8) else "parity": parity.to_json()}


def _finish(folder: Path, form: Format, source: Source, parity: Parity | Int8) -> None:
    """Write the manifest, last: it has the hash of every file."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != MANIFEST)
    hashes = {file.relative_to(folder).as_posix(): hash_file(file) for file in files}
    told = {"format": form.name, **_told(parity), "files": hashes}
    write_manifest(folder, describe(source) | told)


def _require_free(folder: Path, *, overwrite: bool) -> None:
    require_overwritable(
        folder.expanduser(),
        kind="export",
        manifest=MANIFEST,
        option="--output",
        overwrite=overwrite,
    )


def _pasted(source: Source, folder: Path) -> Pasted:
    classifier = source.classifier
    return Pasted(
        folder,
        classifier.contract,
        classifier.rule,
        len(classifier.classes),
        classifier.abstention is not None,
    )
