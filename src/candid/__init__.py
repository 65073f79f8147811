"""From a folder of photos to a classifier, and an honest figure of how good it is.

Example:
    >>> import candid
    >>> run = candid.train("data")  # doctest: +SKIP
    >>> candid.load("runs/latest").predict("photo.jpg").label  # doctest: +SKIP
    'happy'
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# ONNX Runtime numbers the machine and reports to its maker (on Linux and macOS), unless it finds
# this when it is imported: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from candid.auditing.audit import AuditOptions as AuditOptions
    from candid.auditing.audit import audit as audit
    from candid.auditing.files import write_audit as write_audit
    from candid.auditing.result import Audit as Audit
    from candid.classifier import Classifier as Classifier
    from candid.classifier import load as load
    from candid.data import SplitOptions as SplitOptions
    from candid.errors import CandidError as CandidError
    from candid.evaluation.run import evaluate_run as evaluate
    from candid.prediction import Prediction as Prediction
    from candid.training import TrainOptions as TrainOptions
    from candid.training import train as train

# Imported on first use (PEP 562): `import candid` costs nothing, and predicting never imports what
# only training needs.
_PUBLIC = {
    "Audit": ("candid.auditing.result", "Audit"),
    "AuditOptions": ("candid.auditing.audit", "AuditOptions"),
    "CandidError": ("candid.errors", "CandidError"),
    "Classifier": ("candid.classifier", "Classifier"),
    "Prediction": ("candid.prediction", "Prediction"),
    "SplitOptions": ("candid.data", "SplitOptions"),
    "TrainOptions": ("candid.training", "TrainOptions"),
    "audit": ("candid.auditing.audit", "audit"),
    "evaluate": ("candid.evaluation.run", "evaluate_run"),
    "load": ("candid.classifier", "load"),
    "train": ("candid.training", "train"),
    "write_audit": ("candid.auditing.files", "write_audit"),
}

__all__ = [
    "Audit",
    "AuditOptions",
    "CandidError",
    "Classifier",
    "Prediction",
    "SplitOptions",
    "TrainOptions",
    "audit",
    "evaluate",
    "load",
    "train",
    "write_audit",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'candid' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
