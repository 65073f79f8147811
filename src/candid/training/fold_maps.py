"""Heat maps of cross-validated answers: by the head that gave the answer, not by the final one.

The final head has learnt from the photo that a fold's head mistook, and so sees it otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from candid.backbones import Backbone
from candid.images import PixelContract
from candid.model import Model
from candid.recipes.linear_head import LinearHead
from candid.recipes.transfer import write_graph


class FoldMaps:
    """The heat maps of several heads on one backbone, from one graph."""

    def __init__(
        self, backbone: Backbone, heads: Sequence[LinearHead], contract: PixelContract
    ) -> None:
        """Put the heads side by side.

        Args:
            backbone: What they are on; it has features.
            heads: One a fold.
            contract: How bytes become pixels.
        """
        self._num_classes = len(heads[0].bias)
        # To the graph it is one head of many classes, whose probabilities nobody asks for.
        side_by_side = LinearHead(
            np.concatenate([head.kernel for head in heads]),
            np.concatenate([head.bias for head in heads]),
            heads[0].strength,
        )
        names = [str(number) for number in range(len(side_by_side.bias))]
        self._model = Model(write_graph(backbone, side_by_side), names, contract)

    def of(self, pixels: NDArray[np.uint8], fold: int) -> NDArray[np.float32]:
        """What each place of a picture, uint8 ``(s, s, 3)``, adds to a fold's scores.

        Returns:
            float32 ``(k, h, w)``.
        """
        maps = self._model.run(pixels[None], with_heatmap=True).heatmap
        if maps is None:
            raise ValueError("the backbone has no features")
        first = fold * self._num_classes
        return np.asarray(maps[0, first : first + self._num_classes], np.float32)
