"""Novelty: an out-of-distribution (OOD) score of embeddings, in NumPy and as ONNX nodes.

Three distances from the classes of the training photos, summed as z-scores:

- angle: minus the largest cosine between the photo and a class mean, both whitened by the
  covariance within classes and relative to the mean of the class means. It is high for a photo
  that deviates from that mean in the direction of no class (Ben Ammar et al., 2024, "NECO").
- distance: to the nearest class mean in the discriminant subspace (Fisher, 1936), where an unknown
  class differs.
- residual: the whitened length outside that subspace (Wang et al., 2022, "ViM"), where photos of
  another kind differ.

For few photos, those three are one half of the score, and `candid.models.neighbourhood` is the
other.

Embeddings are first mapped by the signed square root of their L1-normalised values (Hellinger).
What else was tried is in docs/adr/0011-unknown.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import FEW_ROWS, Rows, largest_eigenvalues, matmul, principal_axes
from candid.core.stored_rows import ManyRows, StoredRows
from candid.models.neighbourhood import Neighbourhood, fit_neighbourhood

if TYPE_CHECKING:
    from candid.core.onnx_builder import GraphBuilder

Labels = NDArray[np.int64]

_RIDGE: Final = 1.0  # of the mean variance within classes; 0.1 to 3 make little difference
_RANK: Final = 128  # principal axes fitted to many rows; other directions share one variance
_MANY_CLASSES: Final = 200  # above which the discriminant subspace has `_RANK` axes only
_MOST_ROWS: Final = 20_000  # enough to estimate a covariance
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Geometry:
    """Means and covariance of the classes of some photos."""

    mean: Rows  # float32 ``(d,)``, the mean of the class means, of mapped embeddings
    axes: Rows  # float32 ``(d, r)``, principal axes within classes
    excess: Rows  # float32 ``(r,)``, the precision along each less that of the rest, 0 at most
    rest: float  # the precision in all other directions
    discriminant: Rows  # float32 ``(d, m)``, axes of the discriminant subspace
    centres: Rows  # float32 ``(k, m)``, the class means in it

    def measures(self, embeddings: Rows) -> Rows:
        """Angle, distance and residual, float32 ``(n, 3)``; larger for less similar photos."""
        rows = _map(embeddings) - self.mean
        within = matmul(np.square(matmul(rows, self.axes)), self.excess)
        total = within + self.rest * np.square(rows).sum(axis=1)
        return _measure(total, matmul(rows, self.discriminant), self.centres)


@dataclass(frozen=True)
class Novelty:
    """A fitted OOD score."""

    geometry: Geometry
    middle: Rows  # (m,), mean measures of held-out photos
    spread: Rows  # (m,), their standard deviations; three times those if there is a neighbourhood
    neighbourhood: Neighbourhood | None = None

    def scores(self, embeddings: Rows) -> Rows:
        """Scores ``(n,)`` of embeddings ``(n, d)``, float32; about 0 for known kinds."""
        measures = self.geometry.measures(embeddings)
        if self.neighbourhood is not None:
            local = self.neighbourhood.measure(_map(embeddings))
            measures = np.column_stack([measures, local])
        return self.of_measures(measures)

    def of_measures(self, measures: Rows) -> Rows:
        """Sum measures, float32 ``(n, m)``, as z-scores."""
        return np.asarray(((measures - self.middle) / self.spread).sum(axis=1), np.float32)

    def add_to(self, graph: GraphBuilder, embedding: str) -> str:
        """Append the nodes that compute it from a tensor, float32 ``(n, d)``.

        Returns:
            The tensor ``novelty``, float32 ``(n,)``.
        """
        return _Nodes(graph, self).append(embedding)


def fit_novelty(
    embeddings: ManyRows, labels: Labels, groups: Labels, folds: Labels
) -> tuple[Novelty, Rows]:
    """Fit the score, standardised by cross-validation.

    Args:
        embeddings: float32 ``(n, d)``.
        labels: int64 ``(n,)``.
        groups: int64 ``(n,)``, equal for copies of a picture.
        folds: int64 ``(n,)``; copies of a picture are in one fold, each class in two at least.

    Returns:
        The score, and its values for held-out photos, float32 ``(m,)``: all n, or 20,000 of more.
    """
    kept = _subsample(embeddings)
    rows, labels, folds = embeddings[kept], labels[kept], folds[kept]
    mapped = _map(rows)
    if len(mapped) <= FEW_ROWS:
        geometry = _fit_geometry(mapped, labels)
        measures = _measure_few(geometry, mapped, labels, folds)
        neighbourhood, local = fit_neighbourhood(mapped, groups, folds)
        return _standardise(geometry, np.column_stack([measures, local]), neighbourhood)
    measures = np.zeros((len(labels), 3), np.float32)
    for fold in np.unique(folds):
        here = folds == fold
        geometry = _fit_geometry(mapped[~here], labels[~here], rank=_RANK)
        measures[here] = geometry.measures(rows[here])
    return _standardise(_fit_geometry(mapped, labels), measures)


def fit_novelty_held_out(embeddings: Rows, labels: Labels, held_out: Rows) -> tuple[Novelty, Rows]:
    """Fit the score to some photos, standardised by held-out ones.

    Args:
        embeddings: float32 ``(n, d)``, of photos that the network was trained on.
        labels: int64 ``(n,)``, theirs.
        held_out: float32 ``(m, d)``, of photos that it was not trained on.

    Returns:
        The score, and its values for the held-out photos, float32 ``(m,)``.
    """
    kept = _subsample(embeddings)
    geometry = _fit_geometry(_map(embeddings[kept]), labels[kept])
    return _standardise(geometry, geometry.measures(held_out))


def _standardise(
    geometry: Geometry, measures: Rows, neighbourhood: Neighbourhood | None = None
) -> tuple[Novelty, Rows]:
    spread = measures.std(axis=0) + np.float32(_TINY)
    if neighbourhood is not None:
        spread[:3] *= 3
    novelty = Novelty(geometry, measures.mean(axis=0), spread, neighbourhood)
    return novelty, novelty.of_measures(measures)


def _subsample(embeddings: ManyRows) -> NDArray[np.int64]:
    """Indices of at most 20,000 rows, chosen by their values and not by their order."""
    if len(embeddings) <= _MOST_ROWS:
        return np.arange(len(embeddings))
    first = embeddings.column(0) if isinstance(embeddings, StoredRows) else embeddings[:, 0]
    order = np.argsort(first, kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, _MOST_ROWS).astype(np.int64)])


def _map(embeddings: Rows) -> Rows:
    """The Hellinger map to unit vectors, float32 ``(n, d)``."""
    mapped = np.abs(embeddings)  # in place from here on, as it may be large
    mapped /= mapped.sum(axis=1, keepdims=True) + np.float32(_TINY)
    return np.copysign(np.sqrt(mapped, out=mapped), embeddings, out=mapped)


def _fit_geometry(mapped: Rows, labels: Labels, *, rank: int | None = None) -> Geometry:
    """Fit to mapped embeddings; by default with all axes of few rows, and the first of many."""
    rank = rank or (_RANK if len(mapped) > FEW_ROWS else FEW_ROWS)
    rows, centres, freedom = _centre(mapped, labels)
    rest = 1 / _ridge(float(np.square(rows).sum(dtype=np.float64)), freedom, rows.shape[1])
    squares, axes = principal_axes(rows, rank)
    excess = 1 / (squares / freedom + 1 / rest) - rest
    mean = centres.mean(axis=0)
    apart = centres - mean
    whitened = matmul(matmul(apart, axes) * excess, axes.T) + apart * rest
    discriminant = matmul(whitened.T, _discriminant(matmul(whitened, apart.T)))
    return Geometry(
        mean.astype(np.float32),
        axes.astype(np.float32),
        excess.astype(np.float32),
        rest,
        discriminant.astype(np.float32),
        matmul(apart, discriminant).astype(np.float32),
    )


def _measure_few(geometry: Geometry, mapped: Rows, labels: Labels, folds: Labels) -> Rows:
    """What `Geometry.measures` of the other folds gives for each, from one factorisation.

    On the axes of the geometry of all rows, the scatter within classes is diagonal. Leaving a fold
    out takes as many squares from it as the fold has rows, so the inverse follows by the identity
    of Woodbury ("Inverting modified matrices", 1950).
    """
    places = np.unique(labels, return_inverse=True)[1]
    rows, centres, _ = _centre(mapped, labels)
    within, inside = matmul(rows, geometry.axes), matmul(centres, geometry.axes)
    beyond = centres - matmul(inside, geometry.axes.T)  # rows of a class differ along the axes only
    centres = np.concatenate([inside, np.asarray(np.linalg.qr(beyond.T, mode="r")).T], axis=1)
    turned = centres[places]
    turned[:, : within.shape[1]] += within
    scatter = np.zeros(turned.shape[1])
    scatter[: within.shape[1]] = np.square(within).sum(axis=0, dtype=np.float64)
    measures = np.zeros((len(labels), 3), np.float32)
    for fold in np.unique(folds):
        here = folds == fold
        own = places[here] == np.arange(len(centres))[:, None]
        counts = np.bincount(places), own.sum(axis=1)
        measures[here] = _leave_out(turned[here], own, counts, centres, scatter, mapped.shape[1])
    return measures


def _leave_out(
    left: NDArray[np.float64],
    own: NDArray[np.bool_],
    counts: tuple[Labels, Labels],
    centres: NDArray[np.float64],
    scatter: NDArray[np.float64],
    num_features: int,
) -> Rows:
    """Measures of the rows that are left out, ``(m, r)``; see `_measure_few`.

    ``own``, bool ``(k, m)``, is where they belong to each class; ``counts``, the images of each
    class in all and among them; ``centres`` and ``scatter`` are those of all rows.
    """
    remain = (counts[0] - counts[1])[:, None]
    present, share = remain[:, 0] > 0, counts[1] / counts[0]
    others = (counts[0][:, None] * centres - matmul(own, left)) / np.maximum(remain, 1)
    # The scatter of all rows is that of the others and the squares of `taken`.
    taken = left - np.where(present[:, None], others, centres)[own.argmax(axis=0)]
    factor = (1 - np.sqrt(1 - share)) / np.maximum(counts[1], 1)
    taken -= matmul(own.T, factor[:, None] * matmul(own, taken))
    freedom = max(int(remain.sum() - present.sum()), 1)
    ridge = _ridge(float(scatter.sum() - np.square(taken).sum()), freedom, num_features)
    mean = others[present].mean(axis=0)
    scaled = np.concatenate([taken, others[present] - mean, left - mean])
    scaled /= np.sqrt(scatter + freedom * ridge)
    products, size = matmul(scaled, scaled.T), len(taken)
    gap, across = np.eye(size) - products[:size, :size], products[:size, size:]
    products = freedom * (products[size:, size:] + matmul(across.T, np.linalg.solve(gap, across)))
    size = int(present.sum())
    means, rows = products[:size, :size], products[size:, :size]
    turn = _discriminant(means)
    return _measure(np.diag(products)[size:], matmul(rows, turn), matmul(means, turn))


def _centre(
    mapped: NDArray[np.floating], labels: Labels
) -> tuple[NDArray[np.floating], NDArray[np.float64], int]:
    """Rows minus the mean of their class, the class means, and the degrees of freedom."""
    present, place = np.unique(labels, return_inverse=True)
    centres = np.stack(
        [mapped[place == c].mean(axis=0, dtype=np.float64) for c in range(len(present))]
    )
    rows = mapped - centres.astype(mapped.dtype)[place]
    return rows, centres, max(len(rows) - len(present), 1)


def _ridge(scatter: float, freedom: int, num_features: int) -> float:
    """The variance of directions without any, from the summed squares of centred rows."""
    return max(_RIDGE * scatter / freedom / num_features, _TINY)


def _discriminant(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Axes of the span of k class means, as sums of these whitened, ``(k, m)``.

    From the products ``(k, k)`` of the whitened means and the means. Of very many classes, only
    those axes along which the means differ most.
    """
    if len(products) > _MANY_CLASSES:
        values, vectors = largest_eigenvalues(partial(matmul, products), len(products), _RANK)
    else:
        values, vectors = np.linalg.eigh(products)
    kept = values > max(values.max(), _TINY) * 1e-6
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def _measure(
    total: NDArray[np.floating], projected: NDArray[np.floating], centres: NDArray[np.floating]
) -> Rows:
    """Angle, distance and residual, float32 ``(n, 3)``.

    From the rows' squared whitened lengths ``(n,)``, and rows ``(n, m)`` and class means ``(k, m)``
    projected onto the discriminant subspace.
    """
    total = np.maximum(total, _TINY)
    lengths = np.square(centres).sum(axis=1)
    dots = matmul(projected, centres.T)
    square = np.square(projected).sum(axis=1)
    angle = -(dots / np.sqrt(lengths + _TINY)).max(axis=1) / np.sqrt(total)
    distance = np.sqrt(np.maximum((square[:, None] - 2 * dots + lengths).min(axis=1), 0))
    residual = np.sqrt(np.maximum(total - square, 0))
    return np.stack([angle, distance, residual], axis=1).astype(np.float32)


