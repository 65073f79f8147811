"""Learning curve: accuracy by number of photos, and a forecast for more of them.

The error follows a power law, floor + excess · n^(-exponent) (J. Hestness et al., "Deep learning
scaling is predictable, empirically", 2017; T. Viering and M. Loog, "The shape of learning curves: a
review", 2022). Its three parameters are kept as draws from their posterior, so that everything
computed from the law carries its uncertainty.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.evaluation.estimate import Estimate, effective_size, percentage_points, wilson
from candid.evaluation.subsampling import Mistakes, Share, SubsampledHeads
from candid.splits.grouped_split import Labelled

Draws = NDArray[np.float64]

_LUCK: Final = 0.25  # see `luck_of`
#: From nearly logarithmic to quickly saturating. Theory: 1/2 to 1; deep networks: 0.07 to 0.35.
_EXPONENTS: Final[Draws] = np.linspace(0.1, 1.5, 29)
_MISFIT: Final = 0.03  # relative deviation of an error from any power law
_FLOOR_PRIOR: Final = 2  # exponent of the prior of the floor: (1 - floor / error)²
_GRID: Final = 150  # values of floor and excess
_NUM_DRAWS: Final = 4000

#: Groups per class below which there is no curve.
LEAST_GROUPS: Final = 20
#: Shares of the photos outside the held-out fold on which heads are fitted.
SHARES: Final = tuple(0.5 ** (0.75 * i) for i in range(5))
HALF: Final = 0.5
#: Up to so many classes each has a forecast; with more, only those with the lowest recall.
MOST_CLASSES: Final = 4
WEAKEST_CLASSES: Final = 3

_ENOUGH: Final = 5000  # held-out photos, for a percentage point
_ENOUGH_FOR_A_CLASS: Final = 800
_WIDE: Final = 0.02  # width of an interval above which it is shown in whole points
_NUM_LINE_POINTS: Final = 40


@dataclass(frozen=True)
class Law:
    """Posterior draws of the parameters of the power law, equally likely.

    Attributes:
        size: Number of images to which ``excess`` refers.
        floor: float64 ``(d,)``, the error with infinitely many images.
        excess: float64 ``(d,)``, the error above the floor at ``size`` images.
        exponent: float64 ``(d,)``.
        luck: Relative standard deviation of one head's excess error; see `luck_of`.
    """

    size: float
    floor: Draws
    excess: Draws
    exponent: Draws
    luck: float

    def excess_at(self, num_images: float) -> Draws:
        """Excess error of heads fitted on so many images, float64 ``(d,)``."""
        return np.asarray(self.excess * (num_images / self.size) ** -self.exponent)

    def error_at(self, num_images: float) -> Draws:
        """Error of heads fitted on so many images, float64 ``(d,)``."""
        return self.floor + self.excess_at(num_images)

    def gain(self, num_images: float, num_more: float) -> Draws:
        """Decrease of the mean error with more images, float64 ``(d,)``."""
        return self.excess_at(num_images) - self.excess_at(num_images + num_more)

    def share_of_doubling(self, half: float, num_images: float, num_more: float) -> Draws:
        """Gain of more images over the gain of doubling ``half`` images, float64 ``(d,)``.

        It depends on the exponent alone.
        """
        measured = half**-self.exponent - (2 * half) ** -self.exponent
        forecast = num_images**-self.exponent - (num_images + num_more) ** -self.exponent
        return np.asarray(forecast / measured)

    def scatter(self, num_images: float, num_more: float) -> Draws:
        """Standard deviation of one head's gain around the mean gain, float64 ``(d,)``.

        If each of n images contributes independently and N are added, the variance of the change is
        N / (n + N) times that of the excess error with n.
        """
        share_new = num_more / (num_images + num_more)
        return np.asarray(self.luck * self.excess_at(num_images) * np.sqrt(share_new))


def luck_of(num_classes: int) -> float:
    """Relative standard deviation of the excess error between training samples of one size.

    0.25 / √(classes - 1), as a head has one boundary fewer than classes. On three data sets with 2,
    4 and 10 classes and three sizes of each, 0.14 to 0.26 was measured
    (``benchmarks/learning.py --luck``).
    """
    return float(_LUCK / np.sqrt(num_classes - 1))


def fit_law(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    covariance: NDArray[np.float64],
    num_heads: NDArray[np.float64],
    *,
    luck: float,
) -> Law:
    """Fit the law to measured errors.

    The likelihood is Gaussian (generalised least squares), with covariance from the finite test
    sample (``covariance``), the finite number of heads (``luck``) and the misfit of any such law.
    The prior is uniform, except that it disfavours floors near the present error.

    Args:
        sizes: float64 ``(j,)``, number of training images.
        errors: float64 ``(j,)``, 0 to 1.
        covariance: float64 ``(j, j)``, sampling covariance of the errors.
        num_heads: float64 ``(j,)``, number of independent heads averaged in each error.
        luck: See `luck_of`.
    """
    scatter = covariance + np.diag(np.square(_MISFIT * errors) + 1e-8)
    law = _draw(sizes, errors, scatter, luck)
    excess = np.array([np.median(law.excess_at(size)) for size in sizes])
    of_heads = np.diag(np.square(luck * excess) / num_heads)
    return _draw(sizes, errors, scatter + of_heads, luck)


def _draw(
    sizes: NDArray[np.float64],
    errors: NDArray[np.float64],
    scatter: NDArray[np.float64],
    luck: float,
) -> Law:
    """Draw parameters from the posterior, evaluated on a grid."""
    largest = float(sizes.max())
    last = int(sizes.argmax())
    most = float(errors[last] + 4 * np.sqrt(scatter[last, last]))
    axis = (np.arange(_GRID, dtype=np.float64) + 0.5) * (most / _GRID)
    precision = np.asarray(np.linalg.inv(scatter), np.float64)
    fits = np.stack(
        [_misfit(sizes / largest, errors, precision, float(c), axis) for c in _EXPONENTS]
    )
    fits -= 2 * _FLOOR_PRIOR * np.log(1 - axis / most)[:, None]
    cumulated = np.cumsum(np.exp((fits.min() - fits.ravel()) / 2))
    rng = np.random.default_rng(0)
    drawn = np.searchsorted(cumulated, rng.uniform(0, cumulated[-1], _NUM_DRAWS))
    exponent, floor, excess = np.unravel_index(np.minimum(drawn, fits.size - 1), fits.shape)
    jitter = rng.uniform(-0.5, 0.5, (2, _NUM_DRAWS)) * most / _GRID
    return Law(
        largest, axis[floor] + jitter[0], axis[excess] + jitter[1], _EXPONENTS[exponent], luck
    )


def _misfit(
    shares: NDArray[np.float64],
    errors: NDArray[np.float64],
    precision: NDArray[np.float64],
    exponent: float,
    axis: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Generalised sum of squares for each floor and excess, float64 ``(g, g)``."""
    basis = np.stack([np.ones_like(shares), shares**-exponent])
    normal, linear = matmul(basis, precision, basis.T), matmul(basis, precision, errors)
    floor, excess = axis[:, None], axis[None, :]
    squares = normal[0, 0] * floor**2 + 2 * normal[0, 1] * floor * excess
    squares = squares + normal[1, 1] * excess**2
    return np.asarray(squares - 2 * (linear[0] * floor + linear[1] * excess))


