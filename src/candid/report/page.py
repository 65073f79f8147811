"""The page of a run: one HTML file that needs no network and opens from disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from candid.pages import Previews, make_environment, make_thumbnails, read_together
from candid.report import page_view, saying

if TYPE_CHECKING:
    from candid.report.contents import Contents
    from candid.report.page_view import View

__all__ = ["Previews", "write_page"]

_FOLDER: Final = Path(__file__).parent


def write_page(contents: Contents, previews: Previews) -> str:
    """Write the page.

    Args:
        contents: What is shown.
        previews: Gives the encoded thumbnail of a file of the data folder; see
            `candid.pages.file_previews`. Called from several threads at once.

    Returns:
        HTML that UTF-8 can encode, of less than 20 MB: of many photos the most telling are shown,
        and the page says how many there are.

    Raises:
        DependencyError: Jinja2 is not installed.
    """
    # Before the thumbnails, which take longer than it takes to say that a package is missing.
    template = make_environment(_FOLDER, extra="transfer").get_template("page.html")
    view = page_view.make_view(contents)
    return template.render(
        contents=contents,
        evaluation=contents.evaluation,
        view=view,
        limits=page_view,
        say=saying,
        thumbnails=make_thumbnails(_pictured(view), previews),
        style=read_together(_FOLDER, "base.css", "page_charts.css", "page.css"),
        script=read_together(_FOLDER, "base.js", "viewer.js", "page.js"),
    )


def _pictured(view: View) -> Iterator[str]:
    """The photos on the page, as often as they are on it, the most important first."""
    yield from (mistake.path for mistake in view.mistakes)
    yield from (photo.path for cell in view.matrix.panels for photo in cell.shown)
