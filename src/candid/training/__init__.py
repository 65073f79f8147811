"""Trains a classifier on a folder of photos and writes the run."""

from candid.training.options import TrainOptions
from candid.training.training import Run, train

__all__ = ["Run", "TrainOptions", "train"]
