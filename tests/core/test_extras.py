"""Packages are asked for before the work begins."""

from __future__ import annotations

import sys

import pytest

from candid.core.extras import require_packages
from candid.errors import DependencyError


def test_what_is_missing_is_named_with_the_remedy() -> None:
    names = ["numpy", "no_such_package", "nor_this"]
    with pytest.raises(DependencyError) as error:
        require_packages(names, needed_by="an audit", extra="audit")
    assert str(error.value) == (
        "an audit needs no_such_package, nor_this, which is not installed. "
        'Run: pip install "candid-image[audit]"'
    )


def test_nothing_is_imported() -> None:
    before = set(sys.modules)
    require_packages(["numpy", "tensorboard"], needed_by="it", extra="train")
    assert "tensorboard" not in set(sys.modules) - before
