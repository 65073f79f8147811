"""A trained classifier: bytes in, answers out, on ONNX Runtime alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, overload

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from candid.artifact import MODEL, find_run, read_manifest
from candid.errors import ArtifactError, ImageError, UsageError
from candid.images import PixelContract, decode, read_file
from candid.images.fit import fit_square

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8]

_BATCH: Final = 16
_AT_ONCE: Final = 2  # pictures in one call of the runtime: more are no faster and take memory
_GOLDEN_TOLERANCE: Final = 1e-3


@dataclass(frozen=True)
class Prediction:
    """What a classifier says of one image.

    Attributes:
        source: The path as it was given; empty for bytes and arrays.
        label: The class, or None where the image could not be read.
        probability: Two classes: of the alphabetically second one. More: of ``label``.
        probabilities: Of each class.
        reason: Why there is no label, in one line; else None.
    """

    source: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float]
    reason: str | None = None


@dataclass(frozen=True)
class Outputs:
    """What the model answers to n images.

    Attributes:
        probabilities: float32 ``(n, k)``.
        embedding: float32 ``(n, d)``.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]


class Classifier:
    """A trained classifier.

    Attributes:
        classes: Names of the classes, in alphabetical order.
        contract: How bytes become pixels.
        threshold: Two classes: above it the second class is predicted.
        manifest: Everything that ``candid.json`` says.

    Example:
        >>> classifier = candid.load("runs/latest")  # doctest: +SKIP
        >>> classifier.predict("photo.jpg").label  # doctest: +SKIP
        'happy'
    """

    def __init__(
        self, model: bytes, classes: Sequence[str], contract: PixelContract, threshold: float = 0.5
    ) -> None:
        """Start the runtime.

        Args:
            model: A serialised ONNX graph as `candid.recipes.Trained` describes it.
            classes: Names of the classes.
            contract: How bytes become pixels.
            threshold: Two classes: above it the second class is predicted.

        Raises:
            ArtifactError: The runtime refuses the graph, or its outputs don't fit the classes.
        """
        self.classes = tuple(classes)
        self.contract = contract
        self.threshold = threshold
        self.manifest: dict[str, Any] = {}
        self._session = _start(model)
        inputs = {given.name: given.shape[1:] for given in self._session.get_inputs()}
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        size = contract.size_px
        if inputs != {"image": [size, size, 3]}:
            raise ArtifactError(
                f"{MODEL} does not take images of {size}×{size} pixels; its inputs are {inputs}. "
                "Restore the file or train again."
            )
        if outputs.get("probabilities", [None])[-1] != len(self.classes):
            raise ArtifactError(
                f"{MODEL} does not answer with {len(self.classes)} probabilities; its outputs are "
                f"{outputs}. Restore the file or train again."
            )
        if "embedding" not in outputs:
            raise ArtifactError(f"{MODEL} gives no embedding. Restore the file or train again.")

    def with_threshold(self, threshold: float) -> Classifier:
        """The same classifier with another threshold, 0 to 1, for the second of two classes.

        Raises:
            UsageError: There are more than two classes, or it is not between 0 and 1.
        """
        if len(self.classes) != 2:
            raise UsageError(
                f"a threshold is for two classes; this model has {len(self.classes)}: "
                f"{', '.join(self.classes)}."
            )
        if not 0 <= threshold <= 1:
            raise UsageError(f"the threshold is a probability from 0 to 1. Received: {threshold}.")
        other = object.__new__(Classifier)
        other.__dict__ |= self.__dict__ | {"threshold": threshold}
        return other

    @overload
    def predict(self, source: Source) -> Prediction: ...
    @overload
    def predict(self, source: list[Source] | tuple[Source, ...]) -> list[Prediction]: ...
    def predict(
        self, source: Source | list[Source] | tuple[Source, ...]
    ) -> Prediction | list[Prediction]:
        """Predict one image, or several.

        Args:
            source: A path, a file's bytes, or a picture as uint8 ``(h, w, 3)`` RGB (not OpenCV's
                BGR) of any size; or a list of those.

        Returns:
            A prediction for each; one that can't be read has a reason and no label.
        """
        if isinstance(source, (str, os.PathLike, bytes, np.ndarray)):
            return next(self.stream([source]))
        return list(self.stream(source))

    def stream(self, sources: Iterable[Source]) -> Iterator[Prediction]:
        """Predict one image after the other, in batches, with a bounded number in memory."""
        rest = iter(sources)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            while batch := list(islice(rest, _BATCH)):
                yield from self._predict_batch(batch, pool)

    def run(self, pixels: NDArray[np.uint8]) -> Outputs:
        """Run the model on pixels.

        Args:
            pixels: uint8 ``(n, s, s, 3)`` RGB, as `candid.images.decode` gives them.

        Returns:
            What it answers.
        """
        names = ["probabilities", "embedding"]
        answers = [
            self._session.run(names, {"image": pixels[start : start + _AT_ONCE]})
            for start in range(0, len(pixels), _AT_ONCE)
        ]
        probabilities, embedding = (
            np.concatenate(columns) for columns in zip(*answers, strict=True)
        )
        return Outputs(probabilities, embedding)

    def check_golden(self, file: Path) -> None:
        """Hold the model against the answers that it gave when it was written.

        Raises:
            ArtifactError: It answers otherwise by more than 1e-3, or the file can't be read.
        """
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as golden:
                pixels, expected = golden["image"], golden["probabilities"]
            difference = float(np.abs(self.run(pixels).probabilities - expected).max())
        # zipfile, zlib and ONNX Runtime each have types of their own for a file that is not ours.
        except Exception as error:
            raise ArtifactError(f"{file} can't be read ({_line(error)}); train again.") from error
        if not difference <= _GOLDEN_TOLERANCE:
            raise ArtifactError(
                f"the model answers otherwise than when it was written, by {difference:.2g} "
                f"where {_GOLDEN_TOLERANCE} is allowed; try another version of onnxruntime."
            )

    def _predict_batch(self, batch: list[Source], pool: ThreadPoolExecutor) -> list[Prediction]:
        pixels = list(pool.map(self._read, batch))
        good = [p for p in pixels if not isinstance(p, ImageError)]
        answers = iter(self.run(np.stack(good)).probabilities) if good else iter(())
        return [
            _failed(source, picture)
            if isinstance(picture, ImageError)
            else self._prediction(_name(source), next(answers))
            for source, picture in zip(batch, pixels, strict=True)
        ]

    def _read(self, source: Source) -> NDArray[np.uint8] | ImageError:
        if isinstance(source, np.ndarray):
            if source.dtype != np.uint8 or source.shape[2:] != (3,) or not source.size:
                raise UsageError(
                    "a picture is expected as uint8 (h, w, 3) in RGB order, 0 to 255. "
                    f"Received: {source.dtype} {source.shape}."
                )
            return fit_square(source, self.contract.size_px, self.contract.fit)
        try:
            data = source if isinstance(source, bytes) else read_file(Path(source))
            return decode(data, self.contract)
        except ImageError as error:
            return error

    def _prediction(self, source: str, probabilities: NDArray[np.float32]) -> Prediction:
        by_class = dict(zip(self.classes, map(float, probabilities), strict=True))
        if len(self.classes) == 2:
            first, second = self.classes
            label = second if by_class[second] > self.threshold else first
            return Prediction(source, label, by_class[second], by_class)
        label = self.classes[int(probabilities.argmax())]
        return Prediction(source, label, by_class[label], by_class)


def load(folder: str | Path = "runs/latest") -> Classifier:
    """Load a run.

    Args:
        folder: What ``candid train`` wrote.

    Returns:
        The classifier.

    Raises:
        ArtifactError: It is no run, of another version, or not as it was written.
    """
    run = find_run(folder)
    manifest = read_manifest(run)
    try:
        pixels = manifest["pixels"]
        contract = PixelContract(int(pixels["size_px"]), pixels["fit"])
        classes = [str(name) for name in manifest["classes"]]
        threshold = float(manifest["threshold"])
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise ArtifactError(f"{run}/candid.json is incomplete: {error!r}; train again.") from error
    classifier = Classifier((run / MODEL).read_bytes(), classes, contract, threshold)
    classifier.manifest = manifest
    return classifier


def _start(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; nothing is printed beside it
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime's errors have no common type: some derive from RuntimeError, some from Exception.
    except Exception as error:
        raise ArtifactError(f"{MODEL} does not load ({_line(error)}); train again.") from error


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _name(source: Source) -> str:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""


def _failed(source: Source, error: ImageError) -> Prediction:
    return Prediction(_name(source), None, None, {}, str(error))
