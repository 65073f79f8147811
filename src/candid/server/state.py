"""A run that was replaced is loaded beside the old one, and answers once it is ready.

What a Prometheus server asks for at ``/metrics``.

What the routes of one server share.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from candid.server.admission import Admission
from candid.server.batching import Answerer
from candid.server.models import Models
from candid.server.settings import Settings

#: The type that `Metrics.render` gives.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self, admission: Admission) -> None:
        """Begin to count."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "candid_requests", "Requests.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "candid_request_seconds", "Time to answer.", ["route"], registry=self.registry
        )
        self.images = Counter(
            "candid_images", "Images answered.", ["model", "answer"], registry=self.registry
        )
        self.batches = Histogram(
            "candid_batch_images",
            "Images asked in one call.",
            buckets=(1, 2, 4, 8),
            registry=self.registry,
        )
        self.reloads = Counter(
            "candid_reloads", "Runs loaded again.", ["model", "result"], registry=self.registry
        )
        self._watch(admission)

    def render(self) -> bytes:
        """All of it, as Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)

    def _watch(self, admission: Admission) -> None:
        for name, text in (
            ("num_requests", "Requests being read or worked on."),
            ("num_images", "Images accepted and not yet answered."),
            ("num_bytes", "Bytes of bodies being read or worked on."),
        ):
            gauge = Gauge(f"candid_waiting_{name[4:]}", text, registry=self.registry)
            gauge.set_function(partial(getattr, admission, name))


@dataclass(frozen=True)
class State:
    """What the routes of one server share."""

    settings: Settings
    models: Models
    admission: Admission
    metrics: Metrics
    answerer: Answerer

    @classmethod
    def begin(cls, models: Models, settings: Settings) -> State:
        """Start the threads and begin to count."""
        admission = Admission(settings)
        metrics = Metrics(admission)
        answerer = Answerer(on_batch=metrics.batches.observe)
        return cls(settings, models, admission, metrics, answerer)


_LOG: Final = logging.getLogger("candid.server")


class Reloader:
    """Loads runs again. Requests that have begun are answered by the run that they began with."""

    def __init__(self, state: State) -> None:
        """Remember whose runs they are."""
        self._state = state
        self._turn = asyncio.Lock()
        self._asked: set[asyncio.Task[None]] = set()

    def ask(self) -> None:
        """Load all runs again, soon; called in the event loop, such as by a signal."""
        task = asyncio.get_running_loop().create_task(self.reload(always=True))
        self._asked.add(task)
        task.add_done_callback(self._asked.discard)

    async def watch(self) -> None:
        """Look again and again whether a run was replaced. Ends when it is cancelled."""
        while True:
            await asyncio.sleep(self._state.settings.poll_s)
            try:
                await self.reload()
            except Exception:  # else nobody would look again, and nobody would know
                _LOG.exception("looking for new runs failed; it goes on")

    async def reload(self, *, always: bool = False) -> None:
        """Load what was replaced, or everything."""
        async with self._turn:
            for result in await asyncio.to_thread(self._state.models.reload, always=always):
                said = "failed" if result.problem else "loaded"
                self._state.metrics.reloads.labels(result.name, said).inc()
                if result.problem:
                    _LOG.error("%s goes on as it was: %s", result.name, result.problem)
                else:
                    _LOG.warning("%s was loaded again", result.name)