@dataclass(frozen=True)
class CurvePoint:
    """Mean number of training photos, and accuracy on held-out folds."""

    num_photos: float
    accuracy: Estimate


@dataclass(frozen=True)
class Forecast:
    """Expected change of accuracy with more photos.

    Attributes:
        label: Class of the added photos; None for all classes in proportion.
        num_more: Number of added photos.
        gain: Change of accuracy, with a 95 % prediction interval for what would be measured on as
            many photos as now; n is their number.
    """

    label: str | None
    num_more: int
    gain: Estimate

    def to_text(self) -> str:
        """For instance ``50 more photos of 'sad': about +2 points (-1 to +5)``."""
        of = "" if self.label is None else f" of {self.label!r}"
        gain, digits = self.gain, 0 if self.gain.high - self.gain.low >= _WIDE else 1
        value, low, high = (
            percentage_points(x, digits, "+") for x in (gain.value, gain.low, gain.high)
        )
        noun = "point" if value in ("+1", "-1") else "points"
        return f"{self.num_more} more photos{of}: about {value} {noun} ({low} to {high})"


@dataclass(frozen=True)
class LearningCurve:
    """Accuracy by number of photos.

    Attributes:
        points: Measured points, from few photos to all.
        curve: Points of the fitted line and of its extrapolation: number of photos, accuracy, and
            the low and high end of the 95 % band.
        forecasts: For all classes, then for single classes.
    """

    points: tuple[CurvePoint, ...]
    curve: tuple[tuple[float, float, float, float], ...]
    forecasts: tuple[Forecast, ...]


def learn(
    data: Labelled, *, seed: int, strength: float, classes: Sequence[str] | None = None
) -> LearningCurve | None:
    """Measure the learning curve and extrapolate it; None if a class has fewer than 20 groups.

    Heads are fitted on an eighth to all of the photos that are not held out, in whole groups, and
    the power law is fitted to their errors on the held-out photos. For a class, heads are fitted on
    half of its photos and all others, and the gain is extrapolated by the law's exponent. At most
    30,000 photos are used, sampled by content; above 5,000, only as many folds as hold out 5,000.

    Args:
        data: The photos.
        seed: Random seed of the folds and samples.
        strength: Inverse regularisation strength of the heads.
        classes: Names of the classes; by default their numbers.
    """
    if data.fewest_groups() < LEAST_GROUPS:
        return None
    names = [str(label) for label in range(data.num_classes)] if classes is None else classes
    heads = SubsampledHeads(data, seed=seed, strength=strength)
    found = heads.mistakes([Share(share) for share in SHARES], enough=_ENOUGH)
    law = _fit(found, data)
    size = len(data.labels)
    num_more = round_number(size / 2)
    changed = (found.changed[1], 1 - SHARES[1])
    rng = np.random.default_rng(1)
    gain = _estimate(law.gain(size, num_more), law, data, num_more, changed, rng)
    forecasts = [Forecast(None, num_more, gain)]
    forecasts += _forecast_classes(heads, found, law, data, names)
    line = _line(law, found.sizes[-1], size + num_more)
    return LearningCurve(_points_of(found, data.groups), line, tuple(forecasts))


