"""What a format of export is: how it is written, how it is run, how near it has to come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from candid.core.progress import Advance
    from candid.exporting.snippets import Pasted, Snippet
    from candid.exporting.source import Source

#: ``probabilities``, float32 ``(n, k)``; and ``embedding`` ``(n, d)``, ``novelty`` ``(n,)`` and
#: ``heatmap`` ``(n, k, h, w)`` where the runtime gives them.
Answers = Mapping[str, NDArray[np.float32]]

#: Pixels, uint8 ``(n, s, s, 3)`` RGB, n from 1, to answers.
Runner = Callable[[NDArray[np.uint8]], Answers]


@dataclass(frozen=True)
class Tolerance:
    """How far an export may be from its run. Labels have to agree whatever the tolerance.

    Attributes:
        probability: The largest difference of a probability.
        novelty: The largest difference of a novelty, a sum of three z-scores.
    """

    probability: float = 1e-3
    novelty: float = 1e-2


@dataclass(frozen=True)
class Opened:
    """An export while its own runtime runs it.

    Attributes:
        run: From pixels to answers.
        runtime: What runs it, with its version.
        notes: What a person should know of that.
        ask_photo: From a photo's file to the JSON of `candid.runs.prediction.Prediction`, where the
            export decodes photos itself; else None.
    """

    run: Runner
    runtime: str
    notes: tuple[str, ...] = ()
    ask_photo: Callable[[bytes], Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class Format:
    """A format that a run can be exported to.

    Another format is another value of this class in `candid.exporting.export.FORMATS`.

    Attributes:
        name: What is typed: ``onnx``.
        title: What it is called in a sentence: ``ONNX``.
        runtime: What it is run by, for a person.
        runtime_package: The distribution whose version is told.
        packages: What has to be installed to write and to run it, as it is imported.
        extra: The extra of ours that brings those packages.
        files: What is written, relative to the export's folder: what a person copies.
        write: Writes the files into a folder.
        load: Loads what was written into a folder, by its own runtime and nothing of the run.
        snippets: What a person can paste to use it.
        tolerance: How far it may be from the run.
        open: In the place of ``load``, where the runtime has to be ended after use.
        quantise: From a run and calibration photos, uint8 ``(n, s, s, 3)``, to what ``write`` is
            given so that it writes eight bits; None where the format can't.
    """

    name: str
    title: str
    runtime: str
    runtime_package: str
    packages: tuple[str, ...]
    extra: str
    files: tuple[str, ...]
    write: Callable[[Path, Source], None]
    load: Callable[[Path], Runner]
    snippets: Callable[[Pasted], tuple[Snippet, ...]]
    tolerance: Tolerance = field(default_factory=Tolerance)
    open: Callable[[Path], AbstractContextManager[Opened]] | None = None
    quantise: Callable[[Source, NDArray[np.uint8], Advance], Source] | None = None

    @contextmanager
    def opened(self, folder: Path) -> Iterator[Opened]:
        """Run what was written into a folder by its own runtime, for as long as it is needed."""
        if self.open is None:
            yield Opened(self.load(folder), name_runtime(self))
            return
        with self.open(folder) as opened:
            yield opened


def name_runtime(form: Format) -> str:
    """What a format is run by, with its version."""
    try:
        return f"{form.runtime} {version(form.runtime_package)}"
    except PackageNotFoundError:
        return form.runtime
