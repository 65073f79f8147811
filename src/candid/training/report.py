"""Collects the contents of a run's report, and of one on an evaluation on another folder.

The heat map of a cross-validated mistake is that of the fold's head that made it: the final head
was fitted on the photo.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.extras import require_packages, start_onnx
from candid.core.hashing import hash_bytes
from candid.core.linalg import matmul
from candid.data.catalog import Catalog
from candid.data.decisions import about_all, read_decisions
from candid.data.file_reader import make_once
from candid.data.images import PixelContract, decode, read_file
from candid.data.source import DataSource
from candid.errors import CandidError, DependencyError, ImageError, UsageError
from candid.evaluation.scores import Predictions
from candid.evaluation.stored import StoredRun
from candid.features.backbones import Backbone, build, get
from candid.models.recipes.linear_head import LinearHead
from candid.reporting.pages import file_previews
from candid.reporting.report.contents import Contents, Shortcut
from candid.reporting.report.mistakes import worst_places
from candid.reporting.report.page import write_page
from candid.runs.artifact import DECISIONS, MANIFEST, MODEL, find_run, read_manifest
from candid.runs.classifier import Classifier
from candid.runs.explaining import contrast
from candid.runs.explaining.explain import heat_of
from candid.runs.paths import RUNS, require_outside, require_writable, shorten
from candid.splits.prepare import Prepared
from candid.splits.split import label_numbers
from candid.training.options import Result

if TYPE_CHECKING:
    from candid.evaluation.evaluate import Elsewhere, Measured

#: Longest side of a photo on the page.
PHOTO_PX: Final = 200


def gather(run: Path, result: Result, load: Callable[[], Classifier]) -> Contents:
    """Collect the contents of a run's report.

    Args:
        run: The final name of the run's folder.
        result: The trained model and its evaluation.
        load: Loads the same model, if it is needed.
    """
    prepared, split = result.prepared, result.split
    kept = prepared.decided.applied.kept if prepared.decided else ()
    return Contents(
        name=run.name,
        run=str(shorten(run.expanduser().absolute())),
        evaluation=result.evaluation,
        predictions=result.assessed.believed,
        heat_maps=dict(_heat_maps(result, load)),
        counts=_counts(
            label_numbers(prepared.catalog), prepared.groups.of_photo, prepared.catalog.classes
        ),
        folder=str(prepared.catalog.source),
        options=prepared.catalog.source.options,
        recipe=result.options.recipe,
        trained_on=len(result.fitted_on),
        settings=_settings(result),
        fingerprints={
            "photos and classes": fingerprint(prepared),
            "split": hash_bytes("\n".join(f"{r.content} {r.part}" for r in split.rows).encode()),
            "model": hash_bytes(result.trained.model),
        },
        notes=result.notes,
        shortcut=find_shortcut(run.absolute().parent, prepared.catalog.source, kept),
        created=time.strftime("%Y-%m-%d"),
    )


def find_page(run: Path, data: DataSource | None, page: Path | None) -> Path | None:
    """The file of the report on an evaluation.

    Args:
        run: The run's folder, beside which it lies by default.
        data: The folder; None for the run's own photos, on which the run has its report.
        page: The file that is asked for.

    Returns:
        A file that is not there yet; None where none is asked for, and none can be written.

    Raises:
        UsageError: The file is there already, among the photos, or can't be written.
        DependencyError: Jinja2 is not installed, and a report is asked for.
    """
    own = find_run(run).resolve()
    if data is None or read_manifest(own).data.is_in(data):
        if page is not None:
            raise UsageError("--report is for another folder: name one. A run has its report.html.")
        return None
    names = (f"{own.name}-on-{data.name}-{number}.html" for number in count(1))
    file = page or next(file for name in names if not (file := own.parent / name).exists())
    try:
        require_packages(("jinja2",), needed_by="a report", extra="transfer")
        if file.exists():
            raise UsageError(f"{file} exists already; choose another --report.")
        require_outside(file, data, option="--report")
        require_writable(file)
    except (DependencyError, UsageError):
        if page is not None:
            raise
        return None
    return file


def write_elsewhere(measured: Measured, page: Path) -> Contents:
    """Write the report on an evaluation on another folder, and return what it shows.

    Raises:
        UsageError: It can't be written.
    """
    assert measured.elsewhere is not None
    contents = _gather_elsewhere(measured, measured.elsewhere, page)
    catalog, contract = measured.elsewhere.catalog, measured.elsewhere.run.classifier.contract
    previews = file_previews(catalog.find, size_px=PHOTO_PX, reading=contract)
    text = write_page(contents, previews)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(text, "utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"{page} can't be written: {error.strerror}.") from error
    return contents


def _gather_elsewhere(measured: Measured, elsewhere: Elsewhere, page: Path) -> Contents:
    run, catalog, predictions = elsewhere.run, elsewhere.catalog, elsewhere.predictions
    classifier, manifest = run.classifier, run.classifier.require_manifest()
    folder = shorten(catalog.source)
    return Contents(
        name=f"{run.folder.resolve().name} on {catalog.source.name}",
        run=str(shorten(run.folder.absolute())),
        evaluation=measured.evaluation,
        predictions=predictions,
        heat_maps=dict(_heat_maps_of(classifier, catalog, predictions)),
        counts=_counts(predictions.truth, predictions.groups, classifier.classes),
        folder=folder,
        options=catalog.source.options,
        recipe=manifest.recipe,
        trained_on=len(run.split.places(*getattr(manifest.settings, "fitted_on", ["train"]))),
        settings=_in_words(vars(manifest.settings)),
        fingerprints={"model": manifest.files[MODEL]},
        notes=measured.notes,
        shortcut=find_shortcut(run.folder.absolute().parent, catalog.source),
        created=time.strftime("%Y-%m-%d"),
        measured_on=f"on {folder}",
        page=str(shorten(page.expanduser().absolute())),
    )


def gather_stored(stored: StoredRun) -> Contents:
    """Collect the contents of a run's report again, from its files alone: without heat maps."""
    manifest, predictions = stored.manifest, stored.predictions
    source, file = manifest.data.source, stored.folder / DECISIONS
    decisions = () if manifest.decisions is None else read_decisions(file)
    kept = {(row.path, row.content, row.finding) for row in decisions if row.decision == "keep"}
    written = time.localtime((stored.folder / MANIFEST).stat().st_mtime)
    rows = [row for row in stored.split.rows if row.group]
    names = np.unique([row.group for row in rows], return_inverse=True)[1]
    labels = np.array([manifest.classes.index(row.label) for row in rows], np.int64)
    return Contents(
        name=stored.folder.name,
        run=str(shorten(stored.folder.absolute())),
        evaluation=stored.evaluation,
        predictions=predictions,
        heat_maps={},
        counts=_counts(labels, names.astype(np.int64), manifest.classes),
        folder=str(source),
        options=source.options,
        recipe=manifest.recipe,
        trained_on=len(stored.split.places(*getattr(manifest.settings, "fitted_on", ["train"]))),
        settings=_in_words(vars(manifest.settings)),
        fingerprints={"photos and classes": manifest.data.fingerprint},
        notes=manifest.data.notes,
        shortcut=find_shortcut(stored.folder.absolute().parent, source, kept),
        created=time.strftime("%Y-%m-%d", written),
    )


