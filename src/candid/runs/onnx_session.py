"""A model's graph in ONNX Runtime: pixels → `Outputs`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from candid.core.extras import start_onnx
from candid.core.text import first_line
from candid.data.images import PixelContract
from candid.errors import ArtifactError
from candid.models.outputs import Outputs
from candid.runs.artifact import MODEL
from candid.runs.onnx_guard import require_self_contained

_ROUNDING: Final = 1e-3
_ALWAYS = ("probabilities", "embedding")


class Model:
    """A verified graph, as `candid.models.outputs.Trained` describes it, in ONNX Runtime.

    Attributes:
        has_novelty: Whether it outputs ``novelty``.
        has_heatmap: Whether it outputs ``heatmap``.
    """

    def __init__(
        self,
        model: bytes,
        classes: Sequence[str],
        contract: PixelContract,
        *,
        num_threads: int | None = None,
    ) -> None:
        """Create the runtime's session, with one thread per core or ``num_threads``.

        Raises:
            ArtifactError: The graph does not load, or does not fit the classes or the contract.
        """
        self._session = _start(model, num_threads)
        self._make_one_threaded = (
            None if num_threads == 1 else partial(Model, model, classes, contract, num_threads=1)
        )
        inputs = {value.name: value.shape[1:] for value in self._session.get_inputs()}
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        _require_fits(inputs, outputs, len(classes), contract.size_px)
        self.has_novelty = "novelty" in outputs
        self.has_heatmap = "heatmap" in outputs

    @cached_property
    def one_threaded(self) -> Model:
        """The same graph with one thread per call, to be called from several threads.

        This gives more images per second than calls that share the cores, and the same bytes.
        """
        return self._make_one_threaded() if self._make_one_threaded else self

    def run(self, pixels: NDArray[np.uint8], *, with_heatmap: bool = False) -> Outputs:
        """Run the graph.

        Args:
            pixels: uint8 ``(n, s, s, 3)`` RGB from `candid.data.images.decode`; n is at least 1.
            with_heatmap: Whether to return the heat map, if the graph has one.

        Raises:
            ArtifactError: The outputs are not probabilities.
        """
        names = [*_ALWAYS, *(["novelty"] if self.has_novelty else [])]
        names += ["heatmap"] if with_heatmap and self.has_heatmap else []
        # One at a time: the layers of two do not fit into the processor's cache, and take longer.
        answers = [self._session.run(names, {"image": image[None]}) for image in pixels]
        columns = [np.concatenate(rows) for rows in zip(*answers, strict=True)]
        outputs = Outputs(**dict(zip(names, columns, strict=True)))
        _require_probabilities(outputs.probabilities)
        return outputs


def _require_fits(
    inputs: dict[str, object], outputs: dict[str, list[object]], num_classes: int, size_px: int
) -> None:
    remedy = "Restore the file or train again."
    if inputs != {"image": [size_px, size_px, 3]}:
        raise ArtifactError(
            f"{MODEL} does not take images of {size_px}×{size_px} pixels; its inputs are {inputs}. "
            f"{remedy}"
        )
    if outputs.get("probabilities", [None])[-1] != num_classes:
        raise ArtifactError(
            f"{MODEL} does not return {num_classes} probabilities; its outputs are {outputs}. "
            f"{remedy}"
        )
    if "embedding" not in outputs:
        raise ArtifactError(f"{MODEL} has no output 'embedding'. {remedy}")


def _require_probabilities(values: NDArray[np.float32]) -> None:
    # Rounding may lead slightly beyond 1; comparisons with NaN are false.
    if not np.all((values >= -_ROUNDING) & (values <= 1 + _ROUNDING)):
        raise ArtifactError(
            f"{MODEL} returns values that are not probabilities: expected 0 to 1, received "
            f"{values.min():.3g} to {values.max():.3g}. Restore the file or train again."
        )


def _start(model: bytes, num_threads: int | None) -> ort.InferenceSession:
    require_self_contained(model)
    try:
        return start_onnx(model, num_threads=num_threads or 0)
    # ONNX Runtime's errors have no common base class other than Exception.
    except Exception as error:
        raise ArtifactError(f"{MODEL} does not load ({first_line(error)}); train again.") from error
