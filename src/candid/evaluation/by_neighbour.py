"""The class of the most similar image: what remembering everything would score."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.matrices import matmul
from candid.recipes.logistic import Rows

#: Images that are asked about at a time.
BLOCK: Final = 1024

_LEARNT_AT_A_TIME: Final = 4096


def predict_by_neighbour(
    embeddings: Rows,
    labels: NDArray[np.int64],
    learn_from: NDArray[np.int64],
    asked: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Predict the class of the image whose embedding has the largest cosine.

    Blocks are compared one by one, so that memory holds neither all the products nor a second copy
    of the embeddings.

    Args:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``.
        learn_from: int64 ``(l,)``, places of the images whose labels are known; at least one.
        asked: int64 ``(m,)``, places of the images to predict.

    Returns:
        int64 ``(m,)``; of equally near images the first one's class.
    """
    rows = embeddings[asked]  # their lengths do not change which cosine is the largest
    nearest = np.full(len(asked), -1, np.int64)
    largest = np.full(len(asked), -np.inf, np.float32)
    for start in range(0, len(learn_from), _LEARNT_AT_A_TIME):
        places = learn_from[start : start + _LEARNT_AT_A_TIME]
        learnt = embeddings[places]
        lengths = np.sqrt(np.einsum("ij,ij->i", learnt, learnt))
        products = matmul(rows, learnt.T)
        products /= np.maximum(lengths, np.float32(1e-12))
        best = products.argmax(axis=1)
        cosine = products[np.arange(len(asked)), best]
        nearer = cosine > largest
        largest[nearer], nearest[nearer] = cosine[nearer], places[best[nearer]]
    return labels[nearest]
