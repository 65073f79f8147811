"""The heat map of a cross-validated answer is that of the head that gave it."""

from __future__ import annotations

import numpy as np
import pytest

from candid.data.images import PixelContract
from candid.features.backbones import get
from candid.features.backbones.registry import Embedder
from candid.models.recipes.linear_head import LinearHead
from candid.training.report import FoldMaps


def test_each_folds_map_adds_up_to_its_own_scores(embedder: Embedder) -> None:
    rng = np.random.default_rng(0)
    heads = [
        LinearHead(
            rng.normal(size=(3, 1280)).astype(np.float32) / 30,
            rng.normal(size=3).astype(np.float32),
            10.0,
        )
        for _ in range(2)
    ]
    pixels = rng.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    maps = FoldMaps(get("efficientnet-lite0"), heads, PixelContract(224, "squash"))
    [embedding] = embedder.embed(pixels[None])
    for fold, head in enumerate(heads):
        found = maps.of(pixels, fold)
        assert found.shape[0] == 3
        scores = head.scores(embedding[None])[0]
        assert found.mean(axis=(1, 2)) == pytest.approx(scores, abs=2e-3)
