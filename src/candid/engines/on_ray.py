"""Workers of a Ray cluster: one actor for each processor core, with one ONNX session each.

    files ─ read ─▶ batches of bytes ─┬─▶ actor: decode, embed ─┬─▶ rows, in order
    addresses ─────▶ batches ─────────┴─▶ actor: read, …  ──────┘

The bytes of files travel, as only this process is sure to see them; what has an address, as in a
bucket, is read by the actors. Vectors and answers come back, never pixels. What is in flight is
bounded by bytes. ``docs/adr/0031-ray.md`` says why this is not Ray Data.
"""

from __future__ import annotations

import os
import re
import socket
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from candid.core.progress import Progress
from candid.core.temp_dir import temp_dir
from candid.core.text import first_line
from candid.core.threads import map_ahead
from candid.data.file_reader import FileReader
from candid.data.location import Location
from candid.data.source import holds_secrets
from candid.engines.engine import Item, Result, Row, Work
from candid.engines.flow import BATCH_ROWS, READERS, Batch, Flow, Tally, fetch, watched
from candid.errors import UsageError

_BATCH_BYTES: Final = 4 * 1024**2
_STORE_BYTES: Final = 512 * 1024**2
_ANSWER_S: Final = 5.0
#: Of a cluster whose server for a new client did not start in time, or found its port taken.
_SLOW: Final = "Starting Ray client server failed"
#: In the address of a location: a scheme that every node can read.
_ELSEWHERE: Final = re.compile(r"(?:^|::)(?!file:|local:|memory:|zip:|tar:)[a-z][a-z0-9+.-]*://")
_TOKEN: Final = Path("~/.ray/auth_token").expanduser()
_LONGEST_FOLDER: Final = 40  # Ray makes sockets below, whose paths may have 107 bytes


class Ray:
    """The engine of ``--engine ray``, see `candid.engines.open_engine`."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._resources = ExitStack()
        self._ray: Any = None
        self._tally = Tally()
        self._actors: dict[Any, deque[Any]] = {}

    def map(
        self,
        work: Work[Result],
        items: Iterable[Item],
        *,
        reader: FileReader | None = None,
        num_ahead: int | None = None,  # noqa: ARG002
    ) -> Iterator[Row[Result]]:
        """See `Engine.map`.

        Raises:
            CandidError: Half of the latest photos could not be read, or Ray has no worker any more.
            DependencyError: The workers have no Candid, or another version.
            UsageError: The cluster can't be reached.
        """
        ray, tally = self._started(), self._tally
        flow: Flow[Result] = Flow(ray, self._actors, tally, work, reader is not None)
        yield from watched(flow.rows(self._batches(items, reader)), tally)

    def say_what_was_tried_again(self) -> None:
        """Say it in one line, if anything was."""
        if line := self._tally.to_text():
            self._progress.say(line)

    def release(self) -> None:
        """See `Engine.release`."""
        for actor in self._actors:
            with suppress(Exception):  # what is gone need not be ended
                self._ray.kill(actor)
        self._actors.clear()

    def num_nodes(self) -> int:
        """See `Engine.num_nodes`."""
        if self._name.startswith("ray://"):  # Ray Train runs in no client
            return 1
        return sum(node["Alive"] and "CPU" in node["Resources"] for node in self._started().nodes())

    def close(self) -> None:
        """End the actors, and Ray if it was started here."""
        self.release()
        self._resources.close()

    def _started(self) -> Any:
        if self._ray is None:
            with self._progress.step("Starting Ray", 0):
                self._ray = self._start()
        return self._ray

    def _start(self) -> Any:
        address = self._name if "://" in self._name else os.environ.get("RAY_ADDRESS", "local")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address != "local":
            _require_answer(address)
        if address.startswith("ray://") and _TOKEN.exists():
            # A cluster that `ray start` made where there is a token asks for it; others ignore it.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        import ray

        if ray.is_initialized():  # by the caller, whose it stays
            return ray
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == "local":
            given |= {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
            folder = str(self._resources.enter_context(temp_dir("candid-ray-")))
            if len(folder) <= _LONGEST_FOLDER:
                given["_temp_dir"] = folder
        self._resources.callback(ray.shutdown)
        try:
            try:
                ray.init(address, **given)
            except RuntimeError as error:
                if _SLOW not in str(error):
                    raise
                ray.init(address, **given)  # the next of the ports that it gives its clients
        except (ConnectionError, RuntimeError, OSError, ValueError) as error:
            why = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise UsageError(
                f"Ray can't be used at {address}: {why[0]}. If it asks for a token, set "
                "RAY_AUTH_MODE=token."
            ) from error
        _keep_off_stdout()
        return ray

    def _batches(self, items: Iterable[Item], reader: FileReader | None) -> Iterator[Batch]:
        """Batches bounded by bytes and rows, whose files are read here."""
        fetched = map_ahead(partial(self._fetch_here, reader), items, num_ahead=2 * READERS)
        batch: list[Item] = []
        num_bytes, start = 0, 0
        for item in fetched:
            size = len(item[1]) if isinstance(item[1], bytes) else getattr(item[1], "nbytes", 0)
            if batch and (num_bytes + size > _BATCH_BYTES or len(batch) == BATCH_ROWS):
                yield Batch(start, batch, num_bytes)
                start, batch, num_bytes = start + len(batch), [], 0
            batch.append(item)
            num_bytes += size
        if batch:
            yield Batch(start, batch, num_bytes)

    def _fetch_here(self, reader: FileReader | None, item: Item) -> Item:
        key, content = item
        travels = isinstance(content, Location) and _ELSEWHERE.search(content.address)
        if (travels and not holds_secrets()) or not isinstance(content, Path | Location):
            return item
        found, tried = fetch(reader, item)
        self._tally.reads += tried
        return key, found


def _require_answer(address: str) -> None:
    """Ray itself tries for minutes, and prints."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:  # such as ``auto``
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address}: {first_line(error)}. Expected ray://HOST:10001, "
            "the port for clients of `ray start --head`; or, on a node, HOST:6379 in RAY_ADDRESS."
        ) from error


def _keep_off_stdout() -> None:
    """Ray prints deaths of workers to stdout, ``log_to_driver=False`` or not: amid CSV and JSON."""
    with suppress(ImportError, AttributeError):
        from ray._private import worker

        worker.print_to_stdstream = lambda *_, **__: None
