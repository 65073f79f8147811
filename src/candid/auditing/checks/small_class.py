"""Classes with too few pictures to measure how well they are told from the others."""

from __future__ import annotations

from typing import Final

from candid.auditing.class_sizes import pictures_by_class
from candid.auditing.evidence import Evidence
from candid.auditing.finding import Bar, Chart, Check, Finding, Outcome, Severity
from candid.evaluation.figures import Figure, wilson
from candid.split import SHARES
from candid.wording import count, count_are, name_some

#: With fewer, the test part's share may be no picture at all.
MIN_PICTURES: Final = 10
#: With fewer, a class has less than 5 pictures to be tested on.
FEW_PICTURES: Final = 50

_RECALL = 0.9  # of a good model, taken as an example
_MOST_BARS = 20


def run(evidence: Evidence) -> Outcome:
    """Name the classes that can't be tested, and say how little is known of the small ones."""
    sizes = {name: size for name, size in pictures_by_class(evidence).items() if size}
    if not sizes:
        return Outcome.not_applicable("no class has photos")
    ranked = sorted(sizes, key=lambda name: (sizes[name], name))
    few = [name for name in ranked if MIN_PICTURES <= sizes[name] < FEW_PICTURES]
    chart = _chart({name: sizes[name] for name in few}) if few else None
    too_few = [name for name in ranked if sizes[name] < MIN_PICTURES]
    if not too_few:
        return Outcome.clean(_vague(few, sizes), chart=chart)
    summary = f"{count_are(len(too_few), 'class', 'classes')} too small to measure"
    findings = [
        Finding(
            f"{name} has {count(sizes[name], 'different picture')}; "
            f"{MIN_PICTURES} are needed for one to test on"
        )
        for name in too_few
    ]
    return Outcome.found(
        "; ".join(filter(None, (summary, _vague(few, sizes)))), findings, chart=chart
    )


def recall_interval(num_pictures: int) -> Figure:
    """What is known of a class's recall after a test at which 9 of 10 were right.

    Args:
        num_pictures: Different pictures of the class, 10 or more; the test part has its share.
    """
    tested = max(1, round(SHARES[-1] * num_pictures))
    figure = wilson(_RECALL * tested, tested)
    return figure or Figure(_RECALL, 0.0, 1.0, 0)


def _vague(few: list[str], sizes: dict[str, int]) -> str:
    if not few:
        return ""
    figure = recall_interval(sizes[few[0]])
    named = name_some([f"{name} ({sizes[name]})" for name in few])
    return (
        f"{named} {'has' if len(few) == 1 else 'have'} few pictures: of a recall of 0.9 in "
        f"{few[0]}, the test would say no more than {figure.low:.2f} to {figure.high:.2f}"
    )


def _chart(sizes: dict[str, int]) -> Chart:
    """The smallest classes that can be tested, each with what a test would say."""
    bars = []
    for name in list(sizes)[:_MOST_BARS]:
        figure = recall_interval(sizes[name])
        bars.append(Bar(f"{name} ({sizes[name]})", figure.value, figure.low, figure.high))
    return Chart("What a test could say of a recall of 0.9", tuple(bars), "share")


CHECK = Check(
    code="small-class",
    title="Classes too small to measure",
    severity=Severity.error,
    remedy="Add different pictures to these classes, join them with another class, or leave them "
    "out; the model may learn them, but nobody will know how well.",
    run=run,
    to_decide=False,
)
