"""The training photos that pulled an answer to where it is, and the answer without them.

For runs of the recipe ``transfer``, whose head alone was fitted. Candidates are found by influence
functions (Koh and Liang, "Understanding black-box predictions via influence functions", 2017); then
the head is fitted again without each of them, so what is told is no estimate. What stays as it was:
the strength of the penalty, the axes, the temperature, and how much each other photo counts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.cache import Cache
from candid.core.extras import require_packages
from candid.core.linalg import Rows, matmul
from candid.core.progress import Progress, Silent
from candid.core.stored_rows import MANY_ROWS
from candid.core.text import plural
from candid.data.catalog import Catalog
from candid.data.scan import scan
from candid.errors import ArtifactError, UsageError
from candid.models.recipes.linear_head import LinearHead, possible_weights, space_of
from candid.models.recipes.logistic import MANY_CLASSES, softmax
from candid.models.recipes.refit import FittedHead
from candid.runs.artifact import MODEL, SPLIT, read_manifest
from candid.runs.manifest import TransferSettings
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import extract_catalog
from candid.splits.split import Row, read_csv

#: Photos that are named at most.
NUM_CULPRITS: Final = 8
_NUM_CANDIDATES: Final = 16  # groups that the head is fitted again without
_MOST_DISTANCE: Final = 0.02  # of a head from the optimum for its photos


@dataclass(frozen=True)
class Pull:
    """Training photos of one group, and how much they pulled an answer.

    Attributes:
        contents: SHA-256 of the photos, which are left out together: the copies of one picture, or
            a group of the user's. First the one that pulled most.
        label: The class that they were trained with.
        nats: What the log odds of the answered class lose to the other one without them; positive.
        probabilities: float32 ``(k,)``, the answer without them.
    """

    contents: tuple[str, ...]
    label: str
    nats: float
    probabilities: Rows


class Culprits:
    """Answers of a run's head, fitted again without some of its photos."""

    def __init__(
        self,
        data: Labelled,
        contents: Sequence[str],
        classes: Sequence[str],
        head: LinearHead,
        *,
        temperature: float,
        seed: int = 0,
    ) -> None:
        """Prepare; this fits the head without each fold, as the training did.

        Args:
            data: The photos that the head was fitted on, in the order of the training.
            contents: SHA-256 of each.
            classes: Names of the classes.
            head: The fitted head, before calibration, with the strength of its penalty.
            temperature: What its scores are divided by.
            seed: Of the training.

        Raises:
            UsageError: There are too many classes or photos, or the head was fitted on others.
        """
        _require_few(len(contents), len(classes))
        self.classes = tuple(classes)
        self._data, self._contents = data, np.array(contents)
        self._temperature = temperature
        self._space = space_of(data)
        solution = self._space.from_embeddings(head.kernel, head.bias)
        heads = [
            FittedHead(
                self._space.rows[:], data.labels, weights, head.strength, len(classes), solution
            )
            for weights in possible_weights(data, head.strength, seed=seed)
        ]
        self._head = min(heads, key=lambda one: one.distance)
        if self._head.distance > _MOST_DISTANCE:
            raise UsageError(
                "these are not the photos that the run was trained on: its head does not fit them. "
                "Train again."
            )
        self._without: tuple[bytes, FittedHead] = (b"", self._head)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {content: place for place, content in enumerate(self._contents.tolist())}

    def knows(self, content: str) -> bool:
        """Whether the head was fitted on a photo of this content."""
        return content in self._place

    def group_of(self, content: str) -> tuple[str, ...]:
        """The photos that are left out together with one.

        Raises:
            UsageError: The head was not fitted on it.
        """
        return tuple(self._contents[self._left_out([content])].tolist())

    def answer(self, embedding: Rows, *, without: Collection[str] = ()) -> Rows:
        """The probabilities of a photo by the head without some photos and their groups.

        Args:
            embedding: float32 ``(d,)``, by the run's model.
            without: SHA-256 of photos.

        Returns:
            float32 ``(k,)``, calibrated as the run's.

        Raises:
            UsageError: The head was not fitted on one of them; or a class would have no photo left.
        """
        return self._probabilities(self._fit_without(without), self._query(embedding))

    def pulls(
        self,
        embedding: Rows,
        answered: int,
        against: int,
        *,
        without: Collection[str] = (),
        most: int = NUM_CULPRITS,
    ) -> tuple[Pull, ...]:
        """The photos that pulled an answer most, each with what it did.

        Args:
            embedding: float32 ``(d,)``, of the photo that was asked for.
            answered: The class to which they pulled.
            against: The class from which they pulled.
            without: SHA-256 of photos that are left out before, such as the asked one.
            most: Groups that are named at most.

        Returns:
            In descending order of `Pull.nats`; groups without which a class had no photo are left
            out.

        Raises:
            UsageError: As `answer`.
        """
        head, query = self._fit_without(without), self._query(embedding)
        groups = self._data.groups
        influence = head.influence(query, answered, against)
        by_group = np.bincount(groups, -influence, minlength=len(self._data.group_keys))
        order = np.argsort(-by_group, kind="stable")[: max(_NUM_CANDIDATES, most)]
        masks = [groups == group for group in order if by_group[group] > 0]
        masks = [mask for mask in masks if head.allows(mask)]
        before = self._log_odds(head, query, answered, against)
        found = []
        for mask, other in zip(masks, head.leave_out(masks), strict=True):
            places = np.flatnonzero(mask)
            places = places[np.argsort(influence[places], kind="stable")]
            nats = before - self._log_odds(other, query, answered, against)
            found.append(
                Pull(
                    tuple(self._contents[places].tolist()),
                    self.classes[self._data.labels[places[0]]],
                    nats,
                    self._probabilities(other, query),
                )
            )
        found = [pull for pull in found if pull.nats > 0]
        return tuple(sorted(found, key=lambda pull: -pull.nats)[:most])

    def _fit_without(self, without: Collection[str]) -> FittedHead:
        """The head without some photos; the last one is kept."""
        mask = self._left_out(without)
        if not mask.any():
            return self._head
        key = mask.tobytes()
        if self._without[0] != key:
            if not self._head.allows(mask):
                raise UsageError("without these photos, a class has none left to learn from.")
            self._without = key, self._head.leave_out([mask])[0]
        return self._without[1]

    def _left_out(self, contents: Collection[str]) -> NDArray[np.bool_]:
        unknown = [content for content in contents if content not in self._place]
        if unknown:
            raise UsageError(
                f"the run was not trained on {plural(len(unknown), 'photo')} of these."
            )
        groups = self._data.groups[[self._place[content] for content in contents]]
        return np.isin(self._data.groups, groups)

    def _query(self, embedding: Rows) -> NDArray[np.float64]:
        expected = self._data.embeddings.shape[1]
        if embedding.shape != (expected,) or not np.isfinite(embedding).all():
            raise UsageError(f"an embedding of {expected} finite numbers is expected.")
        return np.append(self._space.place(embedding[None])[0].astype(np.float64), 1)

    def _scores(self, head: FittedHead, query: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(matmul(head.parameters, query) / self._temperature)

    def _probabilities(self, head: FittedHead, query: NDArray[np.float64]) -> Rows:
        return np.asarray(softmax(self._scores(head, query)[None])[0])

    def _log_odds(
        self, head: FittedHead, query: NDArray[np.float64], answered: int, against: int
    ) -> float:
        scores = self._scores(head, query)
        return float(scores[answered] - scores[against])


def open_culprits(
    run: str | Path,
    catalog: Catalog | None = None,
    *,
    cache: Cache | None = None,
    progress: Progress | None = None,
) -> Culprits:
    """Prepare the culprits of a run: find its photos and their embeddings, which the cache has.

    Args:
        run: The run's folder.
        catalog: Where its photos are now, in any class; by default they are looked for in the
            folder that it was trained on.
        cache: Where embeddings are kept; by default the user's own.
        progress: Progress callback.

    Raises:
        UsageError: The run's recipe trained more than the head, it has too many classes or photos,
            or some of the photos are gone.
        ArtifactError: The run is damaged.
    """
    folder, progress = Path(run), progress or Silent()
    manifest = read_manifest(folder)
    settings = manifest.settings
    if manifest.recipe != "transfer" or not isinstance(settings, TransferSettings):
        raise UsageError(
            f"what a photo did can't be told for the recipe {manifest.recipe}: it trained layers "
            "that see all photos at once, so leaving one out takes a whole training. Train with "
            "the recipe transfer (--quality fast)."
        )
    rows = [row for row in read_csv(folder / SPLIT).rows if row.part in settings.fitted_on]
    _require_few(len(rows), len(manifest.classes))
    if catalog is None:
        catalog = scan(manifest.data.source, to_train=False, allow_unlabelled=True)
    found = _photos_of(rows, catalog)
    preparation = manifest.prepared_with
    features = extract_catalog(
        found,
        backbone=settings.backbone if preparation is None else preparation.backbone,
        fit=manifest.pixels.fit,
        reading=manifest.pixels.contract(),
        cache=cache,
        progress=progress,
    )
    _require_all(len(features.catalog.photos), len(rows))
    numbers = {name: number for number, name in enumerate(manifest.classes)}
    keys, groups = np.unique([row.group for row in rows], return_inverse=True)
    data = Labelled(
        features.embeddings,
        np.array([numbers[row.label] for row in rows], np.int64),
        groups.astype(np.int64),
        list(map(str, keys)),
        len(manifest.classes),
    )
    temperature = manifest.calibration.temperature
    kernel, bias = _last_layer(folder)
    with progress.step("Fitting the head again", 0):
        return Culprits(
            data,
            [row.content for row in rows],
            manifest.classes,
            LinearHead(kernel * temperature, bias * temperature, settings.strength),
            temperature=temperature,
            seed=settings.seed,
        )


def _require_few(num_photos: int, num_classes: int) -> None:
    if num_classes > MANY_CLASSES or num_photos > MANY_ROWS:
        raise UsageError(
            f"what a photo did is told for up to {MANY_CLASSES} classes and {MANY_ROWS} photos. "
            f"Received: {num_classes} classes, {num_photos} photos."
        )


def _photos_of(rows: Sequence[Row], catalog: Catalog) -> Catalog:
    """The catalog's photos of the rows, by content and in their order."""
    by_content = {photo.content: photo for photo in catalog.photos}
    photos = tuple(by_content[row.content] for row in rows if row.content in by_content)
    _require_all(len(photos), len(rows))
    return replace(catalog, photos=photos, unlabelled=())


def _require_all(num_found: int, num_trained: int) -> None:
    if num_found < num_trained:
        raise UsageError(
            f"{plural(num_trained - num_found, 'photo')} of those that the run was trained on "
            "can't be found or read any more, so the training can't be repeated without one. "
            "Restore them, or train again."
        )


def _last_layer(folder: Path) -> tuple[Rows, Rows]:
    """The calibrated head in a run's graph: kernel ``(k, d)`` and bias ``(k,)``."""
    require_packages(["onnx"], needed_by="what a photo did", extra="transfer")
    import onnx
    from onnx import numpy_helper

    constants = {one.name: one for one in onnx.load(folder / MODEL).graph.initializer}
    try:
        kernel, bias = (
            np.asarray(numpy_helper.to_array(constants[f"scores.{name}"]), np.float32)
            for name in ("kernel", "bias")
        )
    except KeyError as error:
        raise ArtifactError(f"{folder / MODEL} has no layer called scores; train again.") from error
    return kernel, bias
