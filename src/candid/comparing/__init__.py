"""Whether the difference between trained runs is more than chance."""

from candid.comparing.command import compare_runs
from candid.comparing.comparison import Comparison

__all__ = ["Comparison", "compare_runs"]
