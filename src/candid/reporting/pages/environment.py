"""Renders templates to pages: one HTML file each, which works offline and opens from disk.

File names and class names are untrusted. Jinja2 escapes them, `sanitize` removes line breaks and
changes of writing direction, and should both fail, the page's Content-Security-Policy allows only
the one script whose hash it names.
"""

from __future__ import annotations

import hashlib
import os
import sys
from base64 import b64encode
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.core.extras import require_packages
from candid.core.hashing import hash_bytes
from candid.core.text import sanitize

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment

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
        bytecode_cache=_compiled_templates(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to every value that the template outputs.
        finalize=finalize,
    )
    environment.filters["hash"] = _hash
    return environment


def _compiled_templates() -> BytecodeCache | None:
    """Compiled templates beside this module's bytecode, if that may be written.

    Jinja uses one for its very source alone; its name says what else it was compiled by: Python,
    Jinja, and what the environment does to constants.
    """
    from jinja2 import FileSystemBytecodeCache, __version__

    folder = Path(cache_from_source(__file__)).parent
    if sys.dont_write_bytecode or not os.access(folder, os.W_OK):
        return None
    sources = (__file__, sanitize.__code__.co_filename)
    ours = hash_bytes(b"".join(Path(source).read_bytes() for source in sources))[:16]
    name = f"{sys.implementation.cache_tag}-jinja-{__version__}-{ours}-%s.template"
    return FileSystemBytecodeCache(str(folder), name)


def read_together(folder: Path, *names: str) -> str:
    """Concatenate styles or scripts; files in ``folder`` take precedence over shared ones."""
    files = (folder / name if (folder / name).exists() else _FOLDER / name for name in names)
    return "".join(file.read_text("utf-8") for file in files)


def _hash(text: str) -> str:
    """Hash source of a script or style in a policy (CSP Level 3, section 2.3.1)."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
