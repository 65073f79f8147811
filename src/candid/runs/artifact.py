"""A run on disk: a folder that is written atomically and verified before it is used.

candid.json      written last: format version, classes, contract, figures, hashes of the files
model.onnx       uint8 (n, s, s, 3) RGB → probabilities, embedding, novelty, heat map
golden.npz       a few inputs and the model's outputs for them
neighbours.npz   index of the photos that the model was fitted on, to find similar ones
split.csv  predictions.csv  history.csv  metrics.json  MODEL_CARD.md  tensorboard/  …
decisions.csv    a copy of the decisions that were applied, if there were any
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from candid.core.atomic_dir import require_overwritable, write_atomic_dir
from candid.core.hashing import hash_file
from candid.core.safe_json import read_object
from candid.core.temp_dir import locked_dir
from candid.core.text import sanitize
from candid.errors import ArtifactError
from candid.models.checkpoint import discard, take_spent
from candid.runs.manifest import Manifest
from candid.runs.manifest_formats import find_reader

MANIFEST: Final = "candid.json"
MODEL: Final = "model.onnx"
GOLDEN: Final = "golden.npz"
SPLIT: Final = "split.csv"
METRICS: Final = "metrics.json"
PREDICTIONS: Final = "predictions.csv"
NEIGHBOURS: Final = "neighbours.npz"
DECISIONS: Final = "decisions.csv"
#: The only folder in a run; the manifest does not list its files, which TensorBoard names.
_TENSORBOARD: Final = "tensorboard"
_REQUIRED: Final = (MODEL, GOLDEN, SPLIT)
_LATEST_PREFIX: Final = ".latest.partial-"
_MAX_MODEL_BYTES: Final = 2**31  # a protocol buffer can't be larger
_MAX_GOLDEN_BYTES: Final = 2**28


def write_run(folder: Path, fill: Callable[[Path], Manifest], *, overwrite: bool = False) -> Path:
    """Write a run atomically: if the process is killed, there is a whole run or none.

    Args:
        folder: The run's folder, which is returned.
        fill: Writes the files into the given temporary folder and returns the manifest, to which
            the hashes of the files are added.
        overwrite: Whether an existing run is replaced, once the new one is complete.

    Raises:
        UsageError: The folder exists already or can't be written.
    """
    spent: list[str] = []

    def fill_and_list(partial: Path) -> None:
        manifest = fill(partial)
        spent.extend(take_spent(partial))
        hashes = {
            file.name: hash_file(file) for file in sorted(partial.iterdir()) if file.is_file()
        }
        (partial / MANIFEST).write_bytes(replace(manifest, files=hashes).to_bytes())

    written = write_atomic_dir(
        folder, fill_and_list, require_free=lambda place: require_free(place, overwrite=overwrite)
    )
    discard(written.parent, spent)
    return written


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Raise UsageError if the folder is neither free nor a run that may be replaced."""
    require_overwritable(
        folder,
        kind="run",
        manifest=MANIFEST,
        option="--run",
        overwrite=overwrite,
        below=[_TENSORBOARD],
    )


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run and verify version, sizes, the hash of every file and values.

    Raises:
        ArtifactError: The folder is not a run, is of another version, or was changed.
    """
    file = folder / MANIFEST
    if not _is_file(file):
        raise ArtifactError(
            f"{folder} is not a run: it has no {MANIFEST}. Expected a folder written by "
            "`candid train`, such as runs/latest, with regular files rather than links to files."
        )
    try:
        values = read_object(file)
        version, files = values["format_version"], values["files"]
        if not isinstance(files, dict):
            raise ValueError("files: an object is expected")
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(
            f"{file} can't be read ({error}); train again or restore it."
        ) from error
    read = find_reader(version, folder)
    _check_files(folder, files, decided=values.get("decisions") is not None)
    _check_amounts(folder)
    return read(values, file)


def point_latest(folder: Path) -> None:
    """Make ``latest`` beside a run a link to it, replaced atomically."""
    link = folder.parent / "latest"
    if link.exists() and not link.is_symlink():
        return
    # On a file system without links, `find_run` takes the newest run.
    with suppress(OSError), locked_dir(folder.parent, _LATEST_PREFIX) as aside:
        (aside / link.name).symlink_to(folder.name, target_is_directory=True)
        (aside / link.name).replace(link)


def find_run(folder: str | Path) -> Path:
    """The folder of a run; without a link ``latest``, that is the newest run beside it.

    Raises:
        ArtifactError: There is no such run.
    """
    path = Path(folder).expanduser()
    if path.is_dir():
        return path
    if path.name == "latest" and path.parent.is_dir():
        runs = [m.parent for m in path.parent.glob(f"[!.]*/{MANIFEST}")]
        if runs:
            return max(runs, key=lambda run: (run / MANIFEST).stat().st_mtime)
    raise ArtifactError(
        f"there is no run at {folder}. Train one with `candid train DATA`, or give another path."
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
                f"{folder} lacks {shown} as a regular file, not a link; restore it or train again."
            )
        if hash_file(file) != files[name]:
            raise ArtifactError(
                f"{folder / shown} is not as it was written: its SHA-256 does not match "
                f"{MANIFEST}. Restore it or train again."
            )


def _is_file(file: Path) -> bool:
    """Whether it is a regular file; a link might lead anywhere."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except (OSError, ValueError):  # absent, or a name that no file can have
        return False


def _check_amounts(folder: Path) -> None:
    """Refuse files that would exhaust the memory when they are read."""
    if (folder / MODEL).stat().st_size > _MAX_MODEL_BYTES:
        raise ArtifactError(f"{folder / MODEL} is larger than any ONNX file; train again.")
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(folder / GOLDEN) as golden:
        if sum(member.file_size for member in golden.infolist()) > _MAX_GOLDEN_BYTES:
            raise ArtifactError(
                f"{folder / GOLDEN} would be larger than {_MAX_GOLDEN_BYTES >> 20} MiB unpacked; "
                "train again."
            )
