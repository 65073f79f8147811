"""Evidence of small synthetic folders, with a fake embedder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from candid.auditing.evidence import Evidence
from candid.auditing.properties import measure
from candid.core.cache import Cache
from candid.data.catalog import scan
from candid.data.images import PixelContract
from candid.features.extract import Embeds, extract_features
from candid.splits.duplicates import find_duplicates

Gather = Callable[[Path], Evidence]


@pytest.fixture
def gather(memory: Cache, fake_embedder: Embeds) -> Gather:
    """Evidence of a folder, with a fake embedder."""

    def gather(folder: Path) -> Evidence:
        scanned = scan(folder, to_train=False)
        features = extract_features(scanned, fake_embedder, PixelContract(size_px=64), cache=memory)
        return Evidence(
            scanned, features, find_duplicates(features), measure(scanned, cache=memory)
        )

    return gather
