"""The default recipe: a regularised linear head on the embeddings of a frozen backbone.

It needs no TensorFlow. The strength of the regularisation is chosen by grouped cross-validation
within the train and val parts, so the head is fitted on both; the test part is not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np

from candid.core.extras import require_packages
from candid.data.images import PixelContract
from candid.errors import SplitError
from candid.features.backbones import Backbone, find_origin
from candid.models.ood import Novelty
from candid.models.outputs import Trained
from candid.models.recipes.abstaining_head import AbstainingHead, fit_abstaining
from candid.models.recipes.linear_head import LinearHead
from candid.splits.grouped_split import Labelled

if TYPE_CHECKING:
    import onnx

_PACKAGES = ("jinja2", "onnx", "tensorboard", "threadpoolctl")


def require() -> None:
    """Check that the packages needed later are installed, or raise `DependencyError`."""
    require_packages(_PACKAGES, needed_by="the recipe transfer", extra="transfer")


def train(
    backbone: Backbone,
    data: Labelled,
    *,
    classes: Sequence[str],
    contract: PixelContract,
    seed: int = 0,
) -> tuple[Trained, AbstainingHead]:
    """Fit a head on embeddings and write backbone and head as one graph.

    Args:
        backbone: The backbone of the embeddings.
        data: The images of the train and val parts.
        classes: Names of the classes.
        contract: How bytes became pixels.
        seed: Random seed of the folds.

    Returns:
        The trained model, and its head for use on embeddings.

    Raises:
        SplitError: A class has no image to train on.
    """
    present = np.bincount(data.labels, minlength=data.num_classes)
    missing = [name for name, count in zip(classes, present, strict=True) if count == 0]
    if missing:
        raise SplitError(
            f"there is no image of {', '.join(missing)} to train on: too few different pictures "
            "or groups. Add photos, at least 10 different ones per class, or remove the class."
        )
    fitted = fit_abstaining(data, seed=seed)
    settings = {
        "backbone": backbone.name,
        "strength": fitted.raw.strength,
        "temperature": fitted.temperature,
        "fitted_on": ["train", "val"],
        "num_images": len(data.labels),
        "seed": seed,
        **({"class_weights": "balanced"} if fitted.is_balanced else {}),
        **({"origin": origin} if (origin := find_origin(backbone)) else {}),
    }
    names = ("strength", "held_out_log_loss", "held_out_accuracy")
    history = tuple(dict(zip(names, astuple(trial), strict=True)) for trial in fitted.trials)
    model = write_graph(backbone, fitted.head, fitted.novelty)
    return Trained(model, contract, history, settings), fitted


def write_graph(backbone: Backbone, head: LinearHead, novelty: Novelty | None = None) -> bytes:
    """Write a backbone with a head as one ONNX model; see `Trained`."""
    from candid.features.backbones import build

    return append_head(build(backbone), head, novelty, with_heatmap=backbone.has_features)


def append_head(
    backbone: onnx.ModelProto, head: LinearHead, novelty: Novelty | None, *, with_heatmap: bool
) -> bytes:
    """Append a head to the graph of a backbone; see `write_graph`."""
    from candid.core.onnx_builder import GraphBuilder

    graph = GraphBuilder.continue_from(backbone)
    num_classes = len(head.bias)
    scores = graph.dense("embedding", head.kernel, head.bias, name="scores")
    probabilities = graph.node("Softmax", scores, output="probabilities", axis=1)
    graph.output(probabilities, np.float32, ("n", num_classes))
    if novelty is not None:
        graph.output(novelty.add_to(graph, "embedding"), np.float32, ("n",))
    if with_heatmap:
        # The score is the mean of this map: an exact class activation map (Zhou et al., 2016), as
        # pooling and head are both linear.
        kernel = head.kernel[:, :, None, None]
        heatmap = graph.conv("features", kernel, head.bias, name="heatmap")
        graph.output(heatmap, np.float32, ("n", num_classes, "h", "w"))
    model: bytes = graph.finish().SerializeToString()
    return model
