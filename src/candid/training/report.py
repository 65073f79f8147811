"""Gathers what the report of a run shows.

Heat maps of cross-validated answers: by the head that gave the answer, not by the final one.

The final head has learnt from the photo that a fold's head mistook, and so sees it otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from candid.core.hashing import hash_bytes
from candid.data.images import PixelContract, decode, read_file
from candid.errors import CandidError, ImageError
from candid.evaluation.assess import EvalResult
from candid.features.backbones import Backbone, get
from candid.models.recipes.linear_head import LinearHead
from candid.models.recipes.transfer import write_graph
from candid.reporting.report.contents import Contents, Shortcut
from candid.reporting.report.mistakes import worst_places
from candid.runs.classifier import Classifier
from candid.runs.explaining import contrast
from candid.runs.explaining.explain import heat_of
from candid.runs.onnx_session import Model
from candid.runs.paths import RUNS, shorten
from candid.splits.prepare import Prepared
from candid.splits.split import Split
from candid.training.options import Result, TrainOptions


class FoldMaps:
    """The heat maps of several heads on one backbone, from one graph."""

    def __init__(
        self, backbone: Backbone, heads: Sequence[LinearHead], contract: PixelContract
    ) -> None:
        """Put the heads side by side.

        Args:
            backbone: What they are on; it has features.
            heads: One a fold.
            contract: How bytes become pixels.
        """
        self._num_classes = len(heads[0].bias)
        # To the graph it is one head of many classes, whose probabilities nobody asks for.
        side_by_side = LinearHead(
            np.concatenate([head.kernel for head in heads]),
            np.concatenate([head.bias for head in heads]),
            heads[0].strength,
        )
        names = [str(number) for number in range(len(side_by_side.bias))]
        self._model = Model(write_graph(backbone, side_by_side), names, contract)

    def of(self, pixels: NDArray[np.uint8], fold: int) -> NDArray[np.float32]:
        """What each place of a picture, uint8 ``(s, s, 3)``, adds to a fold's scores.

        Returns:
            float32 ``(k, h, w)``.
        """
        maps = self._model.run(pixels[None], with_heatmap=True).heatmap
        if maps is None:
            raise ValueError("the backbone has no features")
        first = fold * self._num_classes
        return np.asarray(maps[0, first : first + self._num_classes], np.float32)


def gather(
    run: Path,
    prepared: Prepared,
    dealt: Split,
    options: TrainOptions,
    result: Result,
    notes: tuple[str, ...],
    classifier: Classifier,
) -> Contents:
    """Gather what the report shows.

    Args:
        run: What the run's folder will be called.
        prepared: What was trained on.
        dealt: Where each photo went.
        options: How it was trained.
        result: What came of it.
        notes: What a person should know of the data.
        classifier: The trained one.
    """
    catalog, trained = prepared.catalog, result.trained
    return Contents(
        name=run.name,
        run=str(shorten(run.expanduser().absolute())),
        evaluation=result.evaluation,
        predictions=result.assessed.believed,
        heat_maps=dict(_heat_maps(prepared, options, result.assessed, classifier)),
        counts=_counts(prepared),
        folder=str(catalog.folder),
        recipe=options.recipe,
        trained_on=len(result.places),
        settings=_settings(options, result),
        fingerprints={
            "photos and classes": fingerprint(prepared),
            "split": hash_bytes("\n".join(f"{r.content} {r.part}" for r in dealt.rows).encode()),
            "model": hash_bytes(trained.model),
        },
        notes=notes,
        shortcut=find_shortcut(run.absolute().parent, catalog.folder),
        created=time.strftime("%Y-%m-%d"),
    )


def fingerprint(prepared: Prepared) -> str:
    """SHA-256 of the contents with their classes, whatever the files are called."""
    lines = sorted(f"{photo.content} {photo.label}\n" for photo in prepared.catalog.photos)
    # A class is a folder, whose name need not be UTF-8.
    return hash_bytes("".join(lines).encode(errors="surrogateescape"))


def find_shortcut(runs: Path, data: Path) -> Shortcut | None:
    """What the last audit of the folder says of classes that are told by the file."""
    from candid.auditing.result import find_previous, read_audit

    try:
        found = find_previous(runs, data) or find_previous(RUNS, data)
        return None if found is None else _shortcut(read_audit(found), found)
    except CandidError:  # an audit that can't be read says nothing
        return None


def _shortcut(audit: dict[str, Any], folder: Path) -> Shortcut | None:
    for check in audit["checks"]:
        if check["code"] == "shortcuts" and check["status"] in ("found", "clean"):
            findings = tuple(str(finding["summary"]) for finding in check["findings"])
            is_found = check["status"] == "found"
            return Shortcut(str(check["summary"]), findings, is_found, str(shorten(folder)))
    return None


def _heat_maps(
    prepared: Prepared, options: TrainOptions, assessed: EvalResult, classifier: Classifier
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """By path, what in the picture spoke for the wrong answer, to the model that gave it."""
    predictions, catalog = assessed.believed, prepared.catalog
    files = {photo.path: catalog.file(photo) for photo in catalog.photos}
    look = _looker(options, assessed, classifier)
    if look is None:
        return
    for place in worst_places(predictions):
        path = predictions.paths[place]
        try:
            pixels = decode(read_file(files[path]), classifier.contract)
        except ImageError:  # gone since it was looked at
            continue
        yield path, look(pixels, int(place))


def _looker(
    options: TrainOptions, assessed: EvalResult, classifier: Classifier
) -> Callable[[NDArray[np.uint8], int], NDArray[np.float32]] | None:
    """Gives the heat map of the photo at a place; None where that would take minutes."""
    predictions, folded = assessed.believed, assessed.folded

    def by_fold(pixels: NDArray[np.uint8], place: int) -> NDArray[np.float32]:
        maps = fold_maps.of(pixels, int(by_place[place]))
        return contrast(maps, int(predictions.predicted[place]), int(predictions.truth[place]))

    def by_model(pixels: NDArray[np.uint8], place: int) -> NDArray[np.float32]:
        outputs = classifier.run(pixels[None], with_heatmap=True)
        answered, true = int(predictions.predicted[place]), int(predictions.truth[place])
        return heat_of(pixels, outputs, 0, answered, run=classifier.run, against=true)

    if folded is None:
        return by_model
    backbone = get(options.backbone)
    if not backbone.has_features:
        return None
    by_place = folded.folds
    fold_maps = FoldMaps(backbone, folded.heads, classifier.contract)
    return by_fold


def _counts(prepared: Prepared) -> dict[str, tuple[int, int]]:
    counts = {}
    photos = prepared.catalog.photos
    for name in prepared.catalog.classes:
        mine = [place for place, photo in enumerate(photos) if photo.label == name]
        counts[name] = len(mine), len(np.unique(prepared.groups.of_photo[mine]))
    return counts


def _settings(options: TrainOptions, result: Result) -> dict[str, str]:
    contract = result.trained.contract
    values: dict[str, object] = {
        "recipe": options.recipe,
        "copies found by": options.backbone,
        "size": f"{contract.size_px}×{contract.size_px} px, {contract.fit}",
        **result.trained.settings,
    }
    rule = options.rule.to_json()
    values |= {"threshold": rule["threshold"]} if not rule["costs"] else {"costs": rule["costs"]}
    return {name.replace("_", " "): _tell(value) for name, value in values.items()}


def _tell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
