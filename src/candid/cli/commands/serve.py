"""``candid serve``: trained runs, or an export to the web, behind HTTP."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from candid.cli.console import refuse_typed, say

#: Of the options, those that a folder is served by too.
_OF_STATIC: Final = frozenset({"runs", "host", "port", "static", "no_open"})


def serve(
    context: typer.Context,
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Runs; the first is asked by default. [runs/latest]")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; 0.0.0.0 for all networks.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(help="Holds the token that clients have to send. [CANDID_TOKEN, or none]"),
    ] = None,
    max_mb: Annotated[
        int, typer.Option("--max-mb", help="Megabytes of one request.", min=1, max=512)
    ] = 32,
    max_images: Annotated[int, typer.Option(help="Images in one request.", min=1)] = 64,
    max_megapixels: Annotated[
        int, typer.Option(help="Megapixels of one image.", min=1, max=178)
    ] = 50,
    queue: Annotated[int, typer.Option(help="Images that may wait; beyond them 503.", min=1)] = 256,
    timeout: Annotated[
        float, typer.Option(help="Seconds for one request.", min=0.1, max=3600)
    ] = 30,
    static: Annotated[
        Path | None,
        typer.Option(help="Instead of RUNS: a folder of candid export --to web, as it is."),
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="With --static: do not open the browser.")
    ] = False,
) -> None:
    """Answer requests with RUNS, until it is stopped.

    A run that is replaced, or to which latest points anew, is loaded while the old one answers.
    """
    if static is not None:
        _require_static_alone(context, runs)
        _serve_static(static, host, port, opens=not no_open)
        return
    from concurrent.futures import ThreadPoolExecutor

    from candid.core.extras import require_packages

    packages = ("fastapi", "prometheus_client", "python_multipart", "uvicorn")
    require_packages(packages, needed_by="`candid serve`", extra="serve")
    from candid.server.models import Models
    from candid.server.settings import Settings, read_token

    settings = Settings(
        max_body_bytes=max_mb * 2**20,
        max_images=max_images,
        max_pixels=max_megapixels * 1_000_000,
        max_waiting_images=queue,
        max_waiting_bytes=2 * max_mb * 2**20,
        request_s=timeout,
        stop_s=timeout + 5,
        token=read_token(token_file),
    )
    # Runs are loaded while FastAPI is imported: each takes a good part of the time to start.
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(Models, runs or [Path("runs/latest")], settings.max_pixels)
        from candid.server.addresses import address_of, listen
        from candid.server.app import App
        from candid.server.running import serve as run_server

        bound = listen(host, port)
        models = loading.result()
    if settings.token is None and not bound.getsockname()[0].startswith(("127.", "::1")):
        say("note: anybody who reaches this port may ask; --token-file asks them for a token.")
    names = ", ".join(models.names)

    def started() -> None:
        typer.echo(f"Serving {names} on {address_of(bound)}")

    run_server(App(models, settings), settings, bound, started=started)


def _require_static_alone(context: typer.Context, runs: list[Path] | None) -> None:
    """Refuse, beside --static, what would be read past: a token that is not asked for, above all.

    Raises:
        UsageError: There are runs, or options that are not `_OF_STATIC`.
    """
    from candid.errors import UsageError

    if runs:
        raise UsageError("--static serves one exported folder; leave out the runs.")
    refuse_typed(
        context,
        lambda name: name not in _OF_STATIC,
        why="not for --static, which serves the files of a folder to whoever asks",
        instead="serve the run itself: candid serve RUN",
    )


def _serve_static(folder: Path, host: str, port: int, *, opens: bool) -> None:
    import webbrowser
    from urllib.parse import urlsplit

    from candid.server.addresses import is_loopback
    from candid.server.static import find_served, serve_static

    def started(address: str) -> None:
        if not is_loopback(urlsplit(address).hostname or ""):
            say("note: anybody who reaches this port may ask for the page, and so for the model.")
        typer.echo(f"Serving {folder} on {address}")
        if opens and _has_screen():
            webbrowser.open(address)

    serve_static(find_served(folder), host, port, started=started)


def _has_screen() -> bool:
    """Whether a browser has somewhere to appear; a text browser would take the terminal."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
