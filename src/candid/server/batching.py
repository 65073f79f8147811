"""Images → answers: decoded in threads, asked in batches, put into words for a client.

Pixels that wait → answers: a few threads, each of which takes what waits together.

Each worker runs the graph with one thread, on up to `MOST_AT_ONCE` images: on two cores two such
workers give more images a second than one whose layers are shared by both (docs/serving.md has the
figures). Who may wait is decided before, by `candid.server.admission`.
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


_Result = TypeVar("_Result")


class Answerer:
    """The threads of a server. Its methods are called in the event loop."""

    def __init__(self, *, on_batch: Callable[[int], None] | None = None) -> None:
        """Start as many threads that decode, and as many that ask, as there are cores."""
        num_cores = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(num_cores, thread_name_prefix="candid-decode")
        self._batcher = Batcher(num_cores, on_batch=on_batch)

    @property
    def is_alive(self) -> bool:
        """Whether it can answer."""
        return self._batcher.is_alive

    async def do(self, work: Callable[..., _Result], *arguments: Any) -> _Result:
        """Let a thread do what would keep the event loop from others."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    async def answer(
        self,
        uploads: Sequence[Upload],
        model: ServedModel,
        classifier: Classifier,
        *,
        explain: bool,
    ) -> list[dict[str, Any]]:
        """Answer for some images.

        Args:
            uploads: The images.
            model: Who is asked, and has photos to show.
            classifier: The model's, at the coverage that is wanted.
            explain: Whether to say what each answer rests on.

        Returns:
            JSON values, an item an image; of one that can't be read the reason.
        """
        work = [self._predict(upload, classifier, explain) for upload in uploads]
        predictions = await asyncio.gather(*work)
        if explain:
            return [await self.do(to_json, prediction, model) for prediction in predictions]
        return [prediction.to_json() for prediction in predictions]

    def close(self) -> None:
        """Answer what waits, and end the threads."""
        self._pool.shutdown()
        self._batcher.stop()

    async def _predict(self, upload: Upload, classifier: Classifier, explain: bool) -> Prediction:
        pixels = await self.do(_decode, upload.data, classifier)
        if isinstance(pixels, str):
            return Prediction(upload.name, None, None, {}, pixels)
        job = Job(classifier, pixels, explain)
        answer = await asyncio.wrap_future(self._batcher.submit(job))
        return replace(answer, source=upload.name)


def _decode(data: bytes, classifier: Classifier) -> NDArray[np.uint8] | str:
    try:
        return decode(data, classifier.contract)
    except ImageError as error:
        return str(error)


def to_json(prediction: Prediction, model: ServedModel) -> dict[str, Any]:
    """As `Prediction.to_json`, but similar photos have a thumbnail where they had a path."""
    values = prediction.to_json()
    if prediction.explanation is not None:
        values["explanation"]["similar"] = [
            {
                "label": photo["label"],
                "similarity": photo["similarity"],
                "thumbnail": model.photos.thumbnail(photo["path"]),
            }
            for photo in values["explanation"]["similar"]
        ]
    return values
