"""``predictions.csv``: every prediction that a figure of a run rests on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from candid.evaluation.assessing import Assessed
from candid.evaluation.predictions import Predictions
from candid.split import Split


def predictions_csv(classes: Sequence[str], dealt: Split, assessed: Assessed) -> str:
    """Write the test part's predictions and the cross-validated ones.

    The columns are ``estimate,path,class,part,label,possible,familiarity`` and the probability of
    each class; possible classes are separated by ``|``.

    Args:
        classes: Names of the classes.
        dealt: Where each photo went.
        assessed: What was predicted.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("estimate", "path", "class", "part", "label", "possible", "familiarity")
    writer.writerow((*columns, *(f"p({name})" for name in classes)))
    parts = {row.path: row.part for row in dealt.rows}
    for estimate, predictions in (("test", assessed.test), ("kfold", assessed.kfold)):
        if predictions is not None:
            writer.writerows(_rows(estimate, predictions, classes, parts))
    return text.getvalue()


def _rows(
    estimate: str, said: Predictions, classes: Sequence[str], parts: dict[str, str]
) -> Iterator[tuple[str, ...]]:
    for place, path in enumerate(said.paths):
        possible, familiarity = "", ""
        if said.possible is not None:
            possible = "|".join(
                name for name, can in zip(classes, said.possible[place], strict=True) if can
            )
        if said.familiarity is not None:
            familiarity = f"{said.familiarity[place]:.6f}"
        yield (
            estimate,
            path,
            classes[said.truth[place]],
            parts[path],
            classes[said.predicted[place]],
            possible,
            familiarity,
            *(f"{value:.6f}" for value in said.probabilities[place]),
        )
