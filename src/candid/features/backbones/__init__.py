"""Pretrained feature extractors: uint8 pictures in, float32 embeddings out."""

from candid.features.backbones.registry import BUNDLED, DEFAULT, Backbone, build, find_origin, get

__all__ = ["BUNDLED", "DEFAULT", "Backbone", "build", "find_origin", "get"]
