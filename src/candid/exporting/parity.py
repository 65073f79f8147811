"""Whether an export answers as its run does, in its own runtime."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Advance
from candid.core.text import plural
from candid.errors import ParityError
from candid.exporting.format import Answers, Format, Runner, Tolerance, name_runtime
from candid.exporting.samples import Batch, Decoded
from candid.models.outputs import Outputs
from candid.runs.classifier import Classifier


@dataclass(frozen=True)
class Parity:
    """How near an export comes to its run.

    Attributes:
        runtime: What ran it, with its version.
        num_images: On how many images.
        num_same_label: On how many of them the decision rule chose the same class.
        probability: The largest difference of a probability.
        novelty: The largest difference of a novelty; None where the run tells none.
        tolerance: What is allowed.
        notes: What a person should know of the runtime.
        decoded: The answers to photos that the export decoded itself; None where it takes pixels.
    """

    runtime: str
    num_images: int
    num_same_label: int
    probability: float
    novelty: float | None
    tolerance: Tolerance
    notes: tuple[str, ...] = ()
    decoded: Decoded | None = None

    @property
    def holds(self) -> bool:
        """Whether every label agrees and no difference is past the tolerance; NaN is."""
        near = self.probability <= self.tolerance.probability
        known = self.novelty is None or self.novelty <= self.tolerance.novelty
        return self.num_images > 0 and self.num_same_label == self.num_images and near and known

    def to_text(self) -> str:
        """For a terminal."""
        share = f"{self.num_same_label / max(self.num_images, 1):.1%}".replace(".0%", "%")
        allowed = self.tolerance
        lines = [
            f"Compared with the run on {plural(self.num_images, 'image')}, in {self.runtime}:",
            f"  labels that agree                    {self.num_same_label} of {self.num_images} "
            f"({share})",
            f"  largest difference of a probability  {self.probability:.1e} "
            f"(allowed: {allowed.probability:.0e})",
        ]
        if self.novelty is not None:
            lines.append(
                f"  largest difference of a novelty      {self.novelty:.1e} "
                f"(allowed: {allowed.novelty:.0e})"
            )
        lines += [] if self.decoded is None else self.decoded.to_lines()
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        values = {
            "runtime": self.runtime,
            "num_images": self.num_images,
            "num_same_label": self.num_same_label,
            "label_agreement": self.num_same_label / self.num_images if self.num_images else None,
            "largest_probability_difference": self.probability,
            "largest_novelty_difference": self.novelty,
            "allowed_probability_difference": self.tolerance.probability,
            "allowed_novelty_difference": self.tolerance.novelty,
        }
        if self.notes:
            values["notes"] = list(self.notes)
        if self.decoded is not None:
            values["decoded_by_browser"] = self.decoded.to_json()
        return values


def compare(
    form: Format,
    run: Runner,
    classifier: Classifier,
    batches: Iterable[Batch],
    advance: Advance = lambda _: None,
) -> Parity:
    """Hold an export against its run.

    Args:
        form: Its format.
        run: The export, loaded by its own runtime.
        classifier: The run: its classes and its decision rule.
        batches: Images, and what the run says of them.
        advance: Called with the number of images just compared.

    Returns:
        The figures, whether or not they hold.

    Raises:
        ParityError: Its outputs have not the names or the shapes of the run's.
    """
    num_images, num_same = 0, 0
    probability, novelty = [0.0], [0.0]
    has_novelty = False
    for batch in batches:
        answers = run(batch.pixels)
        probabilities = _take(form, answers, "probabilities", batch.expected.probabilities)
        num_images += len(probabilities)
        num_same += _count_same(classifier, batch.expected, probabilities)
        probability.append(_largest(probabilities, batch.expected.probabilities))
        if batch.expected.novelty is not None:
            has_novelty = True
            found = _take(form, answers, "novelty", batch.expected.novelty)
            novelty.append(_largest(found, batch.expected.novelty))
        advance(len(probabilities))
    return Parity(
        name_runtime(form),
        num_images,
        num_same,
        float(np.max(probability)),
        float(np.max(novelty)) if has_novelty else None,
        form.tolerance,
    )


def require_parity(form: Format, parity: Parity) -> None:
    """Refuse an export that does not answer as its run does.

    Raises:
        ParityError: A label or a figure is past what is allowed.
    """
    if parity.holds:
        return
    told = [f"{parity.num_same_label} of {plural(parity.num_images, 'label')} agree (all have to)"]
    allowed = parity.tolerance
    told.append(f"a probability differs by {parity.probability:.1e} ({allowed.probability:.0e})")
    if parity.novelty is not None:
        told.append(f"a novelty by {parity.novelty:.1e} ({allowed.novelty:.0e} is allowed)")
    raise ParityError(
        f"the export to {form.title} does not answer as the run does in {parity.runtime}: "
        f"{'; '.join(told)}. It was removed; try another version of {form.runtime_package}, or "
        "another format."
    )


def _take(
    form: Format, answers: Answers, name: str, expected: NDArray[np.float32]
) -> NDArray[np.float32]:
    found = answers.get(name)
    if found is None or found.shape != expected.shape:
        received = "no such output" if found is None else f"shape {found.shape}"
        raise ParityError(
            f"the export to {form.title} does not answer as the run does: expected {name} of shape "
            f"{expected.shape}, received {received}. It was removed."
        )
    return found


def _count_same(
    classifier: Classifier, expected: Outputs, probabilities: NDArray[np.float32]
) -> int:
    rule, classes = classifier.rule, classifier.classes
    same = rule.decide(probabilities, classes) == rule.decide(expected.probabilities, classes)
    return int(same.sum())


def _largest(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found.astype(np.float64) - expected).max())