def round_number(number: float) -> int:
    """Round to tens; from 100 on to fifties, and from 1,000 on to hundreds."""
    step = 10 if number < 100 else 50 if number < 1000 else 100
    return max(step, step * round(number / step))


def _fit(found: Mistakes, data: Labelled) -> Law:
    shares = found.sizes / found.sizes[0]
    # Heads fitted on nearly the same photos are nearly the same head.
    independent = found.num_heads / np.maximum(1 - shares, 1e-3)
    covariance = _covariance(found.wrong, data.groups[found.places])
    errors = found.wrong.mean(axis=0)
    return fit_law(found.sizes, errors, covariance, independent, luck=luck_of(data.num_classes))


def _covariance(wrong: NDArray[np.float64], units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Covariance of the means of columns, for groups as the sampling unit."""
    _, numbers = np.unique(units, return_inverse=True)
    sums = np.zeros((numbers.max() + 1, wrong.shape[1]))
    np.add.at(sums, numbers, wrong - wrong.mean(axis=0))
    return np.asarray(matmul(sums.T, sums) / len(wrong) ** 2)


def _points_of(found: Mistakes, units: NDArray[np.int64]) -> tuple[CurvePoint, ...]:
    effective_n, size = effective_size(units[found.places]), len(found.places)
    points = [
        (float(num_photos), wilson(float((1 - wrong).sum()), size, effective_n=effective_n))
        for num_photos, wrong in zip(found.sizes, found.wrong.T, strict=True)
    ]
    return tuple(CurvePoint(n, accuracy) for n, accuracy in reversed(points) if accuracy)


def _line(law: Law, first: float, last: float) -> tuple[tuple[float, float, float, float], ...]:
    line = []
    for size in np.geomspace(first, last, _NUM_LINE_POINTS):
        accuracy = 1 - law.error_at(size)
        low, high = np.quantile(accuracy, [0.025, 0.975])
        line.append((float(size), float(accuracy.mean()), float(low), float(high)))
    return tuple(line)


def _forecast_classes(
    heads: SubsampledHeads, overall: Mistakes, law: Law, data: Labelled, names: Sequence[str]
) -> Iterator[Forecast]:
    """Forecast for more photos of one class, with the number of others unchanged."""
    labels = _weakest(overall, data)
    shares = [Share(1.0), *(Share(HALF, label) for label in labels)]
    found = heads.mistakes(shares, enough=_ENOUGH_FOR_A_CLASS)
    lost = found.wrong[:, 1:] - found.wrong[:, :1]
    covariance = _covariance(lost, data.groups[found.places])
    for i, label in enumerate(labels):
        rng = np.random.default_rng(2 + label)
        halved = rng.normal(lost[:, i].mean(), np.sqrt(covariance[i, i]), len(law.exponent))
        size = int((data.labels == label).sum())
        num_more = round_number(size / 3)
        gain = halved * law.share_of_doubling(float(found.sizes[1 + i]), size, num_more)
        changed = (found.changed[1 + i], HALF * size / len(data.labels))
        yield Forecast(names[label], num_more, _estimate(gain, law, data, num_more, changed, rng))


def _weakest(found: Mistakes, data: Labelled) -> list[int]:
    """All classes if there are few, else those with the lowest recall."""
    if data.num_classes <= MOST_CLASSES:
        return list(range(data.num_classes))
    labels = data.labels[found.places]
    counts = np.bincount(labels, minlength=data.num_classes)
    wrong = np.bincount(labels, found.wrong[:, 0], minlength=data.num_classes)
    order = np.argsort(-wrong / np.maximum(counts, 1), kind="stable")
    return [int(label) for label in order[:WEAKEST_CLASSES]]


def _estimate(
    gain: Draws,
    law: Law,
    data: Labelled,
    num_more: int,
    changed: tuple[float, float],
    rng: np.random.Generator,
) -> Estimate:
    """A gain with a prediction interval: uncertainty of the law, of one head, and of sampling.

    ``changed`` is the share of answers that a measured step changed, and its share of new photos;
    the former grows with the root of the latter.
    """
    size = len(data.labels)
    share_new = num_more / (size + num_more)
    effective_n = effective_size(data.groups)
    sampling = float(np.sqrt(changed[0] * np.sqrt(share_new / changed[1]) / effective_n))
    spread = np.hypot(law.scatter(size, num_more), sampling)
    low, high = np.quantile(gain + spread * rng.normal(size=len(gain)), [0.025, 0.975])
    return Estimate(float(gain.mean()), float(low), float(high), size)
