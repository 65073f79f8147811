"""A trained classifier: bytes in, answers out, on ONNX Runtime alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, overload

import numpy as np
from numpy.typing import NDArray

from candid.core.safe_json import to_json
from candid.core.text import first_line
from candid.core.threads import map_ahead, num_cores
from candid.data.images import PixelContract, decode, read_file
from candid.data.images.contract import fit_square
from candid.errors import ArtifactError, ImageError, UsageError
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.models.outputs import Outputs
from candid.runs.artifact import MODEL, find_run, read_manifest
from candid.runs.manifest import Manifest
from candid.runs.onnx_session import AT_ONCE, Model
from candid.runs.prediction import Prediction

if TYPE_CHECKING:
    from candid.runs.explaining import Explanation
    from candid.runs.explaining.explain import Explainer

Source = str | os.PathLike[str] | bytes | NDArray[np.uint8]

_CHUNKS_WAITING: Final = 2  # that no thread ever lacks one
GOLDEN_TOLERANCE: Final = 1e-3


class Classifier:
    """A trained classifier.

    Attributes:
        classes: Names of the classes, in alphabetical order.
        contract: How bytes become pixels.
        rule: How a class is chosen.
        abstention: When it says that it does not know; None where it can't.
        run_folder: Where it was loaded from; None where it was not.
        manifest: What ``candid.json`` says; None where it was not loaded.

    Example:
        >>> classifier = candid.load("runs/latest")  # doctest: +SKIP
        >>> classifier.predict("photo.jpg").answer  # doctest: +SKIP
        'happy'
    """

    def __init__(
        self,
        model: bytes,
        classes: Sequence[str],
        contract: PixelContract,
        *,
        rule: DecisionRule | None = None,
        abstention: Abstention | None = None,
        num_threads: int | None = None,
    ) -> None:
        """Start the runtime.

        Args:
            model: A serialised ONNX graph as `candid.models.recipes.Trained` describes it.
            classes: Names of the classes.
            contract: How bytes become pixels.
            rule: How a class is chosen; by default the likeliest.
            abstention: When it says that it does not know.
            num_threads: That share the layers of a single image; by default as many as there are
                cores. Of several images, each core takes some, whatever this is.

        Raises:
            ArtifactError: The runtime refuses the graph, or its outputs don't fit the classes.
        """
        self.classes = tuple(classes)
        self.contract = contract
        self.rule = rule or DecisionRule()
        self.model = Model(model, classes, contract, num_threads=num_threads)
        self.abstention = abstention if self.model.has_novelty else None
        self.run_folder: Path | None = None
        self.manifest: Manifest | None = None

    @property
    def threshold(self) -> float:
        """Two classes: above it the second class is chosen."""
        return self.rule.threshold

    def with_threshold(self, threshold: float) -> Self:
        """The same classifier with another threshold, 0 to 1, for the second of two classes.

        Raises:
            UsageError: There are more than two classes, or it is not between 0 and 1.
        """
        if len(self.classes) != 2:
            raise UsageError(
                f"a threshold is for two classes; this model has {len(self.classes)}: "
                f"{', '.join(self.classes)}."
            )
        return self.with_rule(DecisionRule(threshold))

    def with_rule(self, rule: DecisionRule) -> Self:
        """The same classifier with another way to choose a class.

        Raises:
            UsageError: It does not fit the classes.
        """
        rule.require_fits(self.classes)
        return self._with(rule=rule)

    def with_coverage(self, coverage: float) -> Self:
        """The same classifier with other sets of possible classes.

        Args:
            coverage: How often they are to hold the true class, between 0 and 1.

        Raises:
            UsageError: It is not between 0 and 1, or this classifier can't abstain.
        """
        if self.abstention is None:
            raise UsageError(
                "this model can't say which classes are possible: too few photos were held out "
                "when it was trained. Train again on more photos."
            )
        return self._with(abstention=self.abstention.with_coverage(coverage))

    def _with(self, **changed: object) -> Self:
        other = object.__new__(type(self))
        other.__dict__ |= self.__dict__ | changed
        return other

    @overload
    def predict(self, source: Source, *, explain: bool = False) -> Prediction: ...
    @overload
    def predict(
        self, source: list[Source] | tuple[Source, ...], *, explain: bool = False
    ) -> list[Prediction]: ...
    def predict(
        self, source: Source | list[Source] | tuple[Source, ...], *, explain: bool = False
    ) -> Prediction | list[Prediction]:
        """Predict one image, or several.

        Args:
            source: A path, a file's bytes, or a picture as uint8 ``(h, w, 3)`` RGB (not OpenCV's
                BGR) of any size; or a list of those.
            explain: Whether to say what each answer rests on.

        Returns:
            A prediction for each; one that can't be read has a reason and no label.
        """
        if isinstance(source, (str, os.PathLike, bytes, np.ndarray)):
            return next(self.stream([source], explain=explain))
        return list(self.stream(source, explain=explain))

    def predict_pixels(
        self, pixels: NDArray[np.uint8], *, explain: bool = False
    ) -> list[Prediction]:
        """Predict pictures that are decoded and square already, in the thread of the caller.

        Args:
            pixels: uint8 ``(n, s, s, 3)`` RGB, as `candid.data.images.decode` gives them by
                ``contract``; s is its ``size_px``.
            explain: Whether to say what each answer rests on.

        Returns:
            A prediction for each, with an empty ``source``.

        Raises:
            UsageError: They are of another type or shape.
        """
        size = self.contract.size_px
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            raise UsageError(
                f"pixels are expected as uint8 (n, {size}, {size}, 3) in RGB order, 0 to 255. "
                f"Received: {pixels.dtype} {pixels.shape}."
            )
        return list(self._answer(pixels, self.model, explain)) if len(pixels) else []

    def stream(self, sources: Iterable[Source], *, explain: bool = False) -> Iterator[Prediction]:
        """Predict one image after the other, with a bounded number in memory.

        Each thread reads, decodes and answers a few images, so that every core is at work; a single
        image's layers are shared by ``num_threads``. Sources are taken in the thread of the caller.
        """
        rest = iter(sources)
        chunks = iter(lambda: list(islice(rest, AT_ONCE)), [])
        first = list(islice(chunks, 2))
        if len(first) < 2:
            for chunk in first:
                yield from self._predict_some(chunk, model=self.model, explain=explain)
            return
        work = partial(self._predict_some, model=self.model.one_threaded, explain=explain)
        num_ahead = num_cores() + _CHUNKS_WAITING
        for predictions in map_ahead(work, chain(first, chunks), num_ahead=num_ahead):
            yield from predictions

    def require_manifest(self) -> Manifest:
        """The manifest of the run that it was loaded from.

        Raises:
            UsageError: It was not loaded from a run.
        """
        if self.manifest is None:
            raise UsageError("this classifier is of no run; load one with `candid.load`.")
        return self.manifest

    def prepare_to_explain(self) -> None:
        """Keep what explanations need for all classifiers that are made from this one."""
        self._explainer.prepare()

    def check_golden(self, file: Path) -> None:
        """Hold the model against the answers that it gave when it was written.

        Raises:
            ArtifactError: It answers otherwise by more than 1e-3, or the file can't be read.
        """
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as golden:
                pixels, expected = golden["image"], golden["probabilities"]
            difference = float(np.abs(self.model.run(pixels).probabilities - expected).max())
        # zipfile, zlib and ONNX Runtime each have types of their own for a file that is not ours.
        except Exception as error:
            raise ArtifactError(
                f"{file} can't be read ({first_line(error)}); train again."
            ) from error
        if not difference <= GOLDEN_TOLERANCE:
            raise ArtifactError(
                f"the model answers otherwise than when it was written, by {difference:.2g} "
                f"where {GOLDEN_TOLERANCE} is allowed; try another version of onnxruntime."
            )

    def _predict_some(
        self, sources: Sequence[Source], *, model: Model, explain: bool
    ) -> list[Prediction]:
        pictures = [self._read(source) for source in sources]
        good = [picture for picture in pictures if not isinstance(picture, ImageError)]
        answers = iter(self._answer(np.stack(good), model, explain) if good else ())
        return [
            Prediction(_name(source), None, None, {}, str(picture))
            if isinstance(picture, ImageError)
            else replace(next(answers), source=_name(source))
            for source, picture in zip(sources, pictures, strict=True)
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

    def _answer(
        self, pixels: NDArray[np.uint8], model: Model, explain: bool
    ) -> Iterator[Prediction]:
        outputs = model.run(pixels, with_heatmap=explain)
        chosen = self.rule.decide(outputs.probabilities, self.classes)
        judged = self._judge(outputs, chosen)
        explanations: Sequence[Explanation | None] = [None] * len(pixels)
        if explain:
            explanations = self._explainer.explain(pixels, outputs, chosen, run=model.run)
        for place, number in enumerate(chosen):
            by_class = dict(
                zip(self.classes, map(float, outputs.probabilities[place]), strict=True)
            )
            label = self.classes[number]
            shown = by_class[self.classes[1] if len(self.classes) == 2 else label]
            yield Prediction(
                "", label, shown, by_class, explanation=explanations[place], **judged[place]
            )

    @cached_property
    def _explainer(self) -> Explainer:
        from candid.runs.explaining.explain import Explainer  # predicting does not need it

        return Explainer(self.run_folder)

    def _judge(self, outputs: Outputs, chosen: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Verdict, possible classes and familiarity of each image, as `Prediction` names them."""
        if self.abstention is None or outputs.novelty is None:
            return [{}] * len(chosen)
        possible = self.abstention.possible(outputs.probabilities)
        familiarity = self.abstention.familiarity(outputs.novelty)
        verdicts = self.abstention.verdicts(possible, familiarity, chosen)
        return [
            {
                "verdict": verdict,
                "possible": tuple(np.array(self.classes, object)[row]),
                "familiarity": float(share),
            }
            for verdict, row, share in zip(verdicts, possible, familiarity, strict=True)
        ]


