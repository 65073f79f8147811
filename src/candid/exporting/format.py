"""An export format: how to write it, load it, use it, and how far it may differ from the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages

if TYPE_CHECKING:
    from candid.core.progress import Advance
    from candid.exporting.snippets import Snippet, SnippetContext
    from candid.exporting.source import Source

#: ``probabilities``, float32 ``(n, k)``; and ``embedding`` ``(n, d)``, ``novelty`` ``(n,)`` and
#: ``heatmap`` ``(n, k, h, w)`` where the runtime returns them.
Answers = Mapping[str, NDArray[np.float32]]

#: From pixels, uint8 ``(n, s, s, 3)`` RGB, n from 1, to outputs.
Runner = Callable[[NDArray[np.uint8]], Answers]


@dataclass(frozen=True)
class Tolerance:
    """Largest allowed differences from the run. Labels have to agree in any case."""

    probability: float = 1e-3  # of a probability
    novelty: float = 1e-2  # of a novelty, a sum of three z-scores


@dataclass(frozen=True)
class LoadedExport:
    """An export, loaded by its own runtime.

    Attributes:
        run: From pixels to outputs.
        runtime: The runtime and its version.
        notes: Notes for the user on the runtime.
        predict_photo: From a photo's bytes to the JSON of `candid.runs.prediction.Prediction`, if
            the export decodes photos itself; else None.
    """

    run: Runner
    runtime: str
    notes: tuple[str, ...] = ()
    predict_photo: Callable[[bytes], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Format:
    """A format that a run can be exported to; listed in `candid.exporting.export.FORMATS`.

    Attributes:
        name: The value of ``--to``, such as ``onnx``.
        title: The name in a sentence, such as ``ONNX``.
        purpose: What it is for, to be read after the title.
        runtime: The name of the runtime.
        runtime_package: The distribution whose version is reported.
        packages: Import names of the packages needed to write and to run it.
        extra: The extra of Candid that installs those packages.
        files: What is written, relative to the export's folder; the model comes last.
        write: Writes the files into a folder; a UsageError says that it can't express the run.
        load: Loads the files of a folder by the format's own runtime, using nothing of the run.
        snippets: Makes code that uses the export.
        tolerance: How far it may differ from the run.
        open: Instead of ``load``, if the runtime has to be closed after use.
        quantise: From a run and calibration photos, uint8 ``(n, s, s, 3)``, to the source that
            ``write`` writes as int8; None if the format can't be quantised.
        takes_int8: Whether ``quantise`` takes a run that computes in eight bits already.
        num_asked: How many photos of the test part the gate compares by default, at most; in int8,
            four times as many, as it estimates an accuracy.
        require_more: Raises a DependencyError if it lacks anything besides packages.
    """

    name: str
    title: str
    purpose: str
    runtime: str
    runtime_package: str
    packages: tuple[str, ...]
    extra: str
    files: tuple[str, ...]
    write: Callable[[Path, Source], None]
    load: Callable[[Path], Runner]
    snippets: Callable[[SnippetContext], tuple[Snippet, ...]]
    tolerance: Tolerance = field(default_factory=Tolerance)
    open: Callable[[Path], AbstractContextManager[LoadedExport]] | None = None
    quantise: Callable[[Source, NDArray[np.uint8], Advance], Source] | None = None
    takes_int8: bool = False
    num_asked: int = 100
    require_more: Callable[[], None] = lambda: None

    def require(self) -> None:
        """Require all that writing and running it needs.

        Raises:
            DependencyError: Something is not installed; it says what to install.
        """
        needed_by = f"an export to {self.title}"
        require_packages(self.packages, needed_by=needed_by, extra=self.extra)
        self.require_more()

    @property
    def versioned_runtime(self) -> str:
        """The runtime and its version, such as ``ONNX Runtime 1.23.0``."""
        try:
            return f"{self.runtime} {version(self.runtime_package)}"
        except PackageNotFoundError:
            return self.runtime

    @contextmanager
    def open_export(self, folder: Path) -> Iterator[LoadedExport]:
        """Load the files of a folder by the format's own runtime, and close that afterwards."""
        if self.open is None:
            yield LoadedExport(self.load(folder), self.versioned_runtime)
            return
        with self.open(folder) as loaded:
            yield loaded


def run_in_batches(run: Runner, pixels: NDArray[np.uint8], batch_size: int) -> Answers:
    """Run a model on at most ``batch_size`` images a call and concatenate its outputs."""
    starts = range(0, len(pixels), batch_size)
    parts = [run(pixels[start : start + batch_size]) for start in starts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
