"""Index of the training photos, to find those with the most similar embeddings."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul, principal_axes
from candid.core.stored_rows import ManyRows, blocks_of
from candid.core.text import first_line
from candid.errors import ArtifactError, UsageError
from candid.runs.artifact import NEIGHBOURS

Table = NDArray[np.float32]

_MOST_AXES: Final = 256
_LEAST_AXES: Final = 64
_MOST_VALUES: Final = 25_600_000  # 51 MB of float16: 128 axes of 200,000 photos
_PCA_PHOTOS: Final = 4096  # the axes hardly change with more
_BLOCK: Final = 8192
_ROUGH_AXES: Final = 48
_SHORTLIST: Final = 1024  # pictures that are compared on all axes
_SHA256 = re.compile("[0-9a-f]{64}")
#: Dtype and number of dimensions of each array in the file.
_SHAPES: Final[dict[str, tuple[np.dtype[Any], int]]] = {
    "mean": (np.dtype(np.float32), 1),
    "axes": (np.dtype(np.float16), 2),
    "rows": (np.dtype(np.float16), 2),
    "contents": (np.dtype(np.uint8), 2),
    "firsts": (np.dtype(np.int64), 1),
}


class Neighbour(NamedTuple):
    """SHA-256 of a similar photo, hexadecimal, and its similarity, 0 to 1."""

    content: str
    similarity: float


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Photos in the space of their principal components, where similarity is the cosine.

    Attributes:
        mean: float32 ``(d,)``, mean embedding.
        axes: float16 ``(d, p)``, principal axes in descending order of variance.
        rows: float16 ``(n, p)``, centred embeddings projected onto the axes, of length 1 (or 0);
            copies of one picture are consecutive.
        contents: uint8 ``(n, 32)``, SHA-256 of each photo.
        firsts: int64 ``(g,)``, ascending from 0: the first row of each of g different pictures.
    """

    mean: Table
    axes: NDArray[np.float16]
    rows: NDArray[np.float16]
    contents: NDArray[np.uint8]
    firsts: NDArray[np.int64]

    def search(self, embeddings: Table, *, count: int = 3) -> tuple[tuple[Neighbour, ...], ...]:
        """Find the most similar photos, each of a different picture.

        The similarity is the cosine of the centred and projected embeddings, at least 0: 1 for the
        same pixels, about 0 for two random photos of the set. With more than 1,024 different
        pictures, these are preselected on the first 48 axes.

        Args:
            embeddings: float32 ``(m, d)``.
            count: Number of photos per embedding; fewer are found if there are fewer pictures.

        Returns:
            For each embedding the photos in descending order of similarity.

        Raises:
            UsageError: The embeddings have another length.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.mean):
            raise UsageError(
                f"embeddings of the same run's model are expected as (m, {len(self.mean)}). "
                f"Received: {embeddings.shape}."
            )
        projected = matmul(embeddings - self.mean, self._wide_axes)
        queries = _unit(projected.astype(np.float32, copy=False))
        return tuple(self._nearest(query, count) for query in queries)

    def similarities(self, embedding: Table) -> Table:
        """How similar each photo is to one, float32 ``(n,)``, in the order of `contents`.

        Args:
            embedding: float32 ``(d,)``, of the same model.
        """
        query = _unit(matmul(embedding[None] - self.mean, self._wide_axes).astype(np.float32))[0]
        found = np.empty(len(self.rows), np.float32)
        for start in range(0, len(found), _BLOCK):
            block = self.rows[start : start + _BLOCK].astype(np.float32)
            found[start : start + _BLOCK] = matmul(block, query)
        return np.clip(found, 0, 1)

    def to_bytes(self) -> bytes:
        """A deterministic ``.npz`` file."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _SHAPES}
        np.savez(file, **arrays)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Neighbours:
        """Read a file of `to_bytes`, without unpickling.

        Raises:
            ArtifactError: It is another file, or damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in _SHAPES}
        # zipfile, zlib and NumPy each raise errors of their own for foreign files.
        except Exception as error:
            raise ArtifactError(
                f"{NEIGHBOURS} can't be read ({first_line(error)}); restore it or train again."
            ) from error
        problem = _find_problem(arrays)
        if problem:
            raise ArtifactError(f"{NEIGHBOURS} is damaged: {problem}; restore it or train again.")
        return cls(**arrays)

    @cached_property
    def _wide_axes(self) -> Table:
        return self.axes.astype(np.float32)

    @cached_property
    def _rough(self) -> Table:
        return np.ascontiguousarray(self.rows[:, :_ROUGH_AXES], np.float32)

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.diff(self.firsts, append=len(self.rows))

    def _nearest(self, query: Table, count: int) -> tuple[Neighbour, ...]:
        groups = self._shortlist(query)
        sizes = self._sizes[groups]
        starts = np.cumsum(sizes) - sizes
        places = np.repeat(self.firsts[groups] - starts, sizes) + np.arange(sizes.sum())
        cosines = matmul(self.rows[places].astype(np.float32), query)
        best = np.maximum.reduceat(cosines, starts)
        found = []
        for rank in np.argsort(-best, kind="stable")[:count]:
            inside = slice(starts[rank], starts[rank] + sizes[rank])
            place = places[inside][cosines[inside].argmax()]
            similarity = float(np.clip(best[rank], 0, 1))
            found.append(Neighbour(self.contents[place].tobytes().hex(), similarity))
        return tuple(found)

    def _shortlist(self, query: Table) -> NDArray[np.int64]:
        """Numbers of the pictures to compare on all axes, ascending."""
        if len(self.firsts) <= _SHORTLIST:
            return np.arange(len(self.firsts))
        rough = matmul(self._rough, query[:_ROUGH_AXES])
        best = np.maximum.reduceat(rough, self.firsts)
        return np.sort(np.argpartition(-best, _SHORTLIST)[:_SHORTLIST])


def fit_neighbours(
    embeddings: ManyRows, contents: Sequence[str], groups: NDArray[np.int64] | None = None
) -> Neighbours:
    """Index photos for `Neighbours.search`.

    Embeddings are projected onto at most 256 principal axes, and fewer for more than 100,000
    photos, so that up to 400,000 photos take at most 51 MB.

    Args:
        embeddings: float32 ``(n, d)``.
        contents: SHA-256 of each photo, 64 hexadecimal digits.
        groups: int64 ``(n,)``, equal for copies of one picture; by default for equal bytes.

    Raises:
        UsageError: There is no photo, or the arguments don't fit each other.
    """
    _require_consistent(embeddings, contents, groups)
    if groups is None:
        groups = np.unique(np.asarray(contents), return_inverse=True)[1].astype(np.int64)
    order = np.argsort(groups, kind="stable")
    firsts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    sums = [embeddings[block].sum(axis=0, dtype=np.float64) for block in blocks_of(embeddings)]
    mean = (np.sum(sums, axis=0) / len(embeddings)).astype(np.float32)
    sample = np.linspace(0, len(order) - 1, min(len(order), _PCA_PHOTOS)).astype(np.int64)
    most = min(_MOST_AXES, max(_LEAST_AXES, _MOST_VALUES // len(order)))
    axes = principal_axes(embeddings[sample] - mean, most)[1].astype(np.float16)
    rows = np.empty((len(order), axes.shape[1]), np.float16)
    for start in range(0, len(order), _BLOCK):
        block = embeddings[order[start : start + _BLOCK]] - mean
        rows[start : start + _BLOCK] = _unit(matmul(block, axes.astype(np.float32)))
    digests = np.frombuffer(bytes.fromhex("".join(contents)), np.uint8).reshape(-1, 32)
    return Neighbours(mean, axes, rows, digests[order], firsts.astype(np.int64))


def _require_consistent(
    embeddings: ManyRows, contents: Sequence[str], groups: NDArray[np.int64] | None
) -> None:
    num_groups = len(contents) if groups is None else len(groups)
    if not len(embeddings) == len(contents) == num_groups > 0:
        raise UsageError(
            "one embedding, one content and one group are expected for each photo. Received: "
            f"{len(embeddings)} embeddings, {len(contents)} contents, {num_groups} groups."
        )
    for content in contents:
        if not _SHA256.fullmatch(content):
            raise UsageError(
                f"a content is a SHA-256 of 64 hexadecimal digits. Received: {content!r}."
            )


def _unit(rows: Table) -> Table:
    """Normalise rows to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)


def _find_problem(arrays: dict[str, NDArray[Any]]) -> str | None:
    for name, (dtype, num_axes) in _SHAPES.items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != num_axes or 0 in array.shape:
            return f"{name} is {array.dtype} {array.shape}"
        if dtype.kind == "f" and not np.isfinite(array).all():
            return f"{name} is not finite"
    mean, axes, rows, contents, firsts = (arrays[name] for name in _SHAPES)
    if axes.shape != (len(mean), rows.shape[1]) or contents.shape != (len(rows), 32):
        return "its arrays don't fit each other"
    if firsts[0] != 0 or firsts[-1] >= len(rows) or (np.diff(firsts) <= 0).any():
        return "firsts is out of order or range"
    return None
