"""Photos that are stored turned, with a note in EXIF of how to turn them back."""

from __future__ import annotations

from candid.auditing.each_photo import UNMEASURED, measured, mostly_in
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.wording import count_are

# EXIF 2.32, tag 274.
_STORED = {
    2: "mirrored",
    3: "upside down",
    4: "upside down and mirrored",
    5: "on its side and mirrored",
    6: "on its side",
    7: "on its side and mirrored",
    8: "on its side",
}


def run(evidence: Evidence) -> Outcome:
    """Name the photos that other programs may see turned."""
    orientations = {place: properties.orientation for place, properties in measured(evidence)}
    if not orientations:
        return Outcome.not_applicable(UNMEASURED)
    places = [place for place, orientation in orientations.items() if orientation in _STORED]
    if not places:
        return Outcome.clean()
    items = []
    for place in places:
        note = f"stored {_STORED[orientations[place]]} (orientation {orientations[place]})"
        items.append(Item(evidence.photos[place].path, note))
    summary = f"{count_are(len(places), 'photo')} turned by EXIF{mostly_in(evidence, places)}"
    return Outcome.found(summary, [Finding.of(items, "turned by EXIF")])


# Tried with Keras 3 on TensorFlow (`tf.image.decode_image`) and OpenCV 5; torchvision by the source
# of `pil_loader` and the documentation of `decode_image`.
CHECK = Check(
    code="exif-rotation",
    title="EXIF rotation",
    severity=Severity.info,
    remedy="Nothing to do for Candid, which turns them upright. Keras' "
    "image_dataset_from_directory, torchvision's ImageFolder and OpenCV with IMREAD_UNCHANGED do "
    "not: before you train with those, save the photos upright.",
    run=run,
    to_decide=False,
)
