"""A trained classifier: images → `Prediction`, on ONNX Runtime alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, overload

import numpy as np
from numpy.typing import NDArray

from candid.core.notebook import card
from candid.core.safe_json import to_json
from candid.core.text import brief, first_line, join_names
from candid.data.images import PixelContract, Reading
from candid.data.images.contract import fit_square
from candid.data.images.preview import thumbnail
from candid.engines import Engine, Local
from candid.engines.engine import Work
from candid.errors import ArtifactError, UsageError
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.models.outputs import Outputs
from candid.runs.artifact import MODEL, find_run, read_manifest
from candid.runs.manifest import Manifest
from candid.runs.onnx_session import Model
from candid.runs.prediction import Prediction, blank_reason
from candid.runs.source import Photo, Source, fetched_ahead, files_of, is_several, take

if TYPE_CHECKING:
    from candid.runs.explaining import Explanation
    from candid.runs.explaining.explain import Explainer, Similar

#: Largest difference between the probabilities of a model on two machines.
GOLDEN_TOLERANCE: Final = 1e-3


class Classifier:
    """A trained classifier.

    Attributes:
        classes: Names of the classes, in alphabetical order.
        contract: How bytes become pixels.
        rule: How a class is chosen; by default the most probable one.
        model: The graph, for raw `Outputs` of pixels.
        abstention: When it abstains; None if it can't.
        run_folder: The run that it was loaded from, or None.
        manifest: The manifest of that run, or None.

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
        """Create the runtime's session for a graph as `candid.models.outputs.Trained` has it.

        Raises:
            ArtifactError: The graph does not load, or does not fit the classes or the contract.
        """
        self.classes = tuple(classes)
        self.contract = contract
        self.rule = rule or DecisionRule()
        self.model = Model(model, classes, contract, num_threads=num_threads)
        self.abstention = abstention if self.model.has_novelty else None
        self.run_folder: Path | None = None
        self.manifest: Manifest | None = None
        self._num_threads = num_threads

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, and copy, by the run's folder and what was changed since it was loaded.

        Raises:
            UsageError: It was not loaded from a run.
        """
        model = self.require_manifest().files[MODEL]
        changed = {name: getattr(self, name) for name in ("contract", "rule", "abstention")}
        from candid.runs.reloading import load_again

        return load_again, (str(self.run_folder), model, self._num_threads, changed)

    def __repr__(self) -> str:
        return brief("Classifier", *(f"{name}: {value}" for name, value in self._described()))

    def _repr_html_(self) -> str:
        """Its classes, and where it is from, for a notebook."""
        return card("Classifier", self._described())

    def _described(self) -> list[tuple[str, str]]:
        classes = f"{len(self.classes)} ({join_names(self.classes)})"
        pixels = f"{self.contract.size_px}×{self.contract.size_px}, {self.contract.fit}"
        rows = [("classes", classes), ("pixels", pixels)]
        return rows if self.run_folder is None else [*rows, ("run", str(self.run_folder))]

    @property
    def threshold(self) -> float:
        """With two classes: the second one is chosen if ``positive_probability`` is above this."""
        return self.rule.threshold

    def with_threshold(self, threshold: float) -> Self:
        """A copy with another threshold, 0 to 1, for the second of two classes.

        Raises:
            UsageError: There are more than two classes, or the threshold is out of range.
        """
        if len(self.classes) != 2:
            raise UsageError(
                f"a threshold is for two classes; this model has {len(self.classes)}: "
                f"{', '.join(self.classes)}."
            )
        return self.with_rule(DecisionRule(threshold))

    def with_rule(self, rule: DecisionRule) -> Self:
        """A copy with another decision rule.

        Raises:
            UsageError: The rule does not fit the classes.
        """
        rule.require_fits(self.classes)
        return self._with(rule=rule)

    def with_coverage(self, coverage: float) -> Self:
        """A copy whose prediction sets hold the true class with another frequency.

        Args:
            coverage: That frequency, between 0 and 1.

        Raises:
            UsageError: It is out of range, or this classifier can't abstain.
        """
        if self.abstention is None:
            raise UsageError(
                "this model has no prediction sets: too few photos were held out when it was "
                "trained. Train again on more photos."
            )
        return self._with(abstention=self.abstention.with_coverage(coverage))

    def with_reading(self, reading: Reading) -> Self:
        """A copy that reads files in another way: another page, other bands, another range."""
        size_px, fit = self.contract.size_px, self.contract.fit
        return self._with(contract=PixelContract.of(reading, size_px, fit))

    def _with(self, **changed: object) -> Self:
        other = object.__new__(type(self))  # the session is shared: it is never changed
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
        """Predict one or several images.

        Args:
            source: A path; a file's bytes (bytes, bytearray or memoryview); an open binary file; an
                image of Pillow's; or uint8 ``(h, w)``, ``(h, w, 1)`` or ``(h, w, 3)`` RGB (not
                OpenCV's BGR) of any size. Or a list of those, or a folder: all files in it.
            explain: Whether to add explanations.

        Returns:
            A prediction, or a list; for an unreadable image it has a reason and no label.

        Raises:
            UsageError: The source is of another type or form, or a folder without files.
        """
        several = source if is_several(source) else files_of(source)
        if several is None:
            return next(self.stream([source], explain=explain))  # type: ignore[list-item]
        return list(self.stream(several, explain=explain))

    def predict_pixels(
        self, pixels: NDArray[np.uint8], *, explain: bool = False
    ) -> list[Prediction]:
        """Predict decoded images, in the thread of the caller.

        Args:
            pixels: uint8 ``(n, s, s, 3)`` RGB from `candid.data.images.decode`, where s is the
                contract's ``size_px``.
            explain: Whether to add explanations.

        Returns:
            One prediction per image, with an empty ``source``.

        Raises:
            UsageError: The pixels have another dtype or shape.
        """
        size = self.contract.size_px
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            raise UsageError(
                f"pixels are expected as uint8 (n, {size}, {size}, 3) in RGB order, 0 to 255. "
                f"Received: {pixels.dtype} {pixels.shape}."
            )
        return list(self._predict_pixels(pixels, self.model, explain)) if len(pixels) else []

    def stream(
        self, sources: Iterable[Source], *, explain: bool = False, engine: Engine | None = None
    ) -> Iterator[Prediction]:
        """Predict images lazily and in order, with a bounded number in memory.

        Each core reads, decodes and predicts one image with one thread; a single image uses
        ``num_threads``. Sources are consumed in the thread of the caller.

        Args:
            sources: As `predict` takes them.
            explain: Whether to add explanations.
            engine: Where several images are read and predicted, see `candid.engines.open_engine`;
                by default in this process.

        Raises:
            UsageError: A source is of a type or form that `predict` does not take; or explanations
                are asked for elsewhere.
        """
        photos = map(take, sources)
        first = list(islice(photos, 2))
        if explain and not isinstance(engine, Local | None):
            raise UsageError(
                "photos are explained on this machine only, as this looks up the training photos. "
                "Leave out --explain, or use --engine local."
            )
        work: Work[Prediction]
        if len(first) < 2:
            engine, work = Local(), partial(self.answer, model=self.model, explain=explain)
        elif isinstance(engine, Local | None):
            work = partial(self.answer, model=self.model.one_threaded, explain=explain)
        else:
            from candid.runs.elsewhere import Elsewhere

            work = Elsewhere.of(self)
        rest: Iterable[Photo] = chain(first, photos)
        if isinstance(engine, Local | None):
            rest = fetched_ahead(rest, first)
        for row in (engine or Local()).map(work, rest):
            yield row.value or Prediction.unreadable(row.key, row.reason)

    def require_manifest(self) -> Manifest:
        """The manifest; raises UsageError if the classifier was not loaded from a run."""
        if self.manifest is None:
            raise UsageError("this classifier is not from a run; use `candid.load`.")
        return self.manifest

    def prepare_to_explain(self, *, similar: bool = True) -> None:
        """Load what explanations need, for all later copies; `similar`: name training photos."""
        self._explainer.prepare(similar=similar)

    def similar_to(self, pixels: NDArray[np.uint8], *, count: int) -> Sequence[tuple[Similar, ...]]:
        """The photos of the run that look most like each image, uint8 ``(n, s, s, 3)`` RGB."""
        return self._explainer.similar(self.model.run(pixels).embedding, count)

    def check_golden(self, file: Path) -> None:
        """Compare the model's probabilities with those stored when the run was written.

        Raises:
            ArtifactError: They differ by more than 1e-3, or the file can't be read.
        """
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as golden:
                pixels, expected = golden["image"], golden["probabilities"]
            difference = float(np.abs(self.model.run(pixels).probabilities - expected).max())
        # zipfile, zlib and ONNX Runtime each raise errors of their own for foreign files.
        except Exception as error:
            raise ArtifactError(
                f"{file} can't be read ({first_line(error)}); train again."
            ) from error
        if not difference <= GOLDEN_TOLERANCE:
            raise ArtifactError(
                f"the model's probabilities differ from the stored ones by {difference:.2g}, at "
                f"most {GOLDEN_TOLERANCE} is allowed; try another version of onnxruntime."
            )

    def answer(self, name: str, content: Any, model: Model, explain: bool) -> Prediction:
        """Predict what `Photo` holds by one of the model's sessions.

        Raises:
            ImageError: It can't be decoded.
        """
        pixels = Photo(name, content).read(self.contract)
        square = fit_square(pixels, self.contract.size_px, self.contract.fit)
        is_squashed = self.contract.fit == "squash"
        picture = thumbnail(square, pixels.shape[:2] if is_squashed else square.shape[:2])
        (prediction,) = self._predict_pixels(square[None], model, explain)
        return prediction.of(name, picture)

    def _predict_pixels(
        self, pixels: NDArray[np.uint8], model: Model, explain: bool
    ) -> Iterator[Prediction]:
        outputs = model.run(pixels, with_heatmap=explain)
        chosen = self.rule.decide(outputs.probabilities, self.classes)
        verdicts = self._verdicts(outputs, chosen)
        explanations: Sequence[Explanation | None] = [None] * len(pixels)
        if explain:
            explanations = self._explainer.explain(pixels, outputs, chosen, run=model.run)
        for place, number in enumerate(chosen):
            by_class = dict(
                zip(self.classes, map(float, outputs.probabilities[place]), strict=True)
            )
            label, reason = self.classes[number], blank_reason(pixels[place])
            judged = {**verdicts[place], **({"verdict": "unknown"} if reason else {})}
            yield Prediction(
                "",
                label,
                by_class[label],
                by_class,
                reason,
                explanation=explanations[place],
                **judged,
            )

    @cached_property
    def _explainer(self) -> Explainer:
        from candid.runs.explaining.explain import Explainer  # not needed to predict

        return Explainer(self.run_folder)

    def _verdicts(self, outputs: Outputs, chosen: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Verdict, prediction set and familiarity of each image, as fields of `Prediction`."""
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
        folder: A folder written by ``candid train``.
        num_threads: Threads for a single image; by default one per core. Several images are always
            spread over the cores. Use 1 to call the classifier from several threads.

    Raises:
        ArtifactError: The folder is not a run, is of another version, or was changed.
    """
    run = find_run(folder)
    manifest = read_manifest(run)
    try:
        rule = DecisionRule.from_json(to_json(manifest.rule))
        rule.require_fits(manifest.classes)
        values = to_json(manifest.abstention)
        abstention = values and Abstention.from_json(values, len(manifest.classes))
        contract = manifest.pixels.contract()
    except (LookupError, TypeError, ValueError, OverflowError, UsageError) as error:
        raise ArtifactError(f"{run}/candid.json is incomplete: {error!r}; train again.") from error
    classifier = Classifier(
        (run / MODEL).read_bytes(),
        manifest.classes,
        contract,
        rule=rule,
        abstention=abstention,
        num_threads=num_threads,
    )
    classifier.manifest = manifest
    # Of a link, the run that it leads to now: `latest` may lead to another one later.
    classifier.run_folder = run.resolve()
    return classifier
