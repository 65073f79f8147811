"""Classes of very different sizes."""

from __future__ import annotations

from typing import Final

from candid.auditing.class_sizes import chart_of, pictures_by_class
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Check, Finding, Outcome, Severity
from candid.wording import count, name_some

#: Of two classes, 3 to 1 is where saying the larger one whatever the photo shows is right 3 times
#: of 4: an accuracy that many would take for a model that works.
MAX_RATIO: Final = 3.0


def run(evidence: Evidence) -> Outcome:
    """Compare the largest class with the smallest one that has photos."""
    sizes = {name: size for name, size in pictures_by_class(evidence).items() if size}
    if len(sizes) < 2:
        return Outcome.not_applicable("there is only one class with photos")
    chart = chart_of(sizes)
    ranked = sorted(sizes, key=lambda name: (sizes[name], name))
    smallest, largest = ranked[0], ranked[-1]
    ratio = sizes[largest] / sizes[smallest]
    if ratio <= MAX_RATIO:
        return Outcome.clean(chart=chart)
    summary = f"{largest} has {ratio:.1f} times as many different pictures as {smallest}"
    few = [name for name in ranked if sizes[largest] > MAX_RATIO * sizes[name]]
    guess = sizes[largest] / sum(sizes.values())
    named = name_some([f"{name} ({sizes[name]})" for name in few])
    told = (
        f"{named} {'has' if len(few) == 1 else 'have'} less than a third of the "
        f"{count(sizes[largest], 'different picture')} of {largest}; always saying {largest} "
        f"would be right for {100 * guess:.0f} % of all"
    )
    return Outcome.found(summary, [Finding(told)], chart=chart)


CHECK = Check(
    code="imbalance",
    title="Classes of very different sizes",
    severity=Severity.warning,
    remedy="Add photos to the small classes. Do not judge a model by its accuracy here, but by the "
    "recall of each class.",
    run=run,
    to_decide=False,
)
