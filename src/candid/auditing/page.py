"""The page of an audit: one HTML file that needs no network and opens from disk.

File names and class names are other people's text. Jinja2 escapes all of it, `show_text` takes out
what would break lines or turn the direction of writing, and the page's own security policy lets
nothing run but the one script whose hash it names, should both fail.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.auditing import page_chart, page_view
from candid.auditing.thumbnails import Previews, Thumbnail, file_previews, make_thumbnails
from candid.errors import DependencyError
from candid.showable import show_text

if TYPE_CHECKING:
    from jinja2 import Environment

    from candid.auditing.page_view import Section
    from candid.auditing.result import Audit

__all__ = ["Previews", "file_previews", "write_page"]

_FOLDER: Final = Path(__file__).parent


def write_page(audit: Audit, previews: Previews) -> str:
    """Write the page.

    Args:
        audit: What all checks said.
        previews: Gives the encoded thumbnail of a file; see `file_previews`. Called from several
            threads at once.

    Returns:
        HTML that UTF-8 can encode, of less than 20 MB: where there is more to show, the most
        important of each check is shown, and the page says where the rest is.

    Raises:
        DependencyError: Jinja2 is not installed.
    """
    # Before the thumbnails, which take longer than it takes to say that a package is missing.
    template = _environment().get_template("page.html")
    shown = page_view.sections(audit)
    return template.render(
        audit=audit,
        view=page_view,
        charts=page_chart,
        sections=shown,
        thumbnails=_thumbnails_of(shown, previews),
        style=(_FOLDER / "page.css").read_text("utf-8"),
        script=(_FOLDER / "page.js").read_text("utf-8"),
    )


def _thumbnails_of(shown: tuple[Section, ...], previews: Previews) -> dict[str, Thumbnail]:
    findings = [finding for section in shown for finding in section.pictured]
    return make_thumbnails((item.path for row in findings for item in row.pictured), previews)


def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise DependencyError(
            "the page is written with Jinja2, which is not installed. "
            'Run: pip install "candid-image[audit]"'
        ) from error

    def finalize(value: object) -> object:
        return value if hasattr(value, "__html__") else show_text(str(value))

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Of everything that the template puts out, so that nothing is forgotten.
        finalize=finalize,
    )
    environment.filters["hash"] = _hash
    return environment


def _hash(text: str) -> str:
    """The hash by which a security policy knows a script or style (CSP Level 3, section 2.3.1)."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}"
