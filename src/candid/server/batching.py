"""Images → answers: decoded in a thread pool, classified in batches by worker threads.

Each worker runs the graph with one thread, on up to `MAX_BATCH` images: on two cores, two such
workers classify more images a second than one with two threads (figures in docs/serving.md). How
much may wait is decided before, by `candid.server.admission`.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from threading import Condition, Thread
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from candid.data.images import decode
from candid.errors import ImageError
from candid.runs.classifier import Classifier
from candid.runs.prediction import Prediction
from candid.server.models import ServedModel
from candid.server.uploads import Upload

#: Images in one call of a worker.
MAX_BATCH: Final = 2

_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Job:
    """One image in the queue.

    Attributes:
        classifier: The classifier to run.
        pixels: uint8 ``(s, s, 3)`` by the classifier's contract.
        explain: Whether to explain the prediction.
        answer: Will hold the prediction.
    """

    classifier: Classifier
    pixels: NDArray[np.uint8]
    explain: bool
    answer: Future[Prediction] = field(default_factory=Future)

    def batches_with(self, other: Job) -> bool:
        """Whether both can go into one batch."""
        return self.classifier is other.classifier and self.explain == other.explain


class Batcher:
    """A queue and its worker threads. All methods are thread-safe."""

    def __init__(self, num_workers: int, *, on_batch: Callable[[int], None] | None = None) -> None:
        """Start the workers.

        Args:
            num_workers: One for each core is best.
            on_batch: Called with the size of each batch.
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
        """Whether every worker is running."""
        return not self._stopped and all(worker.is_alive() for worker in self._workers)

    def submit(self, job: Job) -> Future[Prediction]:
        """Enqueue an image."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()
        return job.answer

    def stop(self) -> None:
        """Finish the queue, then end the workers."""
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
                _classify(wanted)

    def _take(self) -> list[Job]:
        """The oldest job and those that batch with it; empty once stopped and drained."""
        with self._changed:
            while not self._waiting and not self._stopped:
                self._changed.wait()
            batch = [self._waiting.popleft()] if self._waiting else []
            while (
                self._waiting and len(batch) < MAX_BATCH and self._waiting[0].batches_with(batch[0])
            ):
                batch.append(self._waiting.popleft())
            return batch


def _classify(batch: list[Job]) -> None:
    try:
        pixels = np.stack([job.pixels for job in batch])
        answers = batch[0].classifier.predict_pixels(pixels, explain=batch[0].explain)
    # Any error must reach the waiting requests, and must not end the worker.
    except Exception as error:
        for job in batch:
            job.answer.set_exception(error)
        return
    for job, answer in zip(batch, answers, strict=True):
        job.answer.set_result(answer)


class Answerer:
    """The decoding threads and the batcher of a server. Methods are called in the event loop."""

    def __init__(self, *, on_batch: Callable[[int], None] | None = None) -> None:
        """Start one decoding thread and one worker for each core."""
        num_cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(num_cores, thread_name_prefix="candid-decode")
        self._batcher = Batcher(num_cores, on_batch=on_batch)

    @property
    def is_alive(self) -> bool:
        """Whether it can answer."""
        return self._batcher.is_alive

    async def run(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Run a blocking function in the thread pool."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def answer(
        self,
        uploads: Sequence[Upload],
        model: ServedModel,
        classifier: Classifier,
        *,
        explain: bool,
    ) -> list[dict[str, Any]]:
        """Classify images.

        Args:
            uploads: The images.
            model: Gives the thumbnails of similar photos.
            classifier: The model's, at the requested coverage.
            explain: Whether to explain each prediction.

        Returns:
            One JSON object per image; if an image can't be read, with the reason.
        """
        predictions = await asyncio.gather(
            *(self._predict(upload, classifier, explain) for upload in uploads)
        )
        if explain:
            return [await self.run(_to_json, prediction, model) for prediction in predictions]
        return [prediction.to_json() for prediction in predictions]

    def close(self) -> None:
        """Finish the queue, then end the threads."""
        self._pool.shutdown()
        self._batcher.stop()

    async def _predict(self, upload: Upload, classifier: Classifier, explain: bool) -> Prediction:
        try:
            pixels = await self.run(decode, upload.data, classifier.contract)
        except ImageError as error:
            return Prediction.unreadable(upload.name, str(error))
        answer = self._batcher.submit(Job(classifier, pixels, explain))
        return replace(await asyncio.wrap_future(answer), source=upload.name)


def _to_json(prediction: Prediction, model: ServedModel) -> dict[str, Any]:
    """`Prediction.to_json`, with a thumbnail instead of a path for each similar photo."""
    values = prediction.to_json()
    if prediction.explanation is not None:
        for photo in values["explanation"]["similar"]:
            photo["thumbnail"] = model.photos.thumbnail(photo.pop("path"))
    return values
