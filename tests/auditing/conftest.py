"""Evidence of small synthetic folders, with a fake embedder, and pages in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import browser
from playwright.sync_api import Browser

from candid.auditing.evidence import Evidence
from candid.auditing.page import write_page
from candid.core.cache import Cache
from candid.data.images import PixelContract
from candid.data.scan import scan
from candid.features.extract import Embeds, extract_features
from candid.features.properties import measure
from candid.splits.duplicates import find_duplicates
from tests.auditing.pages import draw
from tests.reporting.pages.opening import Opened, opener

__all__ = ["browser"]  # a fixture

Gather = Callable[[Path], Evidence]
Open = Callable[..., Opened]


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Write an audit's page and open it from disk."""
    with opener(browser, tmp_path / "audit.html") as open_text:
        yield lambda audit, **options: open_text(write_page(audit, draw), **options)


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
