"""How unlike anything that it was trained on a photo is, from its embedding alone.

Three distances from the classes of the training photos, summed as z-scores:

- angle: minus the largest cosine between the photo and a class mean, both whitened by the
  covariance within classes and seen from the mean of the class means. It is high for a photo whose
  departure from the middle is not towards any class (compare Ben Ammar et al., 2024, "NECO").
- distance: to the nearest class mean within the discriminant subspace (Fisher, 1936), which is
  where a class that was left out differs.
- residual: the whitened length outside that subspace (compare Wang et al., 2022, "ViM"), which is
  where photos of another kind differ.

Embeddings are taken by the Hellinger map first: the roots of their shares of their sum.
docs/adr/0011-unknown.md says what else was tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from candid.backbones.onnx_builder import GraphBuilder

Rows = NDArray[np.float32]
Labels = NDArray[np.int64]

_RIDGE: Final = 1.0  # of the mean variance within classes; 0.1 to 3 make little difference
_RANK: Final = 128  # directions whose variance is told apart; the others share the ridge's
_EXTRA: Final = 16  # directions that are iterated on beside them
_NUM_ROUNDS: Final = 4
_MOST_ROWS: Final = 20_000  # more tell nothing new of a covariance
_FEW_ROWS: Final = 600  # of which all eigenvectors are found faster
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Geometry:
    """Where the classes of some photos lie.

    Attributes:
        mean: float32 ``(d,)``, the mean of the class means, of mapped embeddings.
        axes: float32 ``(d, r)``, principal axes within classes.
        excess: float32 ``(r,)``, the precision along each less that of the rest, 0 at most.
        rest: The precision of all other directions.
        discriminant: float32 ``(d, m)``, axes of the discriminant subspace.
        centres: float32 ``(k, m)``, the class means in it.
    """

    mean: Rows
    axes: Rows
    excess: Rows
    rest: float
    discriminant: Rows
    centres: Rows

    def measures(self, embeddings: Rows) -> Rows:
        """Angle, distance and residual, float32 ``(n, 3)``; larger for what is less alike."""
        rows = _map(embeddings) - self.mean
        within = np.square(rows @ self.axes) @ self.excess
        total = np.maximum(within + self.rest * np.square(rows).sum(axis=1), _TINY)
        placed = rows @ self.discriminant
        lengths = np.square(self.centres).sum(axis=1)
        dots = placed @ self.centres.T
        square = np.square(placed).sum(axis=1)
        angle = -(dots / np.sqrt(lengths + _TINY)).max(axis=1) / np.sqrt(total)
        distance = np.sqrt(np.maximum((square[:, None] - 2 * dots + lengths).min(axis=1), 0))
        residual = np.sqrt(np.maximum(total - square, 0))
        return np.stack([angle, distance, residual], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Novelty:
    """How unlike the training photos an embedding is.

    Attributes:
        geometry: Where the classes lie.
        middle: float32 ``(3,)``, the mean measures of held-out photos.
        spread: float32 ``(3,)``, their standard deviations.
    """

    geometry: Geometry
    middle: Rows
    spread: Rows

    def scores(self, embeddings: Rows) -> Rows:
        """Scores ``(n,)`` of embeddings ``(n, d)``, float32: about 0 for what is known."""
        return self.of_measures(self.geometry.measures(embeddings))

    def of_measures(self, measures: Rows) -> Rows:
        """Sum measures, float32 ``(n, 3)``, as z-scores."""
        return np.asarray(((measures - self.middle) / self.spread).sum(axis=1), np.float32)

    def add_to(self, graph: GraphBuilder, embedding: str) -> str:
        """Append the nodes that compute it.

        Args:
            graph: To be appended to.
            embedding: A tensor of it, float32 ``(n, d)``.

        Returns:
            The tensor ``novelty``, float32 ``(n,)``.
        """
        from candid.novelty_graph import add_novelty

        return add_novelty(graph, self, embedding)


def fit_novelty(embeddings: Rows, labels: Labels, folds: Labels) -> tuple[Novelty, Rows]:
    """Learn where the classes lie, and what is usual, by cross-validation.

    Args:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``.
        folds: int64 ``(n,)``; photos of one picture are in one fold, each class in two at least.

    Returns:
        The fitted value, and what photos score that it did not see, float32 ``(m,)``; all n, or
        20,000 of more.
    """
    kept = _draw(embeddings)
    embeddings, labels, folds = embeddings[kept], labels[kept], folds[kept]
    measures = np.zeros((len(labels), 3), np.float32)
    for fold in np.unique(folds):
        here = folds == fold
        measures[here] = _fit_geometry(embeddings[~here], labels[~here]).measures(embeddings[here])
    return _standardise(_fit_geometry(embeddings, labels), measures)


def fit_novelty_held_out(embeddings: Rows, labels: Labels, held_out: Rows) -> tuple[Novelty, Rows]:
    """Learn where the classes lie from some photos, and what is usual from others.

    Args:
        embeddings: float32 ``(n, d)``, of photos that the network was trained on.
        labels: int64 ``(n,)``, theirs.
        held_out: float32 ``(m, d)``, of photos that it was not.

    Returns:
        The fitted value, and what the held-out photos score, float32 ``(m,)``.
    """
    kept = _draw(embeddings)
    geometry = _fit_geometry(embeddings[kept], labels[kept])
    return _standardise(geometry, geometry.measures(held_out))


def _standardise(geometry: Geometry, measures: Rows) -> tuple[Novelty, Rows]:
    spread = measures.std(axis=0) + np.float32(_TINY)
    novelty = Novelty(geometry, measures.mean(axis=0), spread)
    return novelty, novelty.of_measures(measures)


def _draw(embeddings: Rows) -> NDArray[np.int64]:
    """Places of at most 20,000 rows, which depend on what is in them and not on their order."""
    if len(embeddings) <= _MOST_ROWS:
        return np.arange(len(embeddings))
    order = np.argsort(embeddings[:, 0], kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, _MOST_ROWS).astype(np.int64)])


def _map(embeddings: Rows) -> Rows:
    """Unit vectors, float32 ``(n, d)``: the signed roots of each embedding's shares of its sum."""
    sizes = np.abs(embeddings)
    shares = sizes / (sizes.sum(axis=1, keepdims=True) + np.float32(_TINY))
    return np.asarray(np.sign(embeddings) * np.sqrt(shares), np.float32)


