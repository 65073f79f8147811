"""What every recipe returns, `Trained`, and what its model computes for images, `Outputs`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candid.data.images import PixelContract


@dataclass(frozen=True)
class Trained:
    """A trained model with its training history.

    Attributes:
        model: A serialised ONNX graph. Its input is ``image``, uint8 ``(n, s, s, 3)`` RGB; its
            outputs are ``probabilities``, float32 ``(n, k)``, calibrated, each row summing to 1;
            ``embedding``, float32 ``(n, d)``; ``novelty``, float32 ``(n,)``, unless there were too
            few photos; and for a linear head ``heatmap``, float32 ``(n, k, h, w)``, the
            contribution of each place to each class's score.
        contract: How bytes become its input.
        history: One row per epoch, or per strength tried: the rows of ``history.csv``.
        settings: The settings used, for ``candid.json``; JSON values only.
        complete: False if training was interrupted.
    """

    model: bytes
    contract: PixelContract
    history: tuple[Mapping[str, float], ...]
    settings: Mapping[str, object]
    complete: bool = True


@dataclass(frozen=True)
class Outputs:
    """The outputs of a model for n images.

    Attributes:
        probabilities: float32 ``(n, k)``, calibrated.
        embedding: float32 ``(n, d)``.
        novelty: float32 ``(n,)``, OOD score; None if the graph has none.
        heatmap: float32 ``(n, k, h, w)``, contribution of each place to each score; None if the
            graph has none, or it was not requested.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    novelty: NDArray[np.float32] | None = None
    heatmap: NDArray[np.float32] | None = None
