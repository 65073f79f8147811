"""How good a classifier is on images that it never saw, and how sure that is."""

from candid.evaluation.figures import Figure, wilson
from candid.evaluation.report import Evaluation, evaluate

__all__ = ["Evaluation", "Figure", "evaluate", "wilson"]