def _fit_geometry(embeddings: Rows, labels: Labels) -> Geometry:
    rows = _map(embeddings)
    present, place = np.unique(labels, return_inverse=True)
    centres = np.stack(
        [rows[place == c].mean(axis=0, dtype=np.float64) for c in range(len(present))]
    )
    rows -= centres.astype(np.float32)[place]
    freedom = max(len(rows) - len(present), 1)
    mean_variance = float(np.square(rows).sum(dtype=np.float64)) / freedom / rows.shape[1]
    rest = 1 / max(_RIDGE * mean_variance, _TINY)
    variances, axes = _principal_axes(rows, freedom)
    excess = 1 / (variances + 1 / rest) - rest
    mean = centres.mean(axis=0)
    apart = centres - mean
    turned = (apart @ axes * excess) @ axes.T + apart * rest
    values, vectors = np.linalg.eigh(turned @ apart.T)
    kept = values > max(values[-1], _TINY) * 1e-6
    discriminant = turned.T @ vectors[:, kept] / np.sqrt(values[kept])
    return Geometry(
        mean.astype(np.float32),
        axes.astype(np.float32),
        excess.astype(np.float32),
        rest,
        discriminant.astype(np.float32),
        (apart @ discriminant).astype(np.float32),
    )


def _principal_axes(rows: Rows, freedom: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest variances ``(r,)`` of centred rows ``(n, d)`` and their axes ``(d, r)``.

    Of many rows by subspace iteration from fixed random directions (Halko, Martinsson and Tropp,
    2011), which takes a tenth of the time of all eigenvectors.
    """
    num_axes = min(_RANK, *rows.shape)
    if len(rows) <= _FEW_ROWS:
        return _axes_of_few(rows, num_axes, freedom)
    wide = min(num_axes + _EXTRA, rows.shape[1])
    product = rows.T @ rows if len(rows) > rows.shape[1] else None

    def times(axes: Rows) -> Rows:
        return np.asarray(rows.T @ (rows @ axes) if product is None else product @ axes, np.float32)

    axes = np.random.default_rng(0).standard_normal((rows.shape[1], wide), np.float32)
    for _ in range(_NUM_ROUNDS):
        axes = np.linalg.qr(times(axes))[0]
    values, turn = np.linalg.eigh((axes.T @ times(axes)).astype(np.float64))
    kept = slice(-1, -num_axes - 1, -1)
    return np.maximum(values[kept], 0) / freedom, (axes @ turn)[:, kept]


def _axes_of_few(
    rows: Rows, num_axes: int, freedom: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same from the products of the rows with one another."""
    wide = rows.astype(np.float64)
    values, vectors = np.linalg.eigh(wide @ wide.T)
    kept = np.flatnonzero(values > values[-1] * 1e-9)[: -num_axes - 1 : -1]
    axes = wide.T @ (vectors[:, kept] / np.sqrt(values[kept]))
    return values[kept] / freedom, axes
