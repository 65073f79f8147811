"""How an export answers to photos that it decodes itself: decoders differ by a level or two.

Images to compare an export with its run on, and what the run says of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.hashing import hash_bytes
from candid.core.progress import Advance
from candid.core.text import plural, plural_are, sanitize
from candid.data.images import decode, identify, read_file
from candid.errors import ArtifactError, ImageError, ParityError
from candid.models.outputs import Outputs
from candid.runs.artifact import GOLDEN
from candid.runs.classifier import Classifier
from candid.splits.split import Row, Split

#: Of a larger test part, so many images are compared, spread evenly over its list.
MOST_IMAGES: Final = 300
_BATCH: Final = 16  # decoded pictures in memory


@dataclass(frozen=True)
class Batch:
    """Images and what the run says of them.

    Attributes:
        pixels: uint8 ``(n, s, s, 3)`` RGB, n from 1.
        expected: The run's answers.
    """

    pixels: NDArray[np.uint8]
    expected: Outputs


def read_golden(folder: Path) -> Batch:
    """Read the images and answers that a run keeps.

    Args:
        folder: The run's.

    Raises:
        ArtifactError: The file can't be read.
    """
    file = folder / GOLDEN
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as golden:
            novelty = golden.get("novelty")
            expected = Outputs(golden["probabilities"], golden["embedding"], novelty)
            return Batch(golden["image"], expected)
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{file} can't be read ({error}); train again.") from error


@dataclass(frozen=True)
class Photos:
    """Photos of a run, where they are still as they were.

    Attributes:
        files: Where they lie.
        notes: What a person should know, such as photos that are gone.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]

    def batches(self, classifier: Classifier) -> Iterator[Batch]:
        """Decode them and ask the run's own model, a few at a time."""
        for start in range(0, len(self.files), _BATCH):
            pictures = []
            for file in self.files[start : start + _BATCH]:
                try:
                    pictures.append(decode(read_file(file), classifier.contract))
                except ImageError:  # gone since it was looked at
                    continue
            if pictures:
                pixels = np.stack(pictures)
                yield Batch(pixels, classifier.model.run(pixels))


def find_photos(
    folder: Path, dealt: Split, parts: Sequence[str] = ("test",), most: int | None = MOST_IMAGES
) -> Photos:
    """Find a run's photos in its data folder; the others are not looked at.

    Args:
        folder: The data folder; it may be gone.
        dealt: Where each photo went.
        parts: The parts that are wanted.
        most: The most photos, spread evenly over the list; None for all.

    Returns:
        Those whose bytes are what they were.
    """
    rows = [row for row in dealt.rows if row.part in parts]
    if most is not None and len(rows) > most:
        kept = np.linspace(0, len(rows) - 1, most).round().astype(np.int64)
        rows = [rows[place] for place in kept]
    if not folder.is_dir():
        gone = f"the photos of the run are not at {folder} any more: the test part is not compared"
        return Photos((), (gone,))
    found = tuple(file for row in rows if (file := _unchanged(folder, row)) is not None)
    missing = len(rows) - len(found)
    notes = (f"{plural_are(missing, 'photo')} gone or changed, and not compared",) * bool(missing)
    return Photos(found, notes)


def _unchanged(folder: Path, row: Row) -> Path | None:
    file = folder / row.path
    try:
        same = hash_bytes(read_file(file)) == row.content
    except (ImageError, OSError):
        return None
    return file if same else None


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
            told.append(f"{plural_are(self.num_unreadable, 'photo')} not read by the browser")
        if self.label_agreement is None:
            told.append("no photo was compared where the export decodes photos itself")
        elif self.label_agreement < WANTED:
            told.append(
                f"only {self.num_same_label} of {plural(self.num_images, 'label')} agree where the "
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
        f"the export does not read {sanitize(file.name)} in the browser, a {name} that the run "
        f"reads: {sanitize(reason)}. Expected: every {' and '.join(_READ_BY_ALL)} that the run "
        "reads. It was removed; try another browser, or save that photo anew and train again."
    )


def spread(photos: Sequence[Path]) -> tuple[Path, ...]:
    """At most `MOST_DECODED` of some photos, spread evenly over their list."""
    most = min(len(photos), MOST_DECODED)
    return tuple(photos[number * len(photos) // most] for number in range(most))
