"""How templates become a page: one HTML file that needs no network and opens from disk.

File names and class names are other people's text. Jinja2 escapes all of it, `sanitize` takes out
what would break lines or turn the direction of writing, and the page's own security policy lets
nothing run but the one script whose hash it names, should both fail.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.core.extras import require_packages
from candid.core.text import sanitize

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER: Final = Path(__file__).parent


def make_environment(folder: Path, *, extra: str) -> Environment:
    """Make the environment in which a page is written.

    Args:
        folder: Where its templates are; those that all pages share are found as well.
        extra: The extra of ours that brings Jinja2.

    Returns:
        An environment that escapes everything and refuses names that it does not know, with the
        filter ``hash`` for the security policy.

    Raises:
        DependencyError: Jinja2 is not installed.
    """
    require_packages(["jinja2"], needed_by="the page", extra=extra)
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    def finalize(value: object) -> object:
        return value if hasattr(value, "__html__") else sanitize(str(value))

    environment = Environment(
        loader=FileSystemLoader([folder, _FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Of everything that the template puts out, so that nothing is forgotten.
        finalize=finalize,
    )
    environment.filters["hash"] = _hash
    return environment


def read_together(folder: Path, *names: str) -> str:
    """Read styles or scripts as one.

    Args:
        folder: Where the page's own files are.
        names: Files of all pages and of this one, in the order in which they apply.
    """
    files = (folder / name if (folder / name).exists() else _FOLDER / name for name in names)
    return "".join(file.read_text("utf-8") for file in files)


def _hash(text: str) -> str:
    """The hash by which a security policy knows a script or style (CSP Level 3, section 2.3.1)."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
