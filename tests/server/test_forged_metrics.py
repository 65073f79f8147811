"""A run with invalid figures is refused on loading, so no client sees them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from candid.core.safe_json import to_json
from candid.errors import ArtifactError
from candid.runs.artifact import MANIFEST
from candid.server.models import Models, describe, load_model
from candid.server.schemas import MeasuredOut
from candid.server.settings import Settings
from candid.training import Run

Metrics = dict[str, Any]
MAX_PIXELS = Settings().max_pixels


def nested(depth: int, opening: str, closing: str) -> Any:
    return json.loads(opening * depth + "0.5" + closing * depth)


def figure(**changed: Any) -> Callable[[Metrics], Any]:
    """Change values of the accuracy."""
    return lambda metrics: metrics | {"accuracy": metrics["accuracy"] | changed}


def folds(**changed: Any) -> Callable[[Metrics], Any]:
    """Change values of the accuracy to believe, which a sentence is made of, too."""
    return lambda metrics: (
        metrics | {"kfold": metrics["kfold"] | {"accuracy": metrics["kfold"]["accuracy"] | changed}}
    )


def other(**changed: Any) -> Callable[[Metrics], Any]:
    """Change what stands beside the figures, or a whole one."""
    return lambda metrics: metrics | changed


FORGED: dict[str, Callable[[Metrics], Any]] = {
    "a value that is no number": figure(value=float("nan")),
    "an infinite bound": figure(high=float("inf")),
    "a number as text": figure(value="0.99"),
    "markup": figure(low="<script>alert(1)</script>"),
    "a truth value": figure(value=True),
    "null for a value": figure(value=None),
    "a list for a value": figure(value=[0.9]),
    "lists in lists": figure(value=nested(900, "[", "]")),
    "objects in objects": figure(value=nested(900, '{"a":', "}")),
    "half a photo": figure(n=1.5),
    "photos as text": figure(n="many"),
    "photos without end": figure(n=float("inf")),
    "a figure that is a list": other(accuracy=[0.9, 0.8, 1.0, 30]),
    "a figure that is a number": other(accuracy=0.9),
    "a figure that is text": other(accuracy="good"),
    "a figure without its interval": other(accuracy={"value": 0.9, "n": 30}),
    "folds that are a list": other(kfold=[{"value": 0.9}]),
    "folds that are text": other(kfold="0.9"),
    "a figure of the folds as text": folds(value="0.9"),
    "photos of the folds without end": folds(n=float("inf")),
    "a list to believe": other(believe=["test"]),
    "a number to believe": other(believe=float("nan")),
    "nothing but a list": lambda metrics: [metrics],
    "nothing but text": lambda _: "very good",
    "nothing but a number": lambda _: float("nan"),
}


@pytest.fixture(scope="module")
def run(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose manifest each test writes anew."""
    return Path(shutil.copytree(trained.folder, tmp_path_factory.mktemp("forged") / "run"))


@pytest.fixture
def forge(run: Path, trained: Run) -> Callable[[Callable[[Metrics], Any]], Path]:
    """Give the copy other figures; the hashes of its files still hold."""

    def write(change: Callable[[Metrics], Any]) -> Path:
        manifest = json.loads((trained.folder / MANIFEST).read_text())
        manifest["metrics"] = change(manifest["metrics"])
        (run / MANIFEST).write_text(json.dumps(manifest))
        return run

    return write


@pytest.mark.parametrize("name", FORGED)
def test_figures_that_are_none_are_refused_in_a_line(forge: Callable, name: str) -> None:
    with pytest.raises(ArtifactError, match="does not say how good it is") as caught:
        load_model("run", forge(FORGED[name]), MAX_PIXELS)
    line = str(caught.value)
    assert "\n" not in line
    assert "<script" not in line
    assert len(line) < 500


def test_the_line_names_the_figure_that_is_wrong(forge: Callable) -> None:
    with pytest.raises(ArtifactError, match=r"figures\.test\.accuracy\.value: "):
        load_model("run", forge(figure(value="0.99")), MAX_PIXELS)


@pytest.mark.parametrize(
    "change",
    [lambda metrics: metrics, lambda _: None, lambda _: {}, other(roc_auc=None, kfold=None)],
    ids=["as written", "null", "nothing", "figures that do not apply"],
)
def test_figures_as_written_and_those_that_do_not_apply_are_served(
    forge: Callable, change: Callable[[Metrics], Any]
) -> None:
    model = load_model("run", forge(change), MAX_PIXELS)
    described = describe(model, is_default=True)
    MeasuredOut.model_validate(described, strict=True)
    metrics = to_json(model.classifier.require_manifest().metrics) or {}
    assert described["figures"].get("test", {}).get("accuracy") == metrics.get("accuracy")
    assert ("kfold" in described["figures"]) == bool(metrics.get("kfold"))


def test_the_figures_of_a_run_stay_where_a_forged_one_takes_its_place(forge: Callable) -> None:
    models = Models([forge(lambda metrics: metrics)], MAX_PIXELS)
    before = describe(next(iter(models)), is_default=True)
    forge(FORGED["markup"])
    [result] = models.reload()
    assert result.problem is not None
    assert "does not say how good it is" in result.problem
    assert describe(next(iter(models)), is_default=True) == before
