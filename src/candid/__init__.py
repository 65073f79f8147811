"""From a folder of photos to a classifier, and an honest figure of how good it is."""

__version__ = "0.1.0"
