"""The default recipe: a frozen backbone embeds, a regularised linear head decides.

No TensorFlow is needed. The strength of the regularisation is chosen by grouped cross-validation
within the train and val parts together, which is why both are fitted on; the test part is not
looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from candid.backbones import Backbone
from candid.errors import DependencyError, SplitError
from candid.images import PixelContract
from candid.recipes.linear_head import Labelled, LinearHead, Trial, cross_validate, fit_head
from candid.recipes.trained import Trained

#: Below this many images the luck of dealing the folds is averaged over two deals.
_ONE_DEAL_FROM = 1000
_NUM_DEALS = 2
_PACKAGES = ("onnx", "tensorboard", "threadpoolctl")


@dataclass(frozen=True)
class Estimate:
    """Grouped cross-validation over all images.

    Attributes:
        probabilities: float32 ``(n, k)``, the mean over the deals.
        accuracy: Share of right answers, the mean over the deals.
    """

    probabilities: NDArray[np.float32]
    accuracy: float


def require_packages() -> None:
    """Ask for what is needed at the end before the work begins.

    Raises:
        DependencyError: It is not installed.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"the recipe transfer needs {', '.join(missing)}, which is not installed. "
            'Run: pip install "candid-image[transfer]"'
        )


def train(
    backbone: Backbone,
    data: Labelled,
    *,
    classes: Sequence[str],
    contract: PixelContract,
    seed: int = 0,
) -> tuple[Trained, LinearHead]:
    """Fit a head on embeddings and write backbone and head as one graph.

    Args:
        backbone: What made the embeddings.
        data: The images of the train and val parts.
        classes: Names of the classes.
        contract: How bytes became pixels.
        seed: Deals the folds.

    Returns:
        The trained model, and its head for embeddings that are there already.

    Raises:
        SplitError: A class has no image to learn from.
    """
    present = np.bincount(data.labels, minlength=data.num_classes)
    missing = [name for name, count in zip(classes, present, strict=True) if count == 0]
    if missing:
        raise SplitError(
            f"there is no image of {', '.join(missing)} to learn from: too few different pictures. "
            "Add photos, 10 different ones a class at the least, or remove the class."
        )
    head, trials = fit_head(data, seed=seed)
    settings = {
        "backbone": backbone.name,
        "strength": head.strength,
        "fitted_on": ["train", "val"],
        "num_images": len(data.labels),
        "seed": seed,
    }
    model = write_graph(backbone, head)
    return Trained(model, contract, tuple(map(_history_row, trials)), settings), head


def estimate(data: Labelled, *, seed: int = 0) -> Estimate | None:
    """Estimate the accuracy by grouped 5-fold cross-validation over all images.

    Args:
        data: All images, the test part too: each is predicted by a head that saw no copy of it.
        seed: Deals the folds.

    Returns:
        The estimate, or None where a class is too small for it.
    """
    num_deals = _NUM_DEALS if len(data.labels) < _ONE_DEAL_FROM else 1
    deals = [cross_validate(data, seed=seed + 1000 * deal) for deal in range(num_deals)]
    whole = [deal for deal in deals if deal is not None]
    if not whole:
        return None
    hits = [(deal.argmax(axis=1) == data.labels).mean() for deal in whole]
    return Estimate(np.mean(whole, axis=0, dtype=np.float32), float(np.mean(hits)))


def write_graph(backbone: Backbone, head: LinearHead) -> bytes:
    """Write a backbone with a head as one ONNX model, as `Trained` wants it."""
    from candid.backbones import build
    from candid.backbones.onnx_builder import GraphBuilder

    graph = GraphBuilder.continue_from(build(backbone))
    num_classes = len(head.bias)
    scores = graph.dense("embedding", head.kernel, head.bias, name="scores")
    probabilities = graph.node("Softmax", scores, output="probabilities", axis=1)
    graph.output(probabilities, np.float32, ("n", num_classes))
    if backbone.has_features:
        # The score is the mean over the places of this map: an exact class activation map
        # (Zhou et al., 2016), as pooling and head are both linear.
        kernel = head.kernel[:, :, None, None]
        heatmap = graph.conv("features", kernel, head.bias, name="heatmap")
        graph.output(heatmap, np.float32, ("n", num_classes, "h", "w"))
    model: bytes = graph.finish().SerializeToString()
    return model


def _history_row(trial: Trial) -> dict[str, float]:
    return {
        "strength": trial.strength,
        "held_out_log_loss": trial.log_loss,
        "held_out_accuracy": trial.accuracy,
    }
