"""``candid serve``: trained runs, or an export to the web, behind HTTP."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from candid.cli.console import has_screen, print_error, reject_options
from candid.errors import UsageError

#: Options that --static uses too.
_STATIC_OPTIONS: Final = frozenset({"runs", "host", "port", "static", "no_open"})


class LogFormat(StrEnum):
    """Format of the log."""

    text = "text"
    json = "json"


def serve(
    context: typer.Context,
    runs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN...", help="Runs; the first is the default. [runs/latest]"),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all networks.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="N", help="Port; 0 for any free one.", min=0, max=65535)
    ] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of the token that clients must send. [CANDID_TOKEN, or none]"
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN",
            help="Origin whose pages may ask, as https://example.org; can be repeated.",
        ),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(help="Format of the log.")] = LogFormat.text,
    max_mb: Annotated[
        int,
        typer.Option(
            "--max-mb", metavar="N", help="Limit of megabytes per request.", min=1, max=512
        ),
    ] = 32,
    max_images: Annotated[
        int, typer.Option(metavar="N", help="Limit of images per request.", min=1)
    ] = 64,
    max_megapixels: Annotated[
        int, typer.Option(metavar="N", help="Limit of megapixels per image.", min=1, max=178)
    ] = 50,
    queue: Annotated[
        int, typer.Option(metavar="N", help="Limit of waiting images; beyond it, 503.", min=1)
    ] = 256,
    no_similar: Annotated[
        bool,
        typer.Option("--no-similar", help="Show clients no photos of the data: similar, samples."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit of a request.", min=0.1, max=3600)
    ] = 30,
    static: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Serve a folder written by candid export --to web, instead of runs.",
        ),
    ] = None,
    no_open: Annotated[
        bool, typer.Option("--no-open", help="With --static: don't open the browser.")
    ] = False,
) -> None:
    """Serve runs over HTTP until stopped.

    A replaced run, or a new target of latest, is loaded while the old one answers.
    """
    if static is not None:
        if runs:
            raise UsageError("--static serves one exported folder; leave out the runs.")
        _serve_static(context, static, host, port, opens=not no_open)
        return
    from concurrent.futures import ThreadPoolExecutor

    from candid.core.extras import require_packages

    packages = ("fastapi", "prometheus_client", "uvicorn")
    require_packages(packages, needed_by="`candid serve`", extra="serve")
    from candid.server.cors import read_origin
    from candid.server.log import configure, tell, warn
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
        cors_origins=tuple(map(read_origin, cors_origin or ())),
    )
    # Runs are loaded while FastAPI is imported: each takes much of the start-up time.
    with ThreadPoolExecutor(1) as pool:
        paths = runs or [Path("runs/latest")]
        loading = pool.submit(Models, paths, settings.max_pixels, similar=not no_similar)
        from candid.server.addresses import address_of, listen
        from candid.server.app import App
        from candid.server.running import serve as run_server

        bound = listen(host, port)
        models = loading.result()
    configure(as_json=log_format == LogFormat.json)
    if settings.token is None and not bound.getsockname()[0].startswith(("127.", "::1")):
        warn("note: anybody who reaches this port can use it; --token-file sets a token.")

    def started() -> None:
        tell(f"Serving {', '.join(model.name for model in models)} on {address_of(bound)}")

    app = App(models, settings)
    run_server(app, settings, bound, started=started, on_hangup=app.reloader.ask)


def _serve_static(
    context: typer.Context, folder: Path, host: str, port: int, *, opens: bool
) -> None:
    reject_options(
        context,
        lambda name: name not in _STATIC_OPTIONS,
        why="not for --static, which serves files without authentication",
        instead="serve the run itself: candid serve RUN",
    )
    import webbrowser
    from urllib.parse import urlsplit

    from candid.server.addresses import is_loopback
    from candid.server.static import find_served, serve_static

    def started(address: str) -> None:
        if not is_loopback(urlsplit(address).hostname or ""):
            print_error("note: anybody who reaches this port can download the page and the model.")
        typer.echo(f"Serving {folder} on {address}")
        if opens and has_screen():  # without one, a text browser would take over the terminal
            webbrowser.open(address)

    serve_static(find_served(folder), host, port, started=started)
