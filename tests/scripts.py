"""Loads scripts outside any package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_REPOSITORY = Path(__file__).parents[1]


def load_script(path: str) -> ModuleType:
    """Import a file, anew each time.

    Args:
        path: Its path in the repository: ``benchmarks/int8.py``.
    """
    file = _REPOSITORY / path
    spec = importlib.util.spec_from_file_location(f"script_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look up their annotations
    spec.loader.exec_module(module)
    return module
