"""``candid serve``: trained runs behind HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from candid.console import say


def serve(
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
    timeout: Annotated[float, typer.Option(help="Seconds for one request.", min=0.1)] = 30,
) -> None:
    """Answer requests with RUNS, until it is stopped.

    A run that is replaced, or to which latest points anew, is loaded while the old one answers.
    """
    from concurrent.futures import ThreadPoolExecutor

    from candid.packages import require_packages

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
        from candid.server.app import App
        from candid.server.running import address_of, listen
        from candid.server.running import serve as run_server

        bound = listen(host, port)
        models = loading.result()
    if settings.token is None and not bound.getsockname()[0].startswith(("127.", "::1")):
        say("note: anybody who reaches this port may ask; --token-file asks them for a token.")
    names = ", ".join(models.names)

    def started() -> None:
        typer.echo(f"Serving {names} on {address_of(bound)}")

    run_server(App(models, settings), settings, bound, started=started)
