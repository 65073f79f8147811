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

from candid._version import __version__ as __version__

# ONNX Runtime numbers the machine and reports to its maker (on Linux and macOS), unless it finds
# this when it is imported: https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from candid.auditing.audit import AuditOptions, audit
    from candid.auditing.files import write_audit
    from candid.auditing.result import Audit
    from candid.core.progress import Progress
    from candid.data.catalog_writer import catalog
    from candid.data.source import DataSource
    from candid.errors import CandidError
    from candid.evaluation.evaluate import evaluate_run as evaluate
    from candid.runs.classifier import Classifier, load
    from candid.runs.prediction import Prediction
    from candid.runs.similar_photos import similar
    from candid.splits.prepare import SplitOptions
    from candid.training import Run, TrainOptions, train

# Imported on first use (PEP 562): `import candid` costs nothing, and predicting never imports what
# only training needs.
_PUBLIC = {
    "Audit": ("candid.auditing.result", "Audit"),
    "AuditOptions": ("candid.auditing.audit", "AuditOptions"),
    "CandidError": ("candid.errors", "CandidError"),
    "Classifier": ("candid.runs.classifier", "Classifier"),
    "DataSource": ("candid.data.source", "DataSource"),
    "Prediction": ("candid.runs.prediction", "Prediction"),
    "Progress": ("candid.core.progress", "Progress"),
    "Run": ("candid.training", "Run"),
    "SplitOptions": ("candid.splits.prepare", "SplitOptions"),
    "TrainOptions": ("candid.training", "TrainOptions"),
    "audit": ("candid.auditing.audit", "audit"),
    "catalog": ("candid.data.catalog_writer", "catalog"),
    "evaluate": ("candid.evaluation.evaluate", "evaluate_run"),
    "similar": ("candid.runs.similar_photos", "similar"),
    "load": ("candid.runs.classifier", "load"),
    "train": ("candid.training", "train"),
    "write_audit": ("candid.auditing.files", "write_audit"),
}

__all__ = [
    "Audit",
    "AuditOptions",
    "CandidError",
    "Classifier",
    "DataSource",
    "Prediction",
    "Progress",
    "Run",
    "SplitOptions",
    "TrainOptions",
    "audit",
    "catalog",
    "evaluate",
    "load",
    "similar",
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