class _Nodes:
    """Appends the nodes of a `Novelty` to a graph; the constants' names are read by exporters."""

    def __init__(self, graph: GraphBuilder, novelty: Novelty) -> None:
        self._graph = graph
        self._novelty = novelty
        self._zero = self._constant("zero", 0.0)
        self._tiny = self._constant("tiny", _TINY)
        self._columns = graph.constant("novelty.columns", np.array([1], np.int64))

    def append(self, embedding: str) -> str:
        fitted, geometry = self._novelty, self._novelty.geometry
        node = self._graph.node
        mapped = self._map(embedding)
        rows = node("Sub", mapped, self._constant("mean", geometry.mean))
        within = node("MatMul", rows, self._constant("axes", geometry.axes))
        excess = self._constant("excess", geometry.excess[:, None])
        scaled = node("Mul", self._square(rows), self._constant("rest", geometry.rest))
        whole = node("Add", node("MatMul", node("Mul", within, within), excess), scaled)
        total = node("Max", whole, self._tiny)
        projected = node("MatMul", rows, self._constant("discriminant", geometry.discriminant))
        dots = node("MatMul", projected, self._constant("centres", geometry.centres.T))
        lengths = np.square(geometry.centres).sum(axis=1, keepdims=True).T
        square = self._square(projected)
        unit = self._constant("unit", 1 / np.sqrt(lengths + _TINY))
        nearest = self._largest(node("Mul", dots, unit))
        angle = node("Neg", node("Div", nearest, node("Sqrt", total)))
        doubled = node("Mul", dots, self._constant("minus two", -2.0))
        apart = node("Add", node("Add", doubled, self._constant("lengths", lengths)), square)
        distance = self._root(node("Neg", self._largest(node("Neg", apart))))
        residual = self._root(node("Sub", total, square))
        local = [] if fitted.neighbourhood is None else [self._local(fitted.neighbourhood, mapped)]
        measures = node("Concat", angle, distance, residual, *local, axis=1)
        centred = node("Sub", measures, self._constant("middle", fitted.middle))
        scores = node("Div", centred, self._constant("spread", fitted.spread))
        return node("ReduceSum", scores, self._columns, output="novelty", keepdims=0)

    def _local(self, known: Neighbourhood, mapped: str) -> str:
        node = self._graph.node
        dots = node("MatMul", mapped, self._constant("neighbours", known.rows.T))
        doubled = node("Mul", dots, self._constant("minus two", -2.0))
        lengths = self._constant("squares", np.square(known.rows).sum(axis=1)[None])
        apart = node("Add", node("Add", doubled, lengths), self._square(mapped))
        apart = node("Max", apart, self._zero)
        exponents = node("Div", apart, self._constant("minus width", -known.width))
        weights = node("Softmax", exponents, axis=1)
        radii = node("MatMul", weights, self._constant("radii", known.radii[:, None]))
        return node("Div", self._sum(node("Mul", weights, apart)), radii)

    def _map(self, embedding: str) -> str:
        node = self._graph.node
        sizes = node("Abs", embedding)
        total = node("Add", self._sum(sizes), self._tiny)
        return node("Mul", node("Sign", embedding), node("Sqrt", node("Div", sizes, total)))

    def _square(self, rows: str) -> str:
        """The sum of the squares of each row, ``(n, 1)``."""
        return self._sum(self._graph.node("Mul", rows, rows))

    def _sum(self, rows: str) -> str:
        return self._graph.node("ReduceSum", rows, self._columns, keepdims=1)

    def _largest(self, rows: str) -> str:
        # Its axes became an input with operator set 18, which a user's own backbone may have.
        if self._graph.opset >= 18:
            return self._graph.node("ReduceMax", rows, self._columns, keepdims=1)
        return self._graph.node("ReduceMax", rows, axes=[1], keepdims=1)

    def _root(self, rows: str) -> str:
        return self._graph.node("Sqrt", self._graph.node("Max", rows, self._zero))

    def _constant(self, name: str, value: object) -> str:
        return self._graph.constant(f"novelty.{name}", np.asarray(value, np.float32))
