"""What a Prometheus server asks for at ``/metrics``."""

from __future__ import annotations

from functools import partial

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
