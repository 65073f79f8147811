"""What a model answers to images.

What every recipe hands over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candid.data.images import PixelContract


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about.

    Attributes:
        model: A serialised ONNX graph. Its input is ``image``, uint8 ``(n, s, s, 3)`` RGB; its
            outputs are ``probabilities``, float32 ``(n, k)``, a column a class, each row summing
            to 1, calibrated; ``embedding``, float32 ``(n, d)``; ``novelty``, float32 ``(n,)``, if
            it can be told; and, where the head is linear, ``heatmap``, float32 ``(n, k, h, w)``,
            what each place adds to each class's score.
        contract: How bytes become its input.
        history: A row an epoch, or a row a strength tried: what ``history.csv`` will hold.
        settings: What was chosen, for ``candid.json``; JSON values only.
        complete: False when training was interrupted and this is what there was by then.
    """

    model: bytes
    contract: PixelContract
    history: tuple[Mapping[str, float], ...]
    settings: Mapping[str, object]
    complete: bool = True


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
