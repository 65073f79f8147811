"""What the page says of a model at first: what it tells apart, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from candid.evaluation.figures import Figure
from candid.manifest import Metrics
from candid.report.saying import between, percent, photos

_MOST_NAMED: Final = 4


def title_of(classes: Sequence[str]) -> str:
    """The question that a model answers.

    >>> title_of(["happy", "sad"]), title_of(["a", "b", "c"]), title_of(list("abcdef"))
    ('happy or sad?', 'a, b or c?', 'Which of 6 classes?')
    """
    if len(classes) > _MOST_NAMED:
        return f"Which of {len(classes)} classes?"
    return f"{' or '.join(filter(None, (', '.join(classes[:-1]), *classes[-1:])))}?"


def sentence_of(metrics: Metrics | None) -> str:
    """How good a model is, by the estimate to believe.

    Args:
        metrics: Of the manifest; None where it was not measured.

    Returns:
        A sentence with the interval and the number of photos; empty where it was not measured.
    """
    believed = metrics and metrics.believed
    if believed is None or believed.accuracy is None:
        return ""
    figure = Figure(**vars(believed.accuracy))
    return (
        f"It was right for {percent(figure.value)} of {photos(figure.n)} that it had not seen. "
        f"With 95 % confidence the truth is {between(figure)}."
    )
