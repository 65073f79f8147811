"""A run → what ``/v1/models`` says of it: names and figures, no path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from candid.app import sentence_of, title_of
from candid.evaluation.measures import FIGURES
from candid.manifest import Figures

if TYPE_CHECKING:
    from candid.server.models import ServedModel


def describe(model: ServedModel, *, is_default: bool) -> dict[str, Any]:
    """JSON values of a run, as `candid.server.schemas.ModelOut` has them."""
    classifier, manifest = model.classifier, model.manifest
    metrics = manifest.metrics
    abstention = classifier.abstention
    run = classifier.run_folder
    return {
        "name": model.name,
        "run": run.name if run else model.name,
        "is_default": is_default,
        "title": title_of(classifier.classes),
        "sentence": sentence_of(metrics),
        "recipe": manifest.recipe,
        "classes": list(classifier.classes),
        **classifier.rule.to_json(),
        "fit": classifier.contract.fit,
        "num_samples": len(model.samples),
        "coverage": abstention.coverage if abstention else None,
        "believe": metrics and metrics.believe,
        "figures": {
            estimate: _figures(measured)
            for estimate, measured in (("test", metrics), ("kfold", metrics and metrics.kfold))
            if measured
        },
    }


def _figures(measured: Figures) -> dict[str, dict[str, float]]:
    found = {name: getattr(measured, name) for name in FIGURES}
    return {name: vars(figure) for name, figure in found.items() if figure is not None}
