"""Training recipes: each turns photos and a split into a `Trained` model."""

from candid.models.outputs import Trained

__all__ = ["Trained"]
