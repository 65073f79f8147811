"""Files of several frames or pages.

Photos with too few pixels to show much.

Photos that are much longer than wide, or the other way round.

Photos that are not stored as plain 8-bit colour, and so are converted.

Photos that are stored turned, with a note in EXIF of how to turn them back.
"""

from __future__ import annotations

from statistics import median
from typing import Final

from candid.auditing.evidence import Evidence
from candid.auditing.finding import (
    UNMEASURED,
    Check,
    Finding,
    Item,
    Notable,
    Outcome,
    Severity,
    by_picture,
    measured,
    mostly_in,
    tell,
)
from candid.core.text import join_names, plural, plural_are, plural_have

#: Backbones look at 224 px or more; of this, they see blown-up squares.
MIN_SIDE_PX: Final = 64
_OF_THE_MEDIAN = 0.5  # a photo that is not much smaller than the others is not the odd one


def _run_tiny(evidence: Evidence) -> Outcome:
    """Name the tiny photos among larger ones; a folder that is tiny as a whole is one finding."""
    rows = [(place, p.width_px, p.height_px) for place, p in measured(evidence)]
    if not rows:
        return Outcome.not_applicable(UNMEASURED)
    usual = median(min(width, height) for _, width, height in rows)
    notable = [
        Notable(place, f"{width}×{height} px", -min(width, height))
        for place, width, height in rows
        if min(width, height) < min(MIN_SIDE_PX, _OF_THE_MEDIAN * usual)
    ]
    told = []
    if usual < MIN_SIDE_PX:
        small = f"half of the photos have {usual:g} px or less on the shorter side"
        told.append((small, [Finding(f"{small}, where a model looks at 224 px or more")]))
    if notable:
        places = [row.place for row in notable]
        tiny = f"{plural_are(len(notable), 'photo')} tiny{mostly_in(evidence, places)}"
        told.append((tiny, by_picture(evidence, notable)))
    if not told:
        return Outcome.clean()
    return Outcome.found("; ".join(text for text, _ in told), [f for _, rows in told for f in rows])


TINY = Check(
    code="tiny",
    title="Tiny pictures",
    severity=Severity.warning,
    remedy="Look for the originals; thumbnails are often saved in their place. What stays tiny is "
    "learnt from best where the photos to come are as tiny.",
    run=_run_tiny,
)


#: CleanVision 0.3.7's threshold of the shorter side over the longer one.
MIN_RATIO: Final = 0.35


def _run_odd_aspect(evidence: Evidence) -> Outcome:
    """Name the photos of an odd shape."""
    rows = [(place, p.width_px, p.height_px) for place, p in measured(evidence)]
    notable = [
        Notable(
            place,
            f"{width}×{height} px, {_ratio(width, height):.1f} to 1",
            _ratio(width, height),
        )
        for place, width, height in rows
        if _ratio(width, height) > 1 / MIN_RATIO
    ]
    return tell(evidence, notable, num_judged=len(rows), what="of an odd shape")


def _ratio(width: int, height: int) -> float:
    return max(width, height) / min(width, height)


ODD_ASPECT = Check(
    code="odd-aspect",
    title="Odd shapes",
    severity=Severity.info,
    remedy="A model looks at a square, so what is in these photos is squashed or cut off. Crop "
    "them to what the class is about, or see that the photos to come have such shapes too.",
    run=_run_odd_aspect,
)


_GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "LA;16"})
_WHAT = {
    "1": "in black and white",
    "L": "in grey, others in colour",
    "LA": "in grey with transparency, laid over white",
    "La": "in grey with transparency, laid over white",
    "P": "with a palette",
    "PA": "with a palette and transparency, laid over white",
    "RGBA": "with transparency, laid over white",
    "RGBa": "with transparency, laid over white",
    "CMYK": "in the colours of print, converted without a colour profile",
    "I;16": "in grey of 16 bits, of which 8 are kept",
    "RGB;16": "in colour of 16 bits, of which 8 are kept",
    "RGBA;16": "with transparency and 16 bits, of which 8 are kept, laid over white",
    "LA;16": "in grey with transparency and 16 bits, of which 8 are kept, laid over white",
    "I": "in grey of 32 bits, of which 8 are kept",
    "F": "in grey of 32-bit floats, of which 8 bits are kept",
}


