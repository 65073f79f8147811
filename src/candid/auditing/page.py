"""The page of an audit: one HTML file that needs no network and opens from disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.auditing import page_view
from candid.reporting.pages import (
    Previews,
    Thumbnail,
    file_previews,
    make_environment,
    make_thumbnails,
    read_together,
)

if TYPE_CHECKING:
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
    template = make_environment(_FOLDER, extra="audit").get_template("page.html")
    shown = page_view.sections(audit)
    return template.render(
        audit=audit,
        view=page_view,
        sections=shown,
        thumbnails=_thumbnails_of(shown, previews),
        style=read_together(_FOLDER, "base.css", "page.css"),
        script=read_together(_FOLDER, "base.js", "viewer.js", "page.js"),
    )


def _thumbnails_of(shown: tuple[Section, ...], previews: Previews) -> dict[str, Thumbnail]:
    findings = [finding for section in shown for finding in section.pictured]
    return make_thumbnails((item.path for row in findings for item in row.pictured), previews)
