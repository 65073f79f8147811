"""Images → answers, in as many threads as there are cores.

A thread decodes an image and runs the graph on it, alone and with one thread of ONNX Runtime: two
such threads answer more images a second than one whose graph has two, and than batches (figures in
docs/serving.md). How much may wait is decided before, by `candid.server.admission`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from candid.core.threads import num_cores
from candid.data.images import decode
from candid.errors import ImageError
from candid.runs.classifier import Classifier
from candid.runs.prediction import Prediction
from candid.server.models import ServedModel
from candid.server.uploads import Upload


class Answerer:
    """The threads of a server. Images are answered in the order in which they came."""

    def __init__(self) -> None:
        """Prepare them; they start as they are needed."""
        self._threads = ThreadPoolExecutor(num_cores(), thread_name_prefix="candid-worker")

    async def answer(
        self,
        uploads: Sequence[Upload],
        model: ServedModel,
        classifier: Classifier,
        *,
        explain: bool,
    ) -> list[dict[str, Any]]:
        """Classify images. If it is cancelled, those that still wait are given up.

        Args:
            uploads: The images.
            model: Gives the thumbnails of similar photos.
            classifier: The model's, at the requested coverage.
            explain: Whether to explain each prediction.

        Returns:
            One JSON object per image; if an image can't be read, with the reason.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.gather(
            *(
                loop.run_in_executor(self._threads, _answer, upload, model, classifier, explain)
                for upload in uploads
            )
        )

    def close(self) -> None:
        """Answer what waits, then end the threads."""
        self._threads.shutdown()


def _answer(
    upload: Upload, model: ServedModel, classifier: Classifier, explain: bool
) -> dict[str, Any]:
    """`Prediction.to_json`, with a thumbnail instead of a path for each similar photo."""
    try:
        pixels = decode(upload.data, classifier.contract)
    except ImageError as error:
        return Prediction.unreadable(upload.name, str(error)).to_json()
    (prediction,) = classifier.predict_pixels(pixels[None], explain=explain)
    values = replace(prediction, source=upload.name).to_json()
    if prediction.explanation is not None:
        for photo in values["explanation"]["similar"]:
            photo["thumbnail"] = model.photos.thumbnail(photo.pop("path"))
    return values