def _run_colour_mode(evidence: Evidence) -> Outcome:
    """Name the photos that are converted, a finding a mode."""
    places: dict[str, list[int]] = {}
    for place, properties in measured(evidence):
        places.setdefault(properties.mode, []).append(place)
    if not places:
        return Outcome.not_applicable(UNMEASURED)
    if not places.keys() - _GREY:
        places.pop("L", None)  # all grey alike
    places.pop("RGB", None)
    if not places:
        return Outcome.clean()
    findings = [
        _finding(evidence, mode, some)
        for mode, some in sorted(places.items(), key=lambda row: (-len(row[1]), row[0]))
    ]
    number = sum(map(len, places.values()))
    return Outcome.found(f"{plural_are(number, 'photo')} converted to 8-bit colour", findings)


def _finding(evidence: Evidence, mode: str, places: list[int]) -> Finding:
    paths = [evidence.photos[place].path for place in places]
    stored = f"{plural(len(paths), 'photo')} stored {_WHAT.get(mode, f'in {mode}')}"
    summary = f"{stored}: {join_names(paths)}{mostly_in(evidence, places)}"
    return Finding(summary, tuple(Item(path, f"stored as {mode}") for path in paths))


COLOUR_MODE = Check(
    code="colour-mode",
    title="Colour modes that are converted",
    severity=Severity.info,
    remedy="Nothing to do for Candid, which converts all in the same way. If a mode is found in "
    "one class only, a model may learn the mode in place of what is shown: get photos of that kind "
    "for the other classes too.",
    run=_run_colour_mode,
    to_decide=False,
)


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


def _run_exif_rotation(evidence: Evidence) -> Outcome:
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
    summary = f"{plural_are(len(places), 'photo')} turned by EXIF{mostly_in(evidence, places)}"
    return Outcome.found(summary, [Finding.of(items, "turned by EXIF")])


# Tried with Keras 3 on TensorFlow (`tf.image.decode_image`) and OpenCV 5; torchvision by the source
# of `pil_loader` and the documentation of `decode_image`.
EXIF_ROTATION = Check(
    code="exif-rotation",
    title="EXIF rotation",
    severity=Severity.info,
    remedy="Nothing to do for Candid, which turns them upright. Keras' "
    "image_dataset_from_directory, torchvision's ImageFolder and OpenCV with IMREAD_UNCHANGED do "
    "not: before you train with those, save the photos upright.",
    run=_run_exif_rotation,
    to_decide=False,
)


_WORDS = {"TIFF": "page", "HEIF": "picture"}


def _run_animation(evidence: Evidence) -> Outcome:
    """Name the photos of which only a part is used."""
    rows = list(measured(evidence))
    if not rows:
        return Outcome.not_applicable(UNMEASURED)
    items = []
    for place, properties in rows:
        if properties.num_frames > 1:
            frames = plural(properties.num_frames, _WORDS.get(properties.format, "frame"))
            items.append(Item(evidence.photos[place].path, f"{frames}; the first is used"))
    if not items:
        return Outcome.clean()
    summary = f"{plural_have(len(items), 'file')} more than one frame; only the first is used"
    return Outcome.found(summary, [Finding.of(items, "more than one frame")])


ANIMATION = Check(
    code="animation",
    title="Animations and files of several pages",
    severity=Severity.warning,
    remedy="Look whether the first frame shows what the class says: it may be a title or empty. If "
    "another one does, save that as a file of its own.",
    run=_run_animation,
)
