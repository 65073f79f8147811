"""``candid studio``: look, clean, label, train, try and ship, in a browser on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.cli.console import has_screen


def studio(
    data: Annotated[
        Path | None, typer.Argument(metavar="DATA", help="Folder to open, a sub-folder per class.")
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="N", help="Port; 0 for any free one.", min=0, max=65535)
    ] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Don't open the browser.")] = False,
) -> None:
    """Look at photos, clean, label, train, try and export, in the browser on this machine."""
    from candid.studio.app import make_app, require

    require()
    import webbrowser

    from candid.cli.demo import draw_sample
    from candid.server.addresses import address_of, listen
    from candid.server.running import serve
    from candid.server.settings import Settings
    from candid.studio.studio import Studio

    bound = listen("127.0.0.1", port)
    opened = Studio(draw_sample)
    if data is not None:
        opened.open(data)
    settings = Settings(idle_s=60)
    app = make_app(opened, settings, bound.getsockname()[1])
    address = f"{address_of(bound)}/?token={app.token}"

    def started() -> None:
        typer.echo(f"The studio is open at {address}\nThe address works once. Ctrl-C stops it.")
        if not no_open and has_screen():
            webbrowser.open(address)

    serve(app, settings, bound, started=started)
