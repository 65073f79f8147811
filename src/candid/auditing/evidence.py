"""The input of all checks: photos, features, duplicate groups and file properties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from candid.auditing.label_errors import LabelErrors, find_label_errors
from candid.core.linalg import matmul
from candid.core.stored_rows import blocks_of
from candid.data.catalog import Catalog, Photo
from candid.features.extract import Features
from candid.features.properties import Properties
from candid.splits.duplicates import Groups
from candid.splits.grouped_split import NUM_FOLDS, Labelled
from candid.splits.neighbours import Rows
from candid.splits.split import KEY_CHARACTERS, in_two_classes, keys_of, label_numbers

#: Different pictures that a class needs to be cross-validated: one per fold.
MIN_PICTURES = NUM_FOLDS
_ONE_AT_A_TIME = Lock()  # since Python 3.12 `cached_property` has none
#: Why checks that fit a model do not apply.
NOT_TRAINABLE = f"fewer than two classes have {MIN_PICTURES} different pictures"


@dataclass(frozen=True)
class TrainableSubset:
    """The photos of the classes that are large enough for cross-validation.

    Attributes:
        indices: int64 ``(m,)``, indices of these photos among the readable ones.
        classes: Names of their classes, in the order of the labels.
        data: Their embeddings and labels, grouped by picture.
    """

    indices: NDArray[np.int64]
    classes: tuple[str, ...]
    data: Labelled


@dataclass(frozen=True)
class Evidence:
    """What is known about a folder. ``n`` is the number of readable photos.

    Attributes:
        scanned: The folder as scanned; its photos include unreadable ones.
        features: Features of the n readable photos; its catalog lists the others under
            ``skipped``, with reasons.
        groups: Which of the n photos show the same picture.
        properties: By content, of all photos with a valid header, readable or not.
        seed: Random seed of the cross-validation folds.
    """

    scanned: Catalog
    features: Features
    groups: Groups
    properties: Mapping[str, Properties]
    seed: int = 0

    @property
    def photos(self) -> tuple[Photo, ...]:
        """The n readable photos, in the order of all arrays."""
        return self.features.catalog.photos

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, including empty ones."""
        return self.scanned.classes

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Class index of each photo, int64 ``(n,)``."""
        return label_numbers(self.features.catalog)

    @cached_property
    def pictures(self) -> tuple[tuple[int, ...], ...]:
        """Photo indices of each picture (group of copies), in order of the first index."""
        members: dict[int, list[int]] = {}
        for index, picture in enumerate(self.groups.of_photo):
            members.setdefault(int(picture), []).append(index)
        return tuple(map(tuple, members.values()))

    @cached_property
    def trainable(self) -> TrainableSubset | None:
        """Classes of at least `MIN_PICTURES` pictures; None if there are fewer than two of them.

        Pictures in two classes are included, but don't count towards the minimum.
        """
        agreed = ~in_two_classes(self.labels, self.groups.of_photo)
        pairs = np.unique(np.stack([self.labels, self.groups.of_photo])[:, agreed], axis=1)
        num_pictures = np.bincount(pairs[0], minlength=len(self.classes))
        numbers = np.flatnonzero(num_pictures >= MIN_PICTURES)
        if len(numbers) < 2:
            return None
        indices = np.flatnonzero(np.isin(self.labels, numbers))
        _, groups = np.unique(self.groups.of_photo[indices], return_inverse=True)
        keys = keys_of([self.photos[index].content for index in indices], groups)
        embeddings = self.features.embeddings
        data = Labelled(
            embeddings if len(indices) == len(self.photos) else embeddings.take(indices, axis=0),
            np.searchsorted(numbers, self.labels[indices]).astype(np.int64),
            groups.astype(np.int64),
            [key[:KEY_CHARACTERS] for key in keys],
            len(numbers),
        )
        return TrainableSubset(indices, tuple(self.classes[number] for number in numbers), data)

    @property
    def label_errors(self) -> LabelErrors | None:
        """Label scores of the trainable photos; see `find_label_errors`."""
        with _ONE_AT_A_TIME:
            return self._label_errors

    @cached_property
    def _label_errors(self) -> LabelErrors | None:
        subset = self.trainable
        return None if subset is None else find_label_errors(subset.data, seed=self.seed)

    def typical(self, number: int) -> dict[str, tuple[str, ...]]:
        """Paths of typical photos of each class: the nearest to the mean of its embeddings.

        Args:
            number: At most so many of a class, each of another picture; none in two classes.
        """
        agreed = ~in_two_classes(self.labels, self.groups.of_photo)
        found = {}
        for label, name in enumerate(self.classes):
            members = np.flatnonzero(agreed & (self.labels == label))
            rows = Rows(self.features.embeddings, members)
            parts = list(blocks_of(self.features.embeddings.take(members, axis=0)))
            middle = np.sum([rows.take(part).sum(axis=0) for part in parts], axis=0)
            alike = np.concatenate([matmul(rows.take(part), middle) for part in parts])
            nearest = members[np.argsort(-alike, kind="stable")]
            _, first = np.unique(self.groups.of_photo[nearest], return_index=True)
            chosen = nearest[np.sort(first)[:number]]
            found[name] = tuple(self.photos[index].path for index in chosen)
        return found

    def properties_of(self, photo: Photo) -> Properties | None:
        """Properties of a photo's file, if it could be measured."""
        return self.properties.get(photo.content)

    def measured(self) -> Iterator[tuple[int, Properties]]:
        """Indices and properties of the photos whose files could be measured."""
        rows = ((index, self.properties_of(photo)) for index, photo in enumerate(self.photos))
        return ((index, properties) for index, properties in rows if properties is not None)
