"""Whether the difference between trained runs is more than chance."""

from candid.evaluation.comparing.compare import Comparison, compare_runs

__all__ = ["Comparison", "compare_runs"]
