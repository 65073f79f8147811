"""Turns pixels into embeddings with ONNX Runtime."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from candid.backbones.registry import Backbone, build
from candid.errors import UsageError
from candid.hashing import hash_bytes

# One picture's layers stay in the processor's cache; more at a time are slower by a tenth, and take
# memory (benchmarks/embedding.py).
BATCH_SIZE: Final = 1


class Embedder:
    """A frozen backbone, ready to run.

    Attributes:
        backbone: The backbone that it was built from.
        fingerprint: SHA-256 of the graph with its weights, in hexadecimal. Embeddings of the same
            pixels by embedders of the same fingerprint are the same.

    Example:
        >>> embedder = Embedder(get("efficientnet-lite0"), num_threads=2)
        >>> embedder.embed(np.zeros((3, 224, 224, 3), np.uint8)).shape
        (3, 1280)
    """

    def __init__(self, backbone: Backbone, *, num_threads: int = 0) -> None:
        """Build the graph.

        Args:
            backbone: What `get` returned.
            num_threads: Threads for one operator; 0 for one a physical core.

        Raises:
            DependencyError: If a package is missing that the backbone needs.
            ArtifactError: If its weights are damaged.
        """
        model = build(backbone).SerializeToString()
        self.backbone = backbone
        self.fingerprint = hash_bytes(model)
        self._model = model
        self._num_threads = num_threads

    @cached_property
    def _session(self) -> ort.InferenceSession:
        """Started by the first picture: where the cache knows them all, it never is."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._num_threads
        return ort.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures.

        Args:
            pixels: uint8 ``(n, size_px, size_px, 3)`` RGB.

        Returns:
            float32 ``(n, num_features)``. A row does not depend on the other pictures.

        Raises:
            UsageError: If the array has another shape or type.
        """
        size = self.backbone.size_px
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (size, size, 3):
            raise UsageError(
                f"{self.backbone.name} embeds RGB pictures: expected uint8 (n, {size}, {size}, 3), "
                f"received {pixels.dtype} {pixels.shape}. Read them with candid.images."
            )
        embeddings = np.empty((len(pixels), self.backbone.num_features), np.float32)
        for start in range(0, len(pixels), BATCH_SIZE):
            batch = {"image": pixels[start : start + BATCH_SIZE]}
            embeddings[start : start + BATCH_SIZE] = self._session.run(["embedding"], batch)[0]
        return embeddings
