"""Workers of a Ray cluster: one actor for each processor core, with one ONNX session each.

    files ─ read ─▶ batches of bytes ─┬─▶ actor: decode, embed ─┬─▶ rows, in order
    locations ─────▶ batches ─────────┴─▶ actor: read, …  ──────┘

The bytes of files travel, as only this process is sure to see them; locations are read by the
actors. Vectors and answers come back, never pixels. What is in flight is bounded by bytes. A batch
whose actor died, or was lost with its node, is given to another one. ``docs/adr/0031-ray.md`` says
why this is not Ray Data.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple

from candid._version import __version__
from candid.core.progress import Progress
from candid.core.temp_dir import temp_dir
from candid.core.text import first_line, join_names, plural
from candid.core.threads import map_ahead
from candid.data.file_reader import FileReader
from candid.data.location import Slice
from candid.engines.engine import Item, Result, Row, Work, read, work_on
from candid.errors import CandidError, DependencyError, ReadError, UsageError

_BATCH_BYTES: Final = 4 * 1024**2
_BATCH_ROWS: Final = 16
_PER_ACTOR: Final = 2  # batches: one in work, one that waits
_IN_FLIGHT_BYTES: Final = 256 * 1024**2
_AHEAD: Final = 8  # batches an actor that may be done before an earlier one is
_STORE_BYTES: Final = 512 * 1024**2
_READERS: Final = 8  # threads of an actor that wait for storage
_READ_TRIES: Final = 7
_FIRST_PAUSE_S: Final = 0.05  # doubled by every try
_BATCH_TRIES: Final = 3  # deaths of its actor, before each photo goes alone; and of one alone
_PASSING: Final = ("read", "worker")  # failures that are tried again
_LATEST: Final = 100  # rows, of which half may fail to be read
_PATIENCE_S: Final = 300.0  # without any actor
_ANSWER_S: Final = 5.0
_COUNT_EVERY_S: Final = 2.0  # the cores of the cluster
_LONGEST_FOLDER: Final = 40  # Ray makes sockets below, whose paths may have 107 bytes


class _Done(NamedTuple):
    rows: list[Row[Any]]
    num_reread: int


class _Actor:
    """A process that holds one piece of work."""

    def hello(self) -> str:
        """The version of Candid here."""
        return __version__

    def load(self, work: Work[Any], has_hashes: bool) -> None:
        """Take up work; keys are hashes of contents, or not."""
        self._work, self._reader = work, FileReader() if has_hashes else None

    def do(self, batch: list[Item]) -> _Done:
        """One row for each item."""
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(zip(batch, pool.map(partial(_fetch, self._reader), batch), strict=True))
        rows = [
            got if isinstance(got, Row) else work_on(self._work, None, (key, got))
            for (key, _), (got, _) in found
        ]
        return _Done(rows, sum(tried for _, (_, tried) in found))


def _fetch(reader: FileReader | None, item: Item) -> tuple[object, int]:
    """What to work on, or the row of a failure; and how often it was read again."""
    key, content = item
    for tried in count():
        try:
            return read(content, key, reader), tried
        except ReadError as error:
            if tried + 1 == _READ_TRIES:
                return Row(key, None, "read", str(error)), tried
            time.sleep(_FIRST_PAUSE_S * 2**tried * random.uniform(0.5, 1.5))
        except CandidError as error:
            return Row(key, None, "decode", str(error)), tried
    raise AssertionError("a read ends")


@dataclass(eq=False)
class _Batch:
    """Items that travel together; their rows have consecutive numbers."""

    number: int
    items: list[Item]
    num_bytes: int
    num_deaths: int = 0


@dataclass
class _Tally:
    """What was tried again."""

    reads: int = 0
    batches: int = 0
    deaths: int = 0
    failed: int = 0  # in the end

    def to_text(self) -> str:
        """One line; empty if nothing was."""
        done = [plural(self.reads, "read")] if self.reads else []
        if self.batches:
            done.append(f"{plural(self.batches, 'batch', 'batches')} of photos")
        if not done:
            return ""
        why = f", as {plural(self.deaths, 'worker')} of Ray died" if self.deaths else ""
        end = (
            f"{plural(self.failed, 'photo')} could not be read" if self.failed else "all were read"
        )
        return f"tried again: {join_names(done)}{why}; in the end {end}"


class Ray:
    """The engine of ``--engine ray``, see `candid.engines.open_engine`."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._resources = ExitStack()
        self._ray: Any = None
        self.tally = _Tally()
        self.actors: dict[Any, deque[Any]] = {}  # with what each has in flight

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
        """
        if self._ray is None:
            with self._progress.step("Starting Ray", 0):
                self._ray = self._start()
        flow: _Flow[Result] = _Flow(self, self._ray, work, reader is not None)
        for row in _watched(flow.rows(self._batches(items, reader))):
            self.tally.failed += row.error in _PASSING
            yield row

    def say_what_was_tried_again(self) -> None:
        """Say it in one line, if anything was."""
        if line := self.tally.to_text():
            self._progress.say(line)

    def close(self) -> None:
        """End the actors, and Ray if it was started here."""
        for actor in self.actors:
            with suppress(Exception):  # what is gone need not be ended
                self._ray.kill(actor)
        self._resources.close()

    def _start(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        import ray

        if ray.is_initialized():  # by the caller, whose it stays
            return ray
        address = self._name if "://" in self._name else os.environ.get("RAY_ADDRESS", "local")
        given: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == "local":
            given |= {"object_store_memory": _STORE_BYTES, "include_dashboard": False}
            folder = str(self._resources.enter_context(temp_dir("candid-ray-")))
            if len(folder) <= _LONGEST_FOLDER:
                given["_temp_dir"] = folder
        elif address.startswith("ray://"):
            _require_answer(address)
        self._resources.callback(ray.shutdown)
        try:
            ray.init(address, **given)
        except (ConnectionError, RuntimeError, OSError, ValueError) as error:
            raise UsageError(f"Ray can't be used at {address}: {first_line(error)}") from error
        _keep_off_stdout()
        return ray

    def _batches(self, items: Iterable[Item], reader: FileReader | None) -> Iterator[_Batch]:
        """Batches bounded by bytes and rows, whose files are read here."""
        fetched = map_ahead(partial(self._fetch_here, reader), items, num_ahead=2 * _READERS)
        batch: list[Item] = []
        num_bytes, start = 0, 0
        for item in fetched:
            size = len(item[1]) if isinstance(item[1], bytes) else getattr(item[1], "nbytes", 0)
            if batch and (num_bytes + size > _BATCH_BYTES or len(batch) == _BATCH_ROWS):
                yield _Batch(start, batch, num_bytes)
                start, batch, num_bytes = start + len(batch), [], 0
            batch.append(item)
            num_bytes += size
        if batch:
            yield _Batch(start, batch, num_bytes)

    def _fetch_here(self, reader: FileReader | None, item: Item) -> Item:
        key, content = item
        if not isinstance(content, Path | Slice):
            return item
        found, tried = _fetch(reader, item)
        self.tally.reads += tried
        return key, found


@dataclass
class _Flow(Generic[Result]):
    """One `Ray.map`: what is in flight, and what arrived out of order."""

    engine: Ray
    ray: Any
    work: Work[Result]
    has_hashes: bool
    starting: dict[Any, Any] = field(default_factory=dict)  # what is waited for → actor
    in_flight: dict[Any, tuple[Any, _Batch]] = field(default_factory=dict)
    again: deque[_Batch] = field(default_factory=deque)
    arrived: dict[int, list[Row[Result]]] = field(default_factory=dict)
    yielded: int = 0
    num_cores: int = 0
    counted: float = 0.0
    last_seen: float = field(default_factory=time.monotonic)  # some actor

    def rows(self, batches: Iterator[_Batch]) -> Iterator[Row[Result]]:
        """Yield rows in order; ends after as many as there are items."""
        self.put = self.ray.put(self.work)
        for actor, busy in list(self.engine.actors.items()):
            busy.clear()
            self._load(actor)
        following = next(batches, None)
        while following or self.again or self.in_flight or self.arrived:
            while (batch := self._choose(following)) and self._send(batch):
                following = next(batches, None) if batch is following else following
            self._collect()
            while rows := self.arrived.pop(self.yielded, None):
                self.yielded += len(rows)
                yield from rows

    def _choose(self, following: _Batch | None) -> _Batch | None:
        """The next batch to be sent: one that failed before all others."""
        if self.again:
            return self.again[0]
        if following is None or not self.in_flight:
            return following
        num_bytes = sum(batch.num_bytes for _, batch in self.in_flight.values())
        most_rows = _AHEAD * _BATCH_ROWS * max(1, len(self.engine.actors))
        is_far = following.number - self.yielded > most_rows
        return None if is_far or num_bytes + following.num_bytes > _IN_FLIGHT_BYTES else following

    def _send(self, batch: _Batch) -> bool:
        """Give a batch to the least busy actor; False if none has room, and one more may start."""
        ready = [a for a in self.engine.actors if a not in self.starting.values()]
        actor = min(ready, key=lambda one: len(self.engine.actors[one]), default=None)
        if actor is None or self.engine.actors[actor]:
            self._start_another()
        if actor is None or len(self.engine.actors[actor]) >= _PER_ACTOR:
            return False
        if self.again and batch is self.again[0]:
            self.again.popleft()
        ref = actor.do.remote(batch.items)
        self.engine.actors[actor].append(ref)
        self.in_flight[ref] = actor, batch
        return True

    def _start_another(self) -> None:
        """Start an actor if a core has none; where none is free, Ray starts it later or never."""
        if (now := time.monotonic()) - self.counted > _COUNT_EVERY_S:
            self.counted = now
            self.num_cores = int(self.ray.cluster_resources().get("CPU", 0))
        if len(self.engine.actors) < max(1, self.num_cores):
            actor = self.ray.remote(_Actor).options(num_cpus=1, max_restarts=0).remote()
            self.engine.actors[actor] = deque()
            self.starting[actor.hello.remote()] = actor

    def _load(self, actor: Any) -> None:
        self.starting[actor.load.remote(self.put, self.has_hashes)] = actor

    def _collect(self) -> None:
        """Take what arrived; wait for something."""
        waited = [*self.in_flight, *self.starting]
        ready, _ = self.ray.wait(waited, num_returns=1, timeout=1.0)
        if ready:
            ready, _ = self.ray.wait(waited, num_returns=len(waited), timeout=0)
        for ref in ready:  # in the order in which they were sent
            if ref in self.in_flight:
                self._take(ref)
            elif ref in self.starting:
                self._greet(ref)
        if len(self.engine.actors) > len(self.starting):
            self.last_seen = time.monotonic()
        elif time.monotonic() - self.last_seen > _PATIENCE_S:
            raise CandidError(
                f"Ray had no free processor core for {_PATIENCE_S:.0f} s: all nodes are lost or "
                "used by others. Run the same command again; what was computed is kept."
            )

    def _greet(self, ref: Any) -> None:
        """An actor has started, and has taken up the work."""
        actor = self.starting.pop(ref)
        try:
            answer = self.ray.get(ref)
        except self.ray.exceptions.RayError as error:
            self.engine.actors.pop(actor, None)
            self._require_startable(error)
            return
        if answer is None:
            return
        if answer != __version__:
            raise DependencyError(
                f"Ray's workers have Candid {answer}, this is {__version__}. Run on every node: "
                f"pip install candid-image=={__version__}"
            )
        self._load(actor)

    def _require_startable(self, error: Exception) -> None:
        """Raise if no actor can ever start; one that was killed or lost may be started again."""
        text = str(error)
        if "failed to import" in text or "No module named" in text:
            raise DependencyError(
                "Ray's workers can't import Candid. Run on every node: "
                f"pip install candid-image=={__version__}"
            ) from error
        if isinstance(error, self.ray.exceptions.RayTaskError):
            raise _cause_of(error) from error
        self.engine.tally.deaths += 1

    def _take(self, ref: Any) -> None:
        """The rows of a batch; if its actor died, the batch is sent again."""
        actor, batch = self.in_flight.pop(ref)
        try:
            done: _Done = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            raise _cause_of(error) from error
        except self.ray.exceptions.RayError:
            self._lose(actor, batch)
            return
        if actor in self.engine.actors:
            self.engine.actors[actor].remove(ref)
        self.arrived[batch.number] = done.rows
        self.engine.tally.reads += done.num_reread

    def _lose(self, actor: Any, batch: _Batch) -> None:
        """Send a batch of a lost actor again, or its photos alone: one may have killed it."""
        tally = self.engine.tally
        if self.engine.actors.pop(actor, None) is not None:
            batch.num_deaths += 1  # it was in work; what waited behind it is not to blame
            tally.deaths += 1
            with suppress(Exception):  # it may be unreachable rather than dead
                self.ray.kill(actor)
        tally.batches += 1
        if batch.num_deaths < _BATCH_TRIES:
            self.again.append(batch)
        elif len(batch.items) > 1:
            share = batch.num_bytes // len(batch.items)
            alone = enumerate(batch.items, batch.number)
            self.again.extend(_Batch(number, [item], share) for number, item in alone)
        else:
            [(key, _)] = batch.items
            reason = f"the process that read it died, {batch.num_deaths} times"
            self.arrived[batch.number] = [Row(key, None, "worker", reason)]


def _watched(rows: Iterator[Row[Result]]) -> Iterator[Row[Result]]:
    """The same rows; ends the run where storage or cluster seem to be down.

    Photos that can't be decoded are no reason to end: they are what an audit looks for.
    """
    latest: deque[bool] = deque(maxlen=_LATEST)
    for row in rows:
        latest.append(row.error in _PASSING)
        if sum(latest) > _LATEST / 2:
            raise CandidError(
                f"{sum(latest)} of the latest {len(latest)} photos could not be read, such as "
                f"{row.key}: {row.reason}. Check the storage, and run the same command again."
            )
        yield row


def _cause_of(error: Any) -> BaseException:
    """A known error of ours that was raised in an actor; of others, Ray's with the traceback."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, CandidError) else error


def _require_answer(address: str) -> None:
    """Ray's own client tries for half a minute, and prints."""
    host, _, port = address.removeprefix("ray://").rstrip("/").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"no Ray cluster answers at {address}: {first_line(error)}. Expected the port of its "
            "client server, which `ray start --head` opens, 10001 by default."
        ) from error


def _keep_off_stdout() -> None:
    """Ray prints deaths of workers to stdout, ``log_to_driver=False`` or not: amid CSV and JSON."""
    with suppress(ImportError, AttributeError):
        from ray._private import worker

        worker.print_to_stdstream = lambda *_, **__: None
