"""Renders templates to pages: one HTML file each, which works offline and opens from disk.

File names and class names are untrusted. Jinja2 escapes them, `sanitize` removes line breaks and
changes of writing direction, and should both fail, the page's Content-Security-Policy allows only
the one script whose hash it names.
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
    """Make a Jinja2 environment for a page.

    Args:
        folder: The page's templates; the shared ones are found too.
        extra: Candid's extra that installs Jinja2, for the error message.

    Returns:
        An environment that escapes and sanitises every value, refuses undefined names, and has the
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
        # Applied to every value that the template outputs.
        finalize=finalize,
    )
    environment.filters["hash"] = _hash
    return environment


def read_together(folder: Path, *names: str) -> str:
    """Concatenate styles or scripts; files in ``folder`` take precedence over shared ones."""
    files = (folder / name if (folder / name).exists() else _FOLDER / name for name in names)
    return "".join(file.read_text("utf-8") for file in files)


def _hash(text: str) -> str:
    """Hash source of a script or style in a policy (CSP Level 3, section 2.3.1)."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
