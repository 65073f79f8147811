"""Batches of photos in flight to the actors of Ray, and their rows in order.

A batch whose actor died, or was lost with its node, is given to another one. One that loses its
actor again and again is taken apart: then each photo goes alone, and the one that kills the process
which reads it becomes a row with that reason.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final, Generic, NamedTuple

from candid._version import __version__
from candid.core.text import first_line, join_names, plural
from candid.data.file_reader import FileReader
from candid.engines.engine import Item, Result, Row, Work, read, work_on
from candid.errors import CandidError, DependencyError, ReadError

#: Most items of a batch.
BATCH_ROWS: Final = 16
#: Threads of an actor, and of this process, that wait for storage.
READERS: Final = 8
_PER_ACTOR: Final = 2  # batches: one in work, one that waits
_IN_FLIGHT_BYTES: Final = 256 * 1024**2
_AHEAD: Final = 8  # batches an actor that may be done before an earlier one is
_READ_TRIES: Final = 7
_FIRST_PAUSE_S: Final = 0.05  # doubled by every try
_BATCH_TRIES: Final = 3  # deaths of its actor, before each photo goes alone; and of one alone
_LATEST: Final = 100  # rows, of which half may fail to be read
_MOST_FAILED_STARTS: Final = 20
_PATIENCE_S: Final = 300.0  # without any actor
_COUNT_EVERY_S: Final = 2.0  # the cores of the cluster


class _Done(NamedTuple):
    rows: list[Row[Any]]
    num_reread: int


class Actor:
    """A process that holds one piece of work."""

    def hello(self) -> str:
        """The version of Candid here."""
        return __version__

    def load(self, work: Work[Any], has_hashes: bool) -> None:
        """Take up work; keys are hashes of contents, or not."""
        self._work, self._reader = work, FileReader() if has_hashes else None

    def do(self, batch: list[Item]) -> _Done:
        """One row for each item."""
        rows, num_reread = [], 0
        with ThreadPoolExecutor(READERS) as pool:
            fetched = pool.map(partial(fetch, self._reader), batch)
            for (key, _), (got, tried) in zip(batch, fetched, strict=True):
                rows.append(got if isinstance(got, Row) else work_on(self._work, None, (key, got)))
                num_reread += tried
        return _Done(rows, num_reread)


def fetch(reader: FileReader | None, item: Item) -> tuple[object, int]:
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
class Batch:
    """Items that travel together; their rows have consecutive numbers."""

    number: int
    items: list[Item]
    num_bytes: int
    num_deaths: int = 0


@dataclass
class Tally:
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


@dataclass
class Flow(Generic[Result]):
    """Work on the actors: what is in flight, and what arrived out of order.

    Attributes:
        ray: The module.
        actors: With what each has in flight; a flow adds and removes some, and the next goes on.
        tally: Is added to.
    """

    ray: Any
    actors: dict[Any, deque[Any]]
    tally: Tally
    work: Work[Result]
    has_hashes: bool
    starting: dict[Any, Any] = field(default_factory=dict)  # what is waited for → actor
    in_flight: dict[Any, tuple[Any, Batch]] = field(default_factory=dict)
    again: deque[Batch] = field(default_factory=deque)
    arrived: dict[int, list[Row[Result]]] = field(default_factory=dict)
    yielded: int = 0
    num_cores: int = 0
    num_failed_starts: int = 0  # in a row
    counted: float = 0.0
    last_seen: float = field(default_factory=time.monotonic)  # some actor

    def rows(self, batches: Iterator[Batch]) -> Iterator[Row[Result]]:
        """Yield rows in order; ends after as many as there are items."""
        self._work = self.ray.put(self.work)
        for actor, busy in self.actors.items():
            busy.clear()
            self._load(actor)
        following = next(batches, None)
        while following or self.again or self.in_flight:
            while (batch := self._choose(following)) and self._send(batch):
                following = next(batches, None) if batch is following else following
            self._collect()
            while rows := self.arrived.pop(self.yielded, None):
                self.yielded += len(rows)
                yield from rows

    def _choose(self, following: Batch | None) -> Batch | None:
        """The next batch to be sent: one that failed before all others."""
        if self.again:
            return self.again[0]
        if following is None or not self.in_flight:
            return following
        num_bytes = sum(batch.num_bytes for _, batch in self.in_flight.values())
        most_rows = _AHEAD * BATCH_ROWS * max(1, len(self.actors))
        is_far = following.number - self.yielded > most_rows
        return None if is_far or num_bytes + following.num_bytes > _IN_FLIGHT_BYTES else following

    def _send(self, batch: Batch) -> bool:
        """Give a batch to the least busy actor; False if none has room, and one more may start."""
        starting = set(self.starting.values())
        ready = (one for one in self.actors if one not in starting)
        actor = min(ready, key=lambda one: len(self.actors[one]), default=None)
        if actor is None or self.actors[actor]:
            self._start_another()
        if actor is None or len(self.actors[actor]) >= _PER_ACTOR:
            return False
        if self.again and batch is self.again[0]:
            self.again.popleft()
        ref = actor.do.remote(batch.items)
        self.actors[actor].append(ref)
        self.in_flight[ref] = actor, batch
        return True

    def _start_another(self) -> None:
        """Start an actor if a core has none; where none is free, Ray starts it later or never."""
        if (now := time.monotonic()) - self.counted > _COUNT_EVERY_S:
            self.counted = now
            self.num_cores = int(self.ray.cluster_resources().get("CPU", 0))
        if len(self.actors) < max(1, self.num_cores):
            actor = self.ray.remote(Actor).options(num_cpus=1, max_restarts=0).remote()
            self.actors[actor] = deque()
            self.starting[actor.hello.remote()] = actor

    def _load(self, actor: Any) -> None:
        self.starting[actor.load.remote(self._work, self.has_hashes)] = actor

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
        if len(self.actors) > len(self.starting):
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
            self.actors.pop(actor, None)
            self.num_failed_starts += 1
            self._require_startable(error)
            return
        if answer is None:
            self.num_failed_starts = 0
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
        if self.num_failed_starts == _MOST_FAILED_STARTS:
            raise CandidError(
                f"Ray started no worker in {_MOST_FAILED_STARTS} tries: {first_line(error)} Look "
                "into the logs of its nodes; RAY_AUTH_MODE must be that of the cluster."
            ) from error

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
        if actor in self.actors:
            self.actors[actor].remove(ref)
        self.arrived[batch.number] = done.rows
        self.tally.reads += done.num_reread

    def _lose(self, actor: Any, batch: Batch) -> None:
        """Send a batch of a lost actor again, or its photos alone: one may have killed it."""
        if self.actors.pop(actor, None) is not None:
            batch.num_deaths += 1  # it was in work; what waited behind it is not to blame
            self.tally.deaths += 1
            with suppress(Exception):  # it may be unreachable rather than dead
                self.ray.kill(actor)
        self.tally.batches += 1
        if batch.num_deaths < _BATCH_TRIES:
            self.again.append(batch)
        elif len(batch.items) > 1:
            share = batch.num_bytes // len(batch.items)
            alone = enumerate(batch.items, batch.number)
            self.again.extend(Batch(number, [item], share) for number, item in alone)
        else:
            [(key, _)] = batch.items
            reason = f"the process that read it died, {batch.num_deaths} times"
            self.arrived[batch.number] = [Row(key, None, "worker", reason)]


def watched(rows: Iterator[Row[Result]], tally: Tally) -> Iterator[Row[Result]]:
    """The same rows, counted; ends the run where storage or cluster seem to be down.

    Photos that can't be decoded are no reason to end: they are what an audit looks for.

    Raises:
        CandidError: More than half of the latest hundred could not be read.
    """
    latest: deque[bool] = deque(maxlen=_LATEST)
    for row in rows:
        is_lost = row.error in ("read", "worker")
        latest.append(is_lost)
        tally.failed += is_lost
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
