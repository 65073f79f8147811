"""A run on disk: a folder that is whole or absent, and checked before anything is made of it.

candid.json      written last: format version, classes, contract, figures, hashes of the files
model.onnx       uint8 (n, s, s, 3) RGB → probabilities, embedding, novelty, heat map
golden.npz       a few inputs and what the model answered to them
neighbours.npz   what it learnt from, to name similar photos
split.csv  predictions.csv  history.csv  metrics.json  MODEL_CARD.md  tensorboard/  …
decisions.csv    the person's decisions, as they were when they were applied; or absent
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from candid.core.atomic_dir import require_overwritable, write_atomic_dir
from candid.core.hashing import hash_file
from candid.core.safe_json import read_object
from candid.core.temp_dir import locked_dir
from candid.core.text import sanitize
from candid.errors import ArtifactError
from candid.models.checkpoint import discard, take_spent
from candid.runs.manifest import MAX_SIZE_PX, Manifest, find_reader

MANIFEST: Final = "candid.json"
MODEL: Final = "model.onnx"
GOLDEN: Final = "golden.npz"
SPLIT: Final = "split.csv"
METRICS: Final = "metrics.json"
PREDICTIONS: Final = "predictions.csv"
#: The photos it learnt from, to name similar ones.
NEIGHBOURS: Final = "neighbours.npz"
#: What a person decided about the photos; there only where somebody did.
DECISIONS: Final = "decisions.csv"
#: The one folder in a run; its files' names are TensorBoard's.
_TENSORBOARD: Final = "tensorboard"
#: What a run can't do without.
_REQUIRED: Final = (MODEL, GOLDEN, SPLIT)
_POINTING: Final = ".latest.partial-"
_MAX_MODEL_BYTES: Final = 2**31  # a protocol buffer can't be larger
_MAX_GOLDEN_BYTES: Final = 2**28


def write_run(
    folder: Path,
    fill: Callable[[Path], Manifest],
    *,
    overwrite: bool = False,
) -> Path:
    """Write a run, so that it is whole or absent whenever the process is killed.

    Args:
        folder: The run's folder.
        fill: Writes the files into the temporary folder it is given and returns the manifest;
            the hashes of the files are added here.
        overwrite: Whether a run that is there already is replaced, once the new one is whole.

    Returns:
        The run's folder.

    Raises:
        UsageError: The folder is there already, or can't be written.
    """
    spent: list[str] = []

    def fill_and_list(partial: Path) -> None:
        manifest = fill(partial)
        spent.extend(take_spent(partial))
        _write_manifest(partial, manifest)

    written = write_atomic_dir(
        folder,
        fill_and_list,
        require_free=lambda place: require_free(place, overwrite=overwrite),
    )
    discard(written.parent, spent)
    return written


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, but for a run that may be replaced.

    Raises:
        UsageError: It does; see `candid.core.atomic_dir.require_overwritable`.
    """
    require_overwritable(
        folder,
        kind="run",
        manifest=MANIFEST,
        option="--run",
        overwrite=overwrite,
        below=[_TENSORBOARD],
    )


def read_manifest(folder: Path) -> Manifest:
    """Read and check a run: version, hash of every file, values; before anything is made of it.

    Args:
        folder: The run's folder.

    Returns:
        What ``candid.json`` says.

    Raises:
        ArtifactError: It is no run, of another version, or not as it was written.
    """
    file = folder / MANIFEST
    if not _is_file(file):
        raise ArtifactError(
            f"{folder} is no run: it has no {MANIFEST}. Expected a folder that `candid train` "
            "wrote, such as runs/latest, with the files themselves and no links to them."
        )
    try:
        values = read_object(file)
        version, files = values["format_version"], values["files"]
        if not isinstance(files, dict):
            raise ValueError("its files are no object")
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"{file} can't be read ({error}); train again or restore it."
        ) from error
    read = find_reader(version, folder)
    _check_size(file, values)
    _check_files(folder, files, decided=values.get("decisions") is not None)
    _check_amounts(folder)
    return read(values, file)


def point_latest(folder: Path) -> None:
    """Let ``latest`` beside a run mean that run, by a link that is replaced at once."""
    link = folder.parent / "latest"
    if link.exists() and not link.is_symlink():
        return
    # A file system without links: the newest run is found by its time.
    with suppress(OSError), locked_dir(folder.parent, _POINTING) as aside:
        (aside / link.name).symlink_to(folder.name, target_is_directory=True)
        (aside / link.name).replace(link)


def find_run(folder: str | Path) -> Path:
    """The folder of a run; ``…/latest`` is found where there is no such link, too.

    Raises:
        ArtifactError: There is none.
    """
    path = Path(folder).expanduser()
    if path.is_dir():
        return path
    if path.name == "latest" and path.parent.is_dir():
        runs = [m.parent for m in path.parent.glob(f"[!.]*/{MANIFEST}")]
        if runs:
            return max(runs, key=lambda run: (run / MANIFEST).stat().st_mtime)
    raise ArtifactError(
        f"there is no run at {folder}. Train one with `candid train DATA`, or name another."
    )


def _check_size(manifest: Path, values: dict[str, Any]) -> None:
    """Refuse pictures so large that the memory would not hold them; the reader refuses the rest."""
    try:
        size_px = int(values["pixels"]["size_px"])
    except (LookupError, TypeError, ValueError, OverflowError):
        return
    if size_px > MAX_SIZE_PX:
        raise ArtifactError(
            f"{manifest} asks for images of more than {MAX_SIZE_PX}×{MAX_SIZE_PX} pixels, which "
            "no model of Candid takes; restore it or train again."
        )


def _check_files(folder: Path, files: dict[str, str], *, decided: bool) -> None:
    required = (*_REQUIRED, DECISIONS) if decided else _REQUIRED
    for name in (*required, *files):
        file, shown = folder / name, sanitize(name)
        if name not in files:
            raise ArtifactError(f"{folder / MANIFEST} does not list {shown}; train again.")
        if Path(name).name != name:
            raise ArtifactError(f"{folder / MANIFEST} lists {shown!r}, which is outside the run.")
        if not _is_file(file):
            raise ArtifactError(
                f"{folder} lacks {shown}, as a file and no link; restore it or train again."
            )
        if hash_file(file) != files[name]:
            raise ArtifactError(
                f"{folder / shown} is not as it was written: its SHA-256 does not match "
                f"{MANIFEST}. Restore it or train again."
            )


def _is_file(file: Path) -> bool:
    """Whether it is a file and no link, which might lead anywhere."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except (OSError, ValueError):  # not there, or of a name that no file can have
        return False


def _check_amounts(folder: Path) -> None:
    """Refuse files that would take all memory when they are read."""
    if (folder / MODEL).stat().st_size > _MAX_MODEL_BYTES:
        raise ArtifactError(f"{folder / MODEL} is larger than any ONNX file; train again.")
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(folder / GOLDEN) as golden:
        if sum(member.file_size for member in golden.infolist()) > _MAX_GOLDEN_BYTES:
            raise ArtifactError(
                f"{folder / GOLDEN} would be larger than {_MAX_GOLDEN_BYTES >> 20} MiB unpacked; "
                "train again."
            )


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    hashes = {file.name: hash_file(file) for file in sorted(folder.iterdir()) if file.is_file()}
    (folder / MANIFEST).write_bytes(replace(manifest, files=hashes).to_bytes())
