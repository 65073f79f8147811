"""A trained run on disk, and the classifier that is loaded from it."""
