"""From a folder to a run: the recipe of recipes."""

from candid.training.options import TrainOptions
from candid.training.training import Run, train

__all__ = ["Run", "TrainOptions", "train"]
