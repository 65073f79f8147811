"""Precision against recall, on TensorBoard's page "PR Curves"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.evaluation.predictions import Predictions
from candid.markdown import escape_markdown
from candid.tracking.event_file import append
from candid.tracking.names import tag_names

_NUM_THRESHOLDS: Final = 201  # the plugin's own default
_LEAST_COUNT: Final = 1e-7  # what the plugin divides by where nothing is counted


def write_pr_curves(folder: Path, predictions: Predictions, classes: Sequence[str]) -> None:
    """Write a curve for each class, under ``pr_curve/<class>``; of two classes, for the second.

    Args:
        folder: Where the event file is made.
        predictions: Of n photos; none gives no curves.
        classes: Names of the k classes.
    """
    from tensorboard.compat.proto.summary_pb2 import Summary

    if not len(predictions.truth):
        return
    names = tag_names(classes)
    numbers = [1] if len(classes) == 2 else range(len(classes))
    values = [
        _value(
            names[number],
            _counts(predictions.truth == number, predictions.probabilities[:, number]),
            f"{escape_markdown(classes[number])} against all others, {len(predictions.truth)} "
            f"photos, at {_NUM_THRESHOLDS} thresholds.",
        )
        for number in numbers
    ]
    append(folder, [(0, Summary(value=values))])


def _value(name: str, curve: NDArray[np.float32], description: str) -> object:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.pr_curve.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    metadata = create_summary_metadata(name, description, curve.shape[1])
    return Summary.Value(tag=f"pr_curve/{name}", metadata=metadata, tensor=make_tensor_proto(curve))


def _counts(truth: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the plugin draws.

    Args:
        truth: bool ``(n,)``.
        scores: float32 ``(n,)``, 0 to 1.

    Returns:
        float32 ``(6, t)``: true positives, false positives, true negatives, false negatives,
        precision and recall where whatever scores i / (t - 1) or more is taken to be of the class.
    """
    # As in tensorboard.plugins.pr_curve.summary, whose functions import TensorFlow.
    places = np.floor(np.clip(scores, 0, 1) * (_NUM_THRESHOLDS - 1)).astype(np.int64)
    true_positives, false_positives = (
        np.bincount(places[rows], minlength=_NUM_THRESHOLDS)[::-1].cumsum()[::-1]
        for rows in (truth, ~truth)
    )
    return np.stack(
        [
            true_positives,
            false_positives,
            false_positives[0] - false_positives,
            true_positives[0] - true_positives,
            true_positives / np.maximum(true_positives + false_positives, _LEAST_COUNT),
            true_positives / max(float(true_positives[0]), _LEAST_COUNT),
        ]
    ).astype(np.float32)
