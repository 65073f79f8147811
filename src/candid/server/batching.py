"""Pixels that wait → answers: a few threads, each of which takes what waits together.

Each worker runs the graph with one thread, on up to `MOST_AT_ONCE` images: on two cores two such
workers give more images a second than one whose layers are shared by both (docs/serving.md has the
figures). Who may wait is decided before, by `candid.server.admission`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.classifier import Classifier
from candid.prediction import Prediction

#: Images in one call of a worker.
MOST_AT_ONCE: Final = 2


@dataclass(frozen=True, eq=False)
class Job:
    """An image that waits.

    Attributes:
        classifier: Who is asked.
        pixels: uint8 ``(s, s, 3)`` by the classifier's contract.
        explain: Whether the answer is to be explained.
        answer: Will be the prediction.
    """

    classifier: Classifier
    pixels: NDArray[np.uint8]
    explain: bool
    answer: Future[Prediction] = field(default_factory=Future)

    def goes_with(self, other: Job) -> bool:
        """Whether both can be asked in one call."""
        return self.classifier is other.classifier and self.explain == other.explain


class Batcher:
    """Workers and what waits for them. Its methods may be called from any thread."""

    def __init__(self, num_workers: int, *, on_batch: Callable[[int], None] | None = None) -> None:
        """Start the workers.

        Args:
            num_workers: As many as there are cores.
            on_batch: Told how many images were asked together.
        """
        self._waiting: deque[Job] = deque()
        self._changed = Condition()
        self._stopped = False
        self._on_batch = on_batch or (lambda _: None)
        self._workers = [
            Thread(target=self._work, name=f"candid-worker-{number}", daemon=True)
            for number in range(num_workers)
        ]
        for worker in self._workers:
            worker.start()

    @property
    def is_alive(self) -> bool:
        """Whether every worker is at work."""
        return not self._stopped and all(worker.is_alive() for worker in self._workers)

    def submit(self, job: Job) -> Future[Prediction]:
        """Let an image wait for its answer."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()
        return job.answer

    def stop(self) -> None:
        """Answer what waits, and end the workers."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        while batch := self._take():
            wanted = [job for job in batch if job.answer.set_running_or_notify_cancel()]
            if wanted:
                self._on_batch(len(wanted))
                _answer(wanted)

    def _take(self) -> list[Job]:
        """The oldest image and what goes with it; empty once there is nothing more to do."""
        with self._changed:
            while not self._waiting and not self._stopped:
                self._changed.wait()
            batch = [self._waiting.popleft()] if self._waiting else []
            while (
                self._waiting and len(batch) < MOST_AT_ONCE and self._waiting[0].goes_with(batch[0])
            ):
                batch.append(self._waiting.popleft())
            return batch


def _answer(batch: list[Job]) -> None:
    try:
        pixels = np.stack([job.pixels for job in batch])
        answers = batch[0].classifier.predict_pixels(pixels, explain=batch[0].explain)
    # Whatever it is, those who wait must learn of it, and the worker must live on.
    except Exception as error:
        for job in batch:
            job.answer.set_exception(error)
        return
    for job, answer in zip(batch, answers, strict=True):
        job.answer.set_result(answer)
