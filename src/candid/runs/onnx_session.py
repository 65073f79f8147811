"""The graph of a run in ONNX Runtime: pixels in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from candid.core.text import first_line
from candid.data.images import PixelContract
from candid.errors import ArtifactError
from candid.models.outputs import Outputs
from candid.runs.artifact import MODEL
from candid.runs.onnx_guard import require_self_contained

#: Pictures in one call of the runtime: more are no faster and take memory.
AT_ONCE: Final = 2
_ROUNDING: Final = 1e-3
_ALWAYS = ("probabilities", "embedding")


class Model:
    """A graph that `candid.models.recipes.Trained` describes, checked and ready to run.

    Attributes:
        has_novelty: Whether it says how unlike the training photos an image is.
        has_heatmap: Whether it says what each place adds to each score.
    """

    def __init__(
        self,
        model: bytes,
        classes: Sequence[str],
        contract: PixelContract,
        *,
        num_threads: int | None = None,
    ) -> None:
        """Start the runtime.

        Args:
            model: The serialised graph.
            classes: Names of the classes.
            contract: How bytes become pixels.
            num_threads: That share the layers of one call; by default as many as there are cores.

        Raises:
            ArtifactError: The runtime refuses the graph, or its outputs don't fit the classes.
        """
        self._session = _start(model, num_threads)
        again = partial(Model, model, classes, contract, num_threads=1)
        self._make_one_threaded = None if num_threads == 1 else again
        inputs = {given.name: given.shape[1:] for given in self._session.get_inputs()}
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        _require_fits(inputs, outputs, len(classes), contract.size_px)
        self.has_novelty = "novelty" in outputs
        self.has_heatmap = "heatmap" in outputs

    @cached_property
    def one_threaded(self) -> Model:
        """The same graph, each call of which takes one thread, for several threads at once.

        That gives more images a second than calls that share the cores, and the same bytes.
        """
        return self._make_one_threaded() if self._make_one_threaded else self

    def run(self, pixels: NDArray[np.uint8], *, with_heatmap: bool = False) -> Outputs:
        """Run the graph.

        Args:
            pixels: uint8 ``(n, s, s, 3)`` RGB, as `candid.data.images.decode` gives them; n from 1.
            with_heatmap: Whether the heat map is wanted, where there is one; the same pass has it.

        Returns:
            What it answers.

        Raises:
            ArtifactError: What it answers are no probabilities.
        """
        names = [*_ALWAYS, *(["novelty"] if self.has_novelty else [])]
        names += ["heatmap"] if with_heatmap and self.has_heatmap else []
        answers = [
            self._session.run(names, {"image": pixels[start : start + AT_ONCE]})
            for start in range(0, len(pixels), AT_ONCE)
        ]
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
            f"{MODEL} does not answer with {num_classes} probabilities; its outputs are {outputs}. "
            f"{remedy}"
        )
    if "embedding" not in outputs:
        raise ArtifactError(f"{MODEL} gives no embedding. {remedy}")


def _require_probabilities(answered: NDArray[np.float32]) -> None:
    # Rounding may lead a little beyond 1; NaN compares with nothing.
    if not np.all((answered >= -_ROUNDING) & (answered <= 1 + _ROUNDING)):
        raise ArtifactError(
            f"{MODEL} answers with what are no probabilities: expected numbers from 0 to 1, "
            f"received {answered.min():.3g} to {answered.max():.3g}. Restore the file or train "
            "again."
        )


def _start(model: bytes, num_threads: int | None) -> ort.InferenceSession:
    require_self_contained(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = num_threads or 0
    options.log_severity_level = 4  # what goes wrong is raised; nothing is printed beside it
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime's errors have no common type: some derive from RuntimeError, some from Exception.
    except Exception as error:
        raise ArtifactError(f"{MODEL} does not load ({first_line(error)}); train again.") from error
