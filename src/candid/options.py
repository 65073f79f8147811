"""From what was typed to the values that rooms take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from candid.errors import UsageError

if TYPE_CHECKING:
    from candid.data import SplitOptions
    from candid.decision_rule import DecisionRule


def decision_rule(threshold: float | None, cost: list[str] | None) -> DecisionRule:
    """How a class is chosen, by ``--threshold`` or ``--cost``.

    Raises:
        UsageError: A cost can't be read.
    """
    from candid.decision_rule import DEFAULT_THRESHOLD, DecisionRule, parse_cost

    costs: dict[tuple[str, str], float] = {}
    for text in cost or []:
        mistake, value = parse_cost(text)
        if mistake in costs:
            raise UsageError(f"the cost of {'→'.join(mistake)} is given twice; choose one.")
        costs[mistake] = value
    return DecisionRule(DEFAULT_THRESHOLD if threshold is None else threshold, costs)


def split_options(seed: int, previous: Path | None, group_by: str | None) -> SplitOptions:
    """How photos are dealt."""
    from candid.data import SplitOptions

    return SplitOptions(seed=seed, previous=previous, group_by=group_by)
