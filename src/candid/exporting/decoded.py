"""How an export answers to photos that it decodes itself: decoders differ by a level or two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from candid.classifier import Classifier
from candid.errors import ImageError, ParityError
from candid.images import identify, read_file
from candid.progress import Advance
from candid.showable import show_text
from candid.wording import count, count_are

#: Of more photos, so many are compared, spread evenly over their list: a browser is slow.
MOST_DECODED: Final = 100
#: So many labels agree at least, where nothing but the decoder differs.
WANTED: Final = 0.99
#: Every browser reads these. TIFF, HEIC and AVIF only some do.
_READ_BY_ALL: Final = ("JPEG", "PNG")
#: How app/pixels.js begins to say that a side is longer than a canvas.
_TOO_LARGE: Final = "too large: "


@dataclass(frozen=True)
class Decoded:
    """Answers to photos' files beside the run's.

    Attributes:
        num_images: Photos that both could read.
        num_same_label: On how many of them the same class was chosen.
        num_same_answer: On how many the words of the answer are the same too.
        num_unreadable: Photos that the export could not read, in formats that it does not know.
        probability: The largest difference of a probability.
    """

    num_images: int
    num_same_label: int
    num_same_answer: int
    num_unreadable: int
    probability: float

    @property
    def label_agreement(self) -> float | None:
        """The share of labels that agree, 0 to 1; None where no photo could be compared."""
        return self.num_same_label / self.num_images if self.num_images else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know: photos not read, or fewer equal labels than usual."""
        told = []
        if self.num_unreadable:
            told.append(f"{count_are(self.num_unreadable, 'photo')} not read by the browser")
        if self.label_agreement is None:
            told.append("no photo was compared where the export decodes photos itself")
        elif self.label_agreement < WANTED:
            told.append(
                f"only {self.num_same_label} of {count(self.num_images, 'label')} agree where the "
                f"export decodes photos itself; {WANTED:.0%} are usual"
            )
        return tuple(told)

    def to_lines(self) -> list[str]:
        """For a terminal, below the figures of `candid.exporting.parity.Parity`."""
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


def compare_decoded(
    ask: Callable[[bytes], Mapping[str, Any]],
    classifier: Classifier,
    photos: Sequence[Path],
    advance: Advance = lambda _: None,
) -> Decoded:
    """Ask an export and its run about photos' files.

    Args:
        ask: The export: from a file's bytes to the JSON of a prediction.
        classifier: The run.
        photos: Files that the run can read.
        advance: Called with the number of photos just compared.

    Raises:
        ParityError: The export refuses a JPEG or a PNG that the run reads.
    """
    images, labels, answers, unreadable, largest = 0, 0, 0, 0, 0.0
    for file in photos:
        try:
            data = read_file(file)
        except ImageError:  # gone since it was looked at
            continue
        expected, received = classifier.predict(data), ask(data)
        advance(1)
        if received["label"] is None:
            if expected.label is not None:
                _require_foreign(file, data, str(received.get("reason") or "it gave no reason"))
            unreadable += 1
            continue
        images += 1
        labels += received["label"] == expected.label
        answers += received["answer"] == expected.answer
        shares = expected.probabilities.items()
        largest = max(largest, *(abs(received["probabilities"][name] - s) for name, s in shares))
    return Decoded(images, labels, answers, unreadable, largest)


def _require_foreign(file: Path, data: bytes, reason: str) -> None:
    """Refuse an export that does not read what every browser reads, up to the size of a canvas."""
    name = identify(data)
    if name not in _READ_BY_ALL or reason.startswith(_TOO_LARGE):
        return
    raise ParityError(
        f"the export does not read {show_text(file.name)} in the browser, a {name} that the run "
        f"reads: {show_text(reason)}. Expected: every {' and '.join(_READ_BY_ALL)} that the run "
        "reads. It was removed; try another browser, or save that photo anew and train again."
    )


def spread(photos: Sequence[Path]) -> tuple[Path, ...]:
    """At most `MOST_DECODED` of some photos, spread evenly over their list."""
    most = min(len(photos), MOST_DECODED)
    return tuple(photos[number * len(photos) // most] for number in range(most))