def fingerprint(prepared: Prepared) -> str:
    """SHA-256 of the contents and their classes, independent of file names."""
    lines = sorted(f"{photo.content} {photo.label}\n" for photo in prepared.catalog.photos)
    # A class is a folder, whose name need not be UTF-8.
    return hash_bytes("".join(lines).encode(errors="surrogateescape"))


def find_shortcut(
    runs: Path, data: DataSource, kept: Collection[tuple[str, str, str]] = ()
) -> Shortcut | None:
    """What the latest audit of a data folder says of shortcuts, if there is one.

    Args:
        runs: Folder searched for audits, before ``runs`` in the current folder.
        data: The data folder.
        kept: Path, content and finding of what a person decided to keep, perhaps after the audit.
    """
    from candid.auditing.result import find_previous, read_audit

    try:
        found = find_previous(runs, data) or find_previous(RUNS, data)
        return None if found is None else read_shortcut(read_audit(found), found, kept)
    except CandidError:  # an unreadable audit counts as none
        return None


def read_shortcut(
    audit: dict[str, Any], folder: Path, kept: Collection[tuple[str, str, str]] = ()
) -> Shortcut | None:
    """What an audit, as JSON, says of shortcuts; for ``kept`` see `find_shortcut`.

    Earlier versions had one check for files and looks, and nothing to keep.
    """
    checks = {check["code"]: check for check in audit["checks"]}
    if "shortcuts" not in checks:
        return None
    check = checks["shortcuts"]
    findings = _unkept(check, kept)
    return Shortcut(
        summary=str(check["summary"]) or "nothing was found",
        findings=tuple(str(row["summary"]) for row in findings),
        found=bool(findings),
        audit=str(shorten(folder)),
        traits=tuple(str(row.get("about", "")).removeprefix(about_all("")) for row in findings),
        is_judged=not findings and (bool(check["findings"]) or check.get("num_kept", 0) > 0),
        is_checked=check["status"] in ("found", "clean"),
        looks=tuple(
            str(row["summary"])
            for row in _unkept(checks.get("brightness-and-colour", {"findings": []}), kept)
        ),
    )


