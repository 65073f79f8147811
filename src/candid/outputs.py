"""What a model answers to images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Outputs:
    """What the model answers to n images.

    Attributes:
        probabilities: float32 ``(n, k)``, calibrated.
        embedding: float32 ``(n, d)``.
        novelty: float32 ``(n,)``, how unlike the training photos each is; None where the graph does
            not say.
        heatmap: float32 ``(n, k, h, w)``, what each place adds to each score; None where the graph
            has none, or where it was not asked for.
    """

    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    novelty: NDArray[np.float32] | None = None
    heatmap: NDArray[np.float32] | None = None