def load(folder: str | Path = "runs/latest", *, num_threads: int | None = None) -> Classifier:
    """Load a run.

    Args:
        folder: What ``candid train`` wrote.
        num_threads: That share the layers of a single image; by default as many as there are cores.
            Of several images, each core takes some, whatever this is. With 1, several threads may
            well call it at once.

    Returns:
        The classifier.

    Raises:
        ArtifactError: It is no run, of another version, or not as it was written.
    """
    run = find_run(folder)
    manifest = read_manifest(run)
    try:
        rule = DecisionRule.from_json(to_json(manifest.rule))
        rule.require_fits(manifest.classes)
        known = to_json(manifest.abstention)
        abstention = known and Abstention.from_json(known, len(manifest.classes))
    except (LookupError, TypeError, ValueError, OverflowError, UsageError) as error:
        raise ArtifactError(f"{run}/candid.json is incomplete: {error!r}; train again.") from error
    classifier = Classifier(
        (run / MODEL).read_bytes(),
        manifest.classes,
        PixelContract(manifest.pixels.size_px, manifest.pixels.fit),
        rule=rule,
        abstention=abstention,
        num_threads=num_threads,
    )
    classifier.manifest = manifest
    classifier.run_folder = run
    return classifier


def _name(source: Source) -> str:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