def _unkept(check: dict[str, Any], kept: Collection[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        row for row in check["findings"] if (row.get("about", ""), "", check["code"]) not in kept
    ]


def feature_maps(backbone: Backbone, contract: PixelContract) -> Callable[[bytes], bytes]:
    """Start a backbone that makes feature maps, which the heads of all folds share.

    Returns:
        From a photo's bytes to its map: float32 ``(d, h, w)`` as bytes, h and w being equal.
    """
    from candid.core.onnx_builder import GraphBuilder

    graph = GraphBuilder.continue_from(build(backbone))
    graph.output("features", np.float32, ("n", backbone.num_features, "h", "w"))
    session = start_onnx(graph.finish().SerializeToString(), num_threads=1)

    def feature_map(data: bytes) -> bytes:
        image = decode(data, contract)[None]
        features: NDArray[np.float32] = session.run(["features"], {"image": image})[0]
        return features.tobytes()

    return feature_map


def map_of(head: LinearHead, features: bytes) -> NDArray[np.float32]:
    """What each place of a photo's `feature_maps` adds to each score, float32 ``(k, h, w)``.

    A score is the mean of its map (class activation maps; Zhou et al., 2016), as pooling and head
    are both linear.
    """
    by_place = np.frombuffer(features, np.float32).reshape(head.kernel.shape[1], -1)
    side = math.isqrt(by_place.shape[1])
    maps = matmul(head.kernel, by_place) + head.bias[:, None]
    return np.asarray(maps.reshape(-1, side, side), np.float32)


def _heat_maps(
    result: Result, load: Callable[[], Classifier]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Path and heat map of the worst mistakes, for the answered against the true class."""
    catalog, predictions = result.prepared.catalog, result.assessed.believed
    folded = result.assessed.folded
    if folded is None:
        # Of a model that was trained on all other photos.
        tested = {row.path for row in result.split.rows if row.part == "test"}
        yield from _heat_maps_of(load(), catalog, predictions, tested)
        return
    backbone, features = get(result.options.backbone), result.prepared.features
    if not backbone.has_features:  # occlusion with each fold's head would take minutes
        return
    photos = {photo.path: photo for photo in catalog.photos}
    mistakes = {place: photos[predictions.paths[place]] for place in worst_places(predictions)}
    maps = make_once(
        features.thumbnails.cache,
        # Another number when what `feature_maps` makes of equal pixels changes.
        f"features:1:{features.contract.key}:{features.fingerprint[:24]}",
        {photo.content: catalog.file(photo) for photo in mistakes.values()},
        partial(feature_maps, backbone, features.contract),
    )
    for place, photo in mistakes.items():
        if photo.content in maps:  # else it was removed or changed since it was embedded
            of_classes = map_of(folded.heads[folded.folds[place]], maps[photo.content])
            answered, true = int(predictions.predicted[place]), int(predictions.truth[place])
            yield photo.path, contrast(of_classes, answered, true)


def _heat_maps_of(
    classifier: Classifier,
    catalog: Catalog,
    predictions: Predictions,
    among: Container[str] | None = None,
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The same by the final model, for photos that it was not fitted on."""
    run = classifier.model.run
    files = {photo.path: catalog.file(photo) for photo in catalog.photos}
    for place in worst_places(predictions):
        if among is not None and predictions.paths[place] not in among:
            continue
        try:
            pixels = decode(read_file(files[predictions.paths[place]]), classifier.contract)
        except ImageError:  # removed or changed since it was predicted
            continue
        answered, true = int(predictions.predicted[place]), int(predictions.truth[place])
        outputs = run(pixels[None], with_heatmap=True)
        heat = heat_of(pixels[None], outputs, 0, answered, run=run, against=true)
        yield predictions.paths[place], heat


def _counts(
    labels: NDArray[np.int64], groups: NDArray[np.int64], classes: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Numbers of photos and of different pictures, by class."""
    by_class = (groups[labels == number] for number in range(len(classes)))
    return {
        name: (len(found), len(np.unique(found)))
        for name, found in zip(classes, by_class, strict=True)
    }


def _settings(result: Result) -> dict[str, str]:
    options, contract = result.options, result.trained.contract
    values: dict[str, object] = {
        "recipe": options.recipe,
        "copies found by": options.backbone,
        "size": f"{contract.size_px}×{contract.size_px} px, {contract.fit}",
        **result.trained.settings,
    }
    if result.split.own is not None:
        values["own parts"] = f"{', '.join(result.split.own.parts)}; {result.split.own.mode}"
    rule = options.rule.to_json()
    values |= {"threshold": rule["threshold"]} if not rule["costs"] else {"costs": rule["costs"]}
    return _in_words(values)


def _in_words(settings: Mapping[str, object]) -> dict[str, str]:
    given = {name: value for name, value in settings.items() if value is not None}
    return {name.replace("_", " "): _format(value) for name, value in given.items()}


def _format(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
