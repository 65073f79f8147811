"""What the routes of one server share."""

from __future__ import annotations

from dataclasses import dataclass

from candid.server.admission import Admission
from candid.server.answering import Answerer
from candid.server.metrics import Metrics
from candid.server.models import Models
from candid.server.settings import Settings


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
