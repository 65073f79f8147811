"""Packages that only some of the work needs, asked for before it begins."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from candid.errors import DependencyError


def require_packages(names: Iterable[str], *, needed_by: str, extra: str) -> None:
    """Ask for packages, without importing them.

    Args:
        names: What they are imported as.
        needed_by: Who needs them: ``an audit``.
        extra: The extra of ours that brings them.

    Raises:
        DependencyError: One is not installed.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"{needed_by} needs {', '.join(missing)}, which is not installed. "
            f'Run: pip install "candid-image[{extra}]"'
        )
