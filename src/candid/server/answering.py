"""Images → answers: decoded in threads, asked in batches, put into words for a client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from candid.classifier import Classifier
from candid.errors import ImageError
from candid.images import decode
from candid.prediction import Prediction
from candid.server.batching import Batcher, Job
from candid.server.models import ServedModel
from candid.server.uploads import Upload

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
