"""Whether the difference between trained runs is more than chance."""

from candid.evaluation.comparing.compare import compare_runs
from candid.evaluation.comparing.comparison import Comparison

__all__ = ["Comparison", "compare_runs"]
