"""From what was typed to the values that rooms take.

Arguments that several commands take, and the choices of some.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.models.decision_rule import DecisionRule
    from candid.splits.prepare import SplitOptions


class RecipeName(StrEnum):
    """A recipe to choose."""

    transfer = "transfer"
    cnn = "cnn"


class FailOn(StrEnum):
    """From which severity on a finding makes the exit code 1."""

    error = "error"
    warning = "warning"


class FitName(StrEnum):
    """How a photo is brought to a square."""

    squash = "squash"
    crop = "crop"
    pad = "pad"


Data = Annotated[Path, typer.Argument(help="A folder with one sub-folder of photos per class.")]
Seed = Annotated[int, typer.Option(help="Another seed, another deal of the photos.")]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="Photos that belong together (a patient, a session): a regular expression on the "
        "path, or a CSV file with the columns path and group."
    ),
]
Decisions = Annotated[
    Path | None,
    typer.Option(
        help="A filled-in decisions.csv of candid audit: photos to drop, right labels of others."
    ),
]
Rehash = Annotated[
    bool,
    typer.Option(
        "--rehash",
        help="Read every photo again, those too whose size and times of change are as they were.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(help="efficientnet-lite2 (the default), efficientnet-lite0, or an ONNX file."),
]
Cost = Annotated[
    list[str] | None,
    typer.Option(
        help="What a mistake costs, such as 'sad→happy=5' (or ->): sad ones called happy. Others "
        "cost 1; may be repeated."
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option(help="Two classes: above it the alphabetically second one is predicted. [0.5]"),
]


def decision_rule(threshold: float | None, cost: list[str] | None) -> DecisionRule:
    """How a class is chosen, by ``--threshold`` or ``--cost``.

    Raises:
        UsageError: A cost can't be read.
    """
    from candid.models.decision_rule import DEFAULT_THRESHOLD, DecisionRule, parse_cost

    costs: dict[tuple[str, str], float] = {}
    for text in cost or []:
        mistake, value = parse_cost(text)
        if mistake in costs:
            raise UsageError(f"the cost of {'→'.join(mistake)} is given twice; choose one.")
        costs[mistake] = value
    return DecisionRule(DEFAULT_THRESHOLD if threshold is None else threshold, costs)


def split_options(seed: int, previous: Path | None, group_by: str | None) -> SplitOptions:
    """How photos are dealt."""
    from candid.splits.prepare import SplitOptions

    return SplitOptions(seed=seed, previous=previous, group_by=group_by)
