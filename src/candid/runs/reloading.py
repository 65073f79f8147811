"""Classifiers that were pickled: their runs are loaded again, once for each process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from candid.errors import ArtifactError
from candid.runs.artifact import MANIFEST, MODEL
from candid.runs.classifier import Classifier, load

#: Keeps a pool's worker from loading the run for each task.
_load_once = lru_cache(maxsize=1)(
    lambda folder, num_threads, _written: load(folder, num_threads=num_threads)
)


def load_again(
    folder: str, model: str, num_threads: int | None, changed: dict[str, object]
) -> Classifier:
    """Load the run of a pickled classifier, whose model has this SHA-256.

    Raises:
        ArtifactError: The run is gone, or another one is in its place.
    """
    manifest = Path(folder) / MANIFEST
    if not manifest.is_file():
        raise ArtifactError(
            f"the run of this classifier is gone: {folder}. A copy or a pickle of a classifier "
            "loads its run again, so keep the folder at this place, or use `candid.load`."
        )
    classifier: Classifier = _load_once(folder, num_threads, manifest.stat().st_mtime_ns)
    if classifier.require_manifest().files[MODEL] != model:
        raise ArtifactError(
            f"another run is at {folder} than that of this classifier; use `candid.load`."
        )
    return classifier._with(**changed)
