"""Photos that are not stored as plain 8-bit colour, and so are converted."""

from __future__ import annotations

from candid.auditing.each_photo import UNMEASURED, measured, mostly_in
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Item, Outcome, Severity
from candid.wording import count, count_are, name_some

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


def run(evidence: Evidence) -> Outcome:
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
    return Outcome.found(f"{count_are(number, 'photo')} converted to 8-bit colour", findings)


def _finding(evidence: Evidence, mode: str, places: list[int]) -> Finding:
    paths = [evidence.photos[place].path for place in places]
    stored = f"{count(len(paths), 'photo')} stored {_WHAT.get(mode, f'in {mode}')}"
    summary = f"{stored}: {name_some(paths)}{mostly_in(evidence, places)}"
    return Finding(summary, tuple(Item(path, f"stored as {mode}") for path in paths))


CHECK = Check(
    code="colour-mode",
    title="Colour modes that are converted",
    severity=Severity.info,
    remedy="Nothing to do for Candid, which converts all in the same way. If a mode is found in "
    "one class only, a model may learn the mode in place of what is shown: get photos of that kind "
    "for the other classes too.",
    run=run,
    to_decide=False,
)
