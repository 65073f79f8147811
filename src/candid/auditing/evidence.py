"""Everything that checks look at, gathered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from candid.auditing.label_errors import LabelErrors, find_label_errors
from candid.auditing.properties import Properties
from candid.data.catalog import Catalog, Photo
from candid.features.extract import Features
from candid.splits.duplicates import Groups
from candid.splits.grouped_split import NUM_FOLDS, Labelled
from candid.splits.split import KEY_CHARACTERS, in_two_classes, keys_of

#: Different pictures that a class needs for anything to be learnt of it: one a fold.
LEAST_PICTURES = NUM_FOLDS
#: Why checks that learn something do not apply.
NOTHING_TO_LEARN = f"there are no two classes of {LEAST_PICTURES} different pictures or more"


@dataclass(frozen=True)
class Learnable:
    """The part of the photos that something can be learnt from.

    Attributes:
        places: int64 ``(m,)``, places of these photos among the readable ones.
        classes: Names of their classes; a label's number is its place here.
        data: Their embeddings and labels, copies of a picture in one unit.
    """

    places: NDArray[np.int64]
    classes: tuple[str, ...]
    data: Labelled


@dataclass(frozen=True)
class Evidence:
    """A folder, looked at from all sides. ``n`` is the number of photos that can be read.

    Attributes:
        scanned: The folder as it was found, with photos that can't be read still among its photos.
        features: What was seen in the n photos that can be read; its catalog names the others among
            ``skipped``, with reasons.
        groups: Which of the n photos show the same picture.
        properties: By content, of all photos whose header makes sense, readable or not.
        seed: Deals the folds of what is cross-validated.
    """

    scanned: Catalog
    features: Features
    groups: Groups
    properties: Mapping[str, Properties]
    seed: int = 0

    @property
    def photos(self) -> tuple[Photo, ...]:
        """The n photos that can be read, in the order of all arrays."""
        return self.features.catalog.photos

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, empty ones too."""
        return self.scanned.classes

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """The number of each photo's class, int64 ``(n,)``."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return np.array([numbers[photo.label] for photo in self.photos], np.int64)

    @cached_property
    def pictures(self) -> tuple[tuple[int, ...], ...]:
        """The places of the photos of each picture (group of copies), in order of first place."""
        members: dict[int, list[int]] = {}
        for place, picture in enumerate(self.groups.of_photo):
            members.setdefault(int(picture), []).append(place)
        return tuple(tuple(places) for places in members.values())

    @cached_property
    def learnable(self) -> Learnable | None:
        """The classes of `LEAST_PICTURES` or more; None where these are fewer than two.

        Pictures that are in two classes don't count, but are among the photos.
        """
        agreed = ~in_two_classes(self.labels, self.groups.of_photo)
        pairs = np.unique(np.stack([self.labels, self.groups.of_photo])[:, agreed], axis=1)
        num_pictures = np.bincount(pairs[0], minlength=len(self.classes))
        numbers = np.flatnonzero(num_pictures >= LEAST_PICTURES)
        if len(numbers) < 2:
            return None
        places = np.flatnonzero(np.isin(self.labels, numbers))
        _, units = np.unique(self.groups.of_photo[places], return_inverse=True)
        keys = keys_of([self.photos[place].content for place in places], units)
        everything = len(places) == len(self.photos)  # then a copy would be a waste
        data = Labelled(
            self.features.embeddings if everything else self.features.embeddings[places],
            np.searchsorted(numbers, self.labels[places]).astype(np.int64),
            units.astype(np.int64),
            [key[:KEY_CHARACTERS] for key in keys],
            len(numbers),
        )
        return Learnable(places, tuple(self.classes[number] for number in numbers), data)

    @cached_property
    def suspicion(self) -> LabelErrors | None:
        """What is to be thought of the labels of the learnable photos; see `find_label_errors`."""
        return (
            None
            if self.learnable is None
            else find_label_errors(self.learnable.data, seed=self.seed)
        )

    def properties_of(self, photo: Photo) -> Properties | None:
        """What is known of a photo's file."""
        return self.properties.get(photo.content)
