"""What a server needs of a classifier besides: calls beside each other, and one set of photos."""

from __future__ import annotations

import onnxruntime as ort

from candid.classifier import Classifier


def use_one_thread(classifier: Classifier, model: bytes) -> None:
    """Let a classifier's graph run in the thread that asks, as many at once as there are cores.

    Args:
        classifier: Was loaded from ``model``, which so is known to fit.
        model: The serialised graph.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    classifier._model._session = session


def share_photos(classifier: Classifier) -> None:
    """Let what explains be made before copies are, so that they read the run's photos once."""
    _ = classifier._explainer
