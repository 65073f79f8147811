"""How good a classifier is on images that it never saw, and how sure that is."""

from candid.evaluation.evaluation import Evaluation
from candid.evaluation.figures import Figure, wilson
from candid.evaluation.measures import Measures, measure

__all__ = ["Evaluation", "Figure", "Measures", "measure", "wilson"]
