"""What the routes of one server share: settings, models, threads, metrics, and reloading."""

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
from candid.server.answering import Answerer
from candid.server.models import Models
from candid.server.settings import Settings

#: The media type of `Metrics.render`.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_LOG: Final = logging.getLogger("candid.server")


class Metrics:
    """Prometheus metrics of one server, in a registry of its own."""

    def __init__(self, admission: Admission) -> None:
        """Register them."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "candid_requests", "Requests.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "candid_request_seconds", "Time to answer.", ["route"], registry=registry
        )
        self.images = Counter(
            "candid_images", "Images answered.", ["model", "answer"], registry=registry
        )
        self.reloads = Counter(
            "candid_reloads", "Runs reloaded.", ["model", "result"], registry=registry
        )
        for name, text in (
            ("requests", "Requests being read or answered."),
            ("images", "Images accepted and not yet answered."),
            ("bytes", "Bytes of bodies being read or answered."),
        ):
            gauge = Gauge(f"candid_waiting_{name}", text, registry=registry)
            gauge.set_function(partial(getattr, admission, f"num_{name}"))

    def render(self) -> bytes:
        """All metrics in Prometheus's text format 0.0.4."""
        return generate_latest(self.registry)


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
        """Begin with nothing accepted or counted."""
        admission = Admission(settings)
        return cls(settings, models, admission, Metrics(admission), Answerer())


class Reloader:
    """Reloads runs. Requests in progress are answered by the version that they began with."""

    def __init__(self, state: State) -> None:
        """Reload the models of a state."""
        self._state = state
        self._lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop keeps weak references only

    def ask(self) -> None:
        """Schedule a reload of all runs; called in the event loop, such as by a signal handler."""
        task = asyncio.get_running_loop().create_task(self.reload(always=True))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def watch(self) -> None:
        """Poll for replaced runs until cancelled."""
        while True:
            await asyncio.sleep(self._state.settings.poll_s)
            try:
                await self.reload()
            except Exception:  # polling must go on, and the error be known
                _LOG.exception("checking for new runs failed; will be retried")

    async def reload(self, *, always: bool = False) -> None:
        """Reload the runs that were replaced, or all of them."""
        async with self._lock:
            for result in await asyncio.to_thread(self._state.models.reload, always=always):
                outcome = "failed" if result.problem else "loaded"
                self._state.metrics.reloads.labels(result.name, outcome).inc()
                if result.problem:
                    _LOG.error("%s keeps its old version: %s", result.name, result.problem)
                else:
                    _LOG.warning("%s was reloaded", result.name)
