"""Ways to train: each turns photos and a split into a `Trained` model."""

from candid.recipes.trained import Trained

__all__ = ["Trained"]
