"""Checks of how photos are stored: pixel size, aspect ratio, colour mode, EXIF rotation, frames."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import Final

from candid.auditing.evidence import Evidence
from candid.auditing.finding import (
    UNMEASURED,
    Check,
    Finding,
    FlaggedPhoto,
    Item,
    Outcome,
    Severity,
    group_by_picture,
    name_dominant_class,
    report_photos,
)
from candid.core.text import join_names, plural, plural_are, plural_have

#: Backbones take 224 px or more, so anything smaller than this is enlarged a lot.
MIN_SIDE_PX: Final = 64
_MAX_OF_MEDIAN = 0.5  # in a folder of small photos, only much smaller ones are reported


def _run_tiny(evidence: Evidence) -> Outcome:
    """Report photos much smaller than the others, and a folder of small photos in one finding."""
    sizes = [(index, p.width_px, p.height_px) for index, p in evidence.measured()]
    if not sizes:
        return Outcome.not_applicable(UNMEASURED)
    usual = median(min(width, height) for _, width, height in sizes)
    flagged = [
        FlaggedPhoto(index, f"{width}×{height} px", -min(width, height))
        for index, width, height in sizes
        if min(width, height) < min(MIN_SIDE_PX, _MAX_OF_MEDIAN * usual)
    ]
    summary, findings = [], []
    if usual < MIN_SIDE_PX:
        summary.append(f"half of the photos have {usual:g} px or less on the shorter side")
        findings.append(Finding(f"{summary[0]}; models take 224 px or more"))
    if flagged:
        where = name_dominant_class(evidence, [row.index for row in flagged])
        summary.append(f"{plural_are(len(flagged), 'photo')} tiny{where}")
        findings += group_by_picture(evidence, flagged)
    return Outcome.from_findings("; ".join(summary), findings)


TINY = Check(
    code="tiny",
    title="Tiny pictures",
    severity=Severity.warning,
    remedy="Look for the originals; thumbnails are often saved in their place. Train on tiny "
    "photos only if later photos will be as tiny.",
    run=_run_tiny,
)


#: CleanVision 0.3.7's threshold of the shorter side over the longer one.
MIN_RATIO: Final = 0.35


def _run_odd_aspect(evidence: Evidence) -> Outcome:
    """Report very wide and very tall photos."""
    flagged = []
    measured = list(evidence.measured())
    for index, properties in measured:
        width, height = properties.width_px, properties.height_px
        ratio = max(width, height) / min(width, height)
        if ratio > 1 / MIN_RATIO:
            note = f"{width}×{height} px, {ratio:.1f} to 1"
            flagged.append(FlaggedPhoto(index, note, ratio))
    return report_photos(
        evidence, flagged, num_judged=len(measured), what="of an extreme aspect ratio"
    )


ODD_ASPECT = Check(
    code="odd-aspect",
    title="Extreme aspect ratios",
    severity=Severity.info,
    remedy="Models take square pictures, so these photos are squashed or cropped. Crop them to "
    "what the class is about, or make sure that later photos have such shapes too.",
    run=_run_odd_aspect,
)


_GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "LA;16"})
_MODES = {
    "1": "in black and white",
    "L": "in grey, others in colour",
    "LA": "in grey with transparency, laid over white",
    "La": "in grey with transparency, laid over white",
    "P": "with a palette",
    "PA": "with a palette and transparency, laid over white",
    "RGBA": "with transparency, laid over white",
    "RGBa": "with transparency, laid over white",
    "CMYK": "in CMYK, converted without a colour profile",
    "I;16": "in 16-bit grey, of which 8 bits are kept",
    "RGB;16": "in 16-bit colour, of which 8 bits are kept",
    "RGBA;16": "in 16-bit colour with transparency, of which 8 bits are kept, laid over white",
    "LA;16": "in 16-bit grey with transparency, of which 8 bits are kept, laid over white",
    "I": "in 32-bit grey, of which 8 bits are kept",
    "F": "in grey of 32-bit floats, of which 8 bits are kept",
}


def _run_colour_mode(evidence: Evidence) -> Outcome:
    """Report photos that are converted, one finding per colour mode."""
    modes: defaultdict[str, list[int]] = defaultdict(list)
    for index, properties in evidence.measured():
        modes[properties.mode].append(index)
    if not modes:
        return Outcome.not_applicable(UNMEASURED)
    if modes.keys() <= _GREY:
        modes.pop("L", None)  # all are grey alike
    modes.pop("RGB", None)
    findings = []
    for mode, indices in sorted(modes.items(), key=lambda row: (-len(row[1]), row[0])):
        paths = [evidence.photos[index].path for index in indices]
        stored = f"{plural(len(paths), 'photo')} stored {_MODES.get(mode, f'in {mode}')}"
        summary = f"{stored}: {join_names(paths)}{name_dominant_class(evidence, indices)}"
        items = tuple(Item(path, f"stored as {mode}") for path in paths)
        findings.append(Finding(summary, items))
    number = sum(map(len, modes.values()))
    summary = f"{plural_are(number, 'photo')} converted to 8-bit colour"
    return Outcome.from_findings(summary, findings)


COLOUR_MODE = Check(
    code="colour-mode",
    title="Colour modes that are converted",
    severity=Severity.info,
    remedy="Nothing to do for Candid, which converts all in the same way. If only one class has a "
    "mode, a model may learn the mode instead of what is shown: get photos of that kind for the "
    "other classes too.",
    run=_run_colour_mode,
    to_decide=False,
)


# EXIF 2.32, tag 274.
_ORIENTATIONS = {
    2: "mirrored",
    3: "upside down",
    4: "upside down and mirrored",
    5: "on its side and mirrored",
    6: "on its side",
    7: "on its side and mirrored",
    8: "on its side",
}


def _run_exif_rotation(evidence: Evidence) -> Outcome:
    """Report photos that programs without EXIF support show rotated."""
    orientations = {index: p.orientation for index, p in evidence.measured()}
    if not orientations:
        return Outcome.not_applicable(UNMEASURED)
    rotated = {index: n for index, n in orientations.items() if n in _ORIENTATIONS}
    if not rotated:
        return Outcome.clean()
    items = [
        Item(evidence.photos[index].path, f"stored {_ORIENTATIONS[n]} (orientation {n})")
        for index, n in rotated.items()
    ]
    where = name_dominant_class(evidence, list(rotated))
    summary = f"{plural_are(len(rotated), 'photo')} rotated by EXIF{where}"
    return Outcome.from_findings(summary, [Finding.of(items, "rotated by EXIF")])


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


_FRAMES = {"TIFF": "page", "HEIF": "picture"}


def _run_animation(evidence: Evidence) -> Outcome:
    """Report files with several frames or pages, of which only the first is used."""
    measured = list(evidence.measured())
    if not measured:
        return Outcome.not_applicable(UNMEASURED)
    items = []
    page = evidence.features.contract.page
    used = "the first" if page is None else f"page {page}"
    for index, properties in measured:
        if properties.num_frames > 1:
            frames = plural(properties.num_frames, _FRAMES.get(properties.format, "frame"))
            items.append(Item(evidence.photos[index].path, f"{frames}; {used} is used"))
    summary = f"{plural_have(len(items), 'file')} more than one frame; only {used} is used"
    findings = [Finding.of(items, "more than one frame")] if items else []
    return Outcome.from_findings(summary, findings)


ANIMATION = Check(
    code="animation",
    title="Animations and multi-page files",
    severity=Severity.warning,
    remedy="Check whether the first frame shows the class: it may be a title or empty. If another "
    "one does, save that as a file of its own, or choose it with --page.",
    run=_run_animation,
)
