"""The parity gate: does an export, in its own runtime, give the same answers as its run?

It is asked about the same pixels and, if it decodes photos itself, about photo files: there a
large JPEG may differ by a few levels, and a file may be of a kind that it does not read, so both
are reported. What it must read and answer alike is drawn: `candid.exporting.own_reading`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Advance
from candid.core.text import plural, plural_are, sanitize
from candid.data.images import read_file
from candid.data.location import PhotoFile, name_of
from candid.errors import ImageError, ParityError
from candid.exporting.format import Answers, Format, Runner, Tolerance
from candid.exporting.samples import Batch
from candid.runs.classifier import Classifier

#: The usual share of equal labels where only the decoder differs; below, there is a note.
_USUAL_AGREEMENT: Final = 0.99


@dataclass(frozen=True)
class DecodedParity:
    """Answers of an export that decodes photos itself, compared with the run's."""

    num_images: int  # number of photos that both could read
    num_same_label: int  # how many of them have the same label
    num_same_answer: int  # how many of them have the same answer, such as ``uncertain: …``
    num_unreadable: int  # number of photos that the export can't read
    probability: float  # largest difference of a probability
    unreadable: str = ""  # one of those that the run reads, and why not

    @property
    def label_agreement(self) -> float | None:
        """Share of equal labels, 0 to 1; None if no photo was compared."""
        return self.num_same_label / self.num_images if self.num_images else None

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user: photos not read, or fewer equal labels than usual."""
        notes = []
        if self.num_unreadable:
            example = f", such as {self.unreadable}" if self.unreadable else ""
            what = plural_are(self.num_unreadable, "photo")
            notes.append(f"{what} not read by the browser{example}")
        if self.label_agreement is None:
            notes.append("no photo was compared as decoded by the browser")
        elif self.label_agreement < _USUAL_AGREEMENT:
            notes.append(
                f"only {self.num_same_label} of {plural(self.num_images, 'label')} agree on photos "
                f"decoded by the browser; usual: {_USUAL_AGREEMENT:.0%} or more"
            )
        return tuple(notes)

    def to_lines(self) -> list[str]:
        """Lines for a terminal, below those of `Parity`."""
        figures = "no photo was compared"
        if self.label_agreement is not None:
            figures = (
                f"labels agree {self.num_same_label} of {self.num_images} "
                f"({self.label_agreement:.1%}; a probability differs by up to "
                f"{self.probability:.2g})"
            )
        lines = [f"  decoded by the browser, {figures}"]
        if self.num_unreadable:
            lines.append(f"  not read by the browser              {self.num_unreadable}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "num_images": self.num_images,
            "num_same_label": self.num_same_label,
            "label_agreement": self.label_agreement,
            "num_same_answer": self.num_same_answer,
            "num_unreadable": self.num_unreadable,
            "largest_probability_difference": self.probability,
        }


@dataclass(frozen=True)
class Parity:
    """An export's answers compared with its run's.

    Attributes:
        runtime: The runtime and its version.
        num_images: Number of images compared.
        num_same_label: How many of them have the same label, by the run's decision rule.
        probability: Largest difference of a probability.
        novelty: Largest difference of a novelty; None if the run has none.
        tolerance: The allowed differences.
        notes: Notes for the user on the runtime.
        decoded: The same for photos that the export decoded itself; None if it takes pixels.
    """

    runtime: str
    num_images: int
    num_same_label: int
    probability: float
    novelty: float | None
    tolerance: Tolerance
    notes: tuple[str, ...] = ()
    decoded: DecodedParity | None = None

    @property
    def holds(self) -> bool:
        """Whether every label agrees and no difference exceeds the tolerance; NaN does."""
        near = self.probability <= self.tolerance.probability
        known = self.novelty is None or self.novelty <= self.tolerance.novelty
        return self.num_images > 0 and self.num_same_label == self.num_images and near and known

    def to_text(self) -> str:
        """Lines for a terminal."""
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
    """Compare an export, loaded by its own runtime, with its run on the same pixels.

    Raises:
        ParityError: The names or shapes of its outputs differ from the run's.
    """
    num_images, num_same = 0, 0
    probability, novelty = [0.0], [0.0]
    has_novelty = False
    rule, classes = classifier.rule, classifier.classes
    for batch in batches:
        answers, expected = run(batch.pixels), batch.expected.probabilities
        found = _output(form, answers, "probabilities", expected)
        num_images += len(found)
        num_same += int((rule.decide(found, classes) == rule.decide(expected, classes)).sum())
        probability.append(_largest_difference(found, expected))
        if batch.expected.novelty is not None:
            has_novelty = True
            found = _output(form, answers, "novelty", batch.expected.novelty)
            novelty.append(_largest_difference(found, batch.expected.novelty))
        advance(len(found))
    return Parity(
        form.versioned_runtime,
        num_images,
        num_same,
        float(np.max(probability)),  # unlike Python's max, NumPy's keeps NaN
        float(np.max(novelty)) if has_novelty else None,
        form.tolerance,
    )


def require_parity(form: Format, parity: Parity) -> None:
    """Refuse an export that does not answer as its run does.

    Raises:
        ParityError: A label differs, or a difference exceeds the tolerance.
    """
    if parity.holds:
        return
    allowed = parity.tolerance
    received = [
        f"{parity.num_same_label} of {plural(parity.num_images, 'label')} agree (all have to)",
        f"a probability differs by {parity.probability:.1e} (allowed: {allowed.probability:.0e})",
    ]
    if parity.novelty is not None:
        received.append(f"a novelty by {parity.novelty:.1e} (allowed: {allowed.novelty:.0e})")
    raise ParityError(
        f"the export to {form.title} does not give the run's answers in {parity.runtime}: "
        f"{'; '.join(received)}. It was removed; try another version of {form.runtime_package}, or "
        "another format."
    )


def _output(
    form: Format, answers: Answers, name: str, expected: NDArray[np.float32]
) -> NDArray[np.float32]:
    found = answers.get(name)
    if found is None or found.shape != expected.shape:
        received = "no such output" if found is None else f"shape {found.shape}"
        raise ParityError(
            f"the export to {form.title} does not give the run's outputs: expected {name} of shape "
            f"{expected.shape}, received {received}. It was removed; try another format."
        )
    return found


def _largest_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float(np.abs(found.astype(np.float64) - expected).max())


def compare_decoded(
    predict_photo: Callable[[bytes], Mapping[str, Any]],
    classifier: Classifier,
    photos: Sequence[PhotoFile],
    advance: Advance = lambda _: None,
) -> DecodedParity:
    """Compare an export that decodes photos itself with its run, on files that the run can read."""
    images, labels, answers, unreadable, largest, example = 0, 0, 0, 0, 0.0, ""
    for file in photos:
        try:
            data = read_file(file)
        except ImageError:  # removed since it was found
            continue
        expected, received = classifier.predict(data), predict_photo(data)
        advance(1)
        if received["label"] is None:
            if expected.label is not None and not example:
                example = f"{sanitize(name_of(file))}: {sanitize(str(received.get('reason')))}"
            unreadable += 1
            continue
        images += 1
        labels += received["label"] == expected.label
        answers += (received["answer"], received["verdict"]) == (expected.answer, expected.verdict)
        shares = expected.probabilities.items()
        largest = max(largest, *(abs(received["probabilities"][name] - s) for name, s in shares))
    return DecodedParity(images, labels, answers, unreadable, largest, example)
