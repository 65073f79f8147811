"""Calibrates a network that is trained, and teaches it when to say nothing, from a held-out part.

For networks whose cross-validation would take hours: what is usual is learnt from the val part,
which no weight was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from candid.abstention import Abstention, fit_abstention
from candid.calibration import LEAST_IMAGES, fit_temperature, with_temperature
from candid.novelty import Novelty, fit_novelty_held_out
from candid.outputs import Outputs


@dataclass(frozen=True)
class Finished:
    """A network's graph with what was learnt from the val part inside.

    Attributes:
        model: The serialised graph.
        temperature: What its scores are divided by.
        abstention: When it says that it does not know; None where the val part is too small.
    """

    model: bytes
    temperature: float
    abstention: Abstention | None


def finish(
    model: bytes,
    trained_on: tuple[Outputs, NDArray[np.int64]],
    held_out: tuple[Outputs, NDArray[np.int64], NDArray[np.int64]],
) -> Finished:
    """Calibrate a network and add ``novelty`` to its outputs.

    Args:
        model: The serialised graph, whose last dense layer is called ``scores``.
        trained_on: What it says of the train part, and its labels, int64.
        held_out: What it says of the val part, its labels and its groups, int64.
    """
    seen, seen_labels = trained_on
    said, labels, groups = held_out
    temperature = fit_temperature(said.probabilities, labels, groups)
    novelty, abstention = None, None
    if len(labels) >= LEAST_IMAGES:
        novelty, usual = fit_novelty_held_out(seen.embedding, seen_labels, said.embedding)
        calibrated = with_temperature(said.probabilities, temperature)
        abstention = fit_abstention(calibrated, labels, usual)
    return Finished(_rewrite(model, temperature, novelty), temperature, abstention)


def _rewrite(model: bytes, temperature: float, novelty: Novelty | None) -> bytes:
    """Divide the scores by the temperature, and append the nodes of the novelty."""
    import onnx
    from onnx import numpy_helper

    from candid.backbones.onnx_builder import GraphBuilder

    loaded = onnx.load_from_string(model)
    for initializer in loaded.graph.initializer:
        if initializer.name in ("scores.kernel", "scores.bias"):
            scaled = numpy_helper.to_array(initializer) / np.float32(temperature)
            initializer.CopyFrom(numpy_helper.from_array(scaled, initializer.name))
    graph = GraphBuilder.continue_from(loaded)
    if novelty is not None:
        graph.output(novelty.add_to(graph, "embedding"), np.float32, ("n",))
    return bytes(graph.finish().SerializeToString())
