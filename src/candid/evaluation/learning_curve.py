"""How accuracy grows with the number of photos, and what more of them would bring.

The law by which errors become fewer with more images: floor + excess · n^(-exponent).

J. Hestness et al., "Deep learning scaling is predictable, empirically", 2017; T. Viering and
M. Loog, "The shape of learning curves: a review", 2022. What a few measured points say of its three
parameters is kept as a set of draws, so that whatever is computed from the law knows how uncertain
it is: about the level, about the exponent, and about where the curve ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import matmul
from candid.evaluation.estimate import Estimate, effective_size, wilson
from candid.evaluation.subsampling import Mistakes, Share, SubsampledHeads
from candid.splits.grouped_split import Labelled

Draws = NDArray[np.float64]

_LUCK: Final = 0.25  # see `luck_of`
#: Nearly a logarithm to nearly an end. Theory has 1/2 to 1, deep networks 0.07 to 0.35.
_EXPONENTS: Final[Draws] = np.linspace(0.1, 1.5, 29)
_MISFIT: Final = 0.03  # of an error: how far it lies off any such law
_DOUBT: Final = 2  # how unlikely a floor is that lies near the present error: (1 - floor / error)²
_GRID: Final = 150  # values of floor and excess
_NUM_DRAWS: Final = 4000


@dataclass(frozen=True)
class Law:
    """Draws of the law's parameters, each as likely as the others.

    Attributes:
        size: The number of images at which ``excess`` is.
        floor: float64 ``(d,)``, the error that no number of images goes below.
        excess: float64 ``(d,)``, what comes on top at ``size`` images.
        exponent: float64 ``(d,)``.
        luck: Of one head's excess error, how much is its own luck; see `luck_of`.
    """

    size: float
    floor: Draws
    excess: Draws
    exponent: Draws
    luck: float

    def excess_at(self, num_images: float) -> Draws:
        """The excess error of heads that learn from so many images, float64 ``(d,)``."""
        return np.asarray(self.excess * (num_images / self.size) ** -self.exponent)

    def error_at(self, num_images: float) -> Draws:
        """The error of heads that learn from so many images, float64 ``(d,)``."""
        return self.floor + self.excess_at(num_images)

    def gain(self, num_images: float, num_more: float) -> Draws:
        """By how much the mean error falls with more images, float64 ``(d,)``."""
        return self.excess_at(num_images) - self.excess_at(num_images + num_more)

    def share_of_doubling(self, half: float, num_images: float, num_more: float) -> Draws:
        """How much more images gain, by what twice as many as ``half`` gained, float64 ``(d,)``.

        The exponent alone says it, so it holds for any floor and excess.
        """
        measured = half**-self.exponent - (2 * half) ** -self.exponent
        coming = num_images**-self.exponent - (num_images + num_more) ** -self.exponent
        return np.asarray(coming / measured)

    def scatter(self, num_images: float, num_more: float) -> Draws:
        """How far one head's gain is off the mean gain (standard deviation), float64 ``(d,)``.

        If each of n images contributes independently, 1/n of its own luck, and N of them are added,
        the variance of the change is N / (n + N) times that of the luck with n.
        """
        share_new = num_more / (num_images + num_more)
        return np.asarray(self.luck * self.excess_at(num_images) * np.sqrt(share_new))


def luck_of(num_classes: int) -> float:
    """How far heads that learnt from as many other images differ, as a share of the excess error.

    A standard deviation of 0.25 / √(classes - 1): on three sets of photos with 2, 4 and 10 classes,
    and for three sizes of each, 0.14 to 0.26 was measured (``benchmarks/learning.py --luck``). A
    head has one boundary fewer than classes, and their luck averages out.
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

    Each exponent, floor and excess (0 or more) counts as likely as it makes the errors (generalised
    least squares). Beforehand all are as likely, but for floors near the present error. The errors
    scatter because images to measure on are few (``covariance``), because heads are few (``luck``),
    and as no law holds to the letter.

    Args:
        sizes: float64 ``(j,)``, how many images were learnt from.
        errors: float64 ``(j,)``, 0 to 1.
        covariance: float64 ``(j, j)``, of the errors, as the measured images are a sample.
        num_heads: float64 ``(j,)``, over how many independent heads each error is a mean.
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
    """Draw from the posterior on a grid."""
    largest = float(sizes.max())
    last = int(sizes.argmax())
    most = float(errors[last] + 4 * np.sqrt(scatter[last, last]))
    axis = (np.arange(_GRID, dtype=np.float64) + 0.5) * (most / _GRID)
    precision = np.asarray(np.linalg.inv(scatter), np.float64)
    fits = np.stack(
        [_misfit(sizes / largest, errors, precision, float(c), axis) for c in _EXPONENTS]
    )
    fits -= 2 * _DOUBT * np.log(1 - axis / most)[:, None]
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


#: Different pictures of a class, below which there is no curve.
LEAST_UNITS: Final = 20
#: Shares of the photos outside the held-out fold from which heads learn: 1 down to an eighth.
SHARES: Final = tuple(0.5 ** (0.75 * i) for i in range(5))
HALF: Final = 0.5
#: Classes of which more photos are forecast; with more, those of which the fewest are recognised.
MOST_CLASSES: Final = 4
WEAKEST_CLASSES: Final = 3

_ENOUGH: Final = 5000  # held-out photos: what a percentage point needs
_ENOUGH_FOR_A_CLASS: Final = 800
_WIDE: Final = 0.02  # of an interval; a narrower one is told to a tenth of a point
_NUM_DRAWN: Final = 40  # points of the line


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy of heads that learnt from a part of the photos.

    Attributes:
        num_photos: How many they learnt from, on average.
        accuracy: On photos of held-out folds.
    """

    num_photos: float
    accuracy: Estimate


@dataclass(frozen=True)
class Forecast:
    """What more photos would bring.

    Attributes:
        label: Of which class; None for all classes alike.
        num_more: How many photos more.
        gain: By how much accuracy would change, with a 95 % interval for what would be measured on
            as many photos as now; n is their number.
    """

    label: str | None
    num_more: int
    gain: Estimate

    def to_text(self) -> str:
        """For instance ``50 more photos of 'sad': about +2 points (-1 to +5)``."""
        of = "" if self.label is None else f" of {self.label!r}"
        digits = 0 if self.gain.high - self.gain.low >= _WIDE else 1
        value, low, high = (
            _points(x, digits) for x in (self.gain.value, self.gain.low, self.gain.high)
        )
        noun = "point" if value in ("+1", "-1") else "points"
        return f"{self.num_more} more photos{of}: about {value} {noun} ({low} to {high})"


def _points(share: float, digits: int) -> str:
    """Percentage points with their sign; 0 has none."""
    points = round(100 * share, digits)
    return f"{points:+.{digits}f}" if points else "0"


@dataclass(frozen=True)
class LearningCurve:
    """How accuracy grows with the number of photos.

    Attributes:
        points: What was measured, from few photos to all.
        curve: Number of photos and accuracy of the law fitted to it, to be drawn as a line, beyond
            the last point too; with the low and the high end of its 95 % band.
        forecasts: What more photos would bring, all classes first, then classes one by one.
    """

    points: tuple[CurvePoint, ...]
    curve: tuple[tuple[float, float, float, float], ...]
    forecasts: tuple[Forecast, ...]

    def to_json(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)


def learn(
    data: Labelled, *, seed: int, strength: float, classes: Sequence[str] | None = None
) -> LearningCurve | None:
    """Measure how accuracy grows, and forecast how it goes on.

    Heads learn from an eighth of the photos up to all that are not held out, in whole units, and a
    law is fitted to what they get wrong on the held-out ones.
    For a class, heads learn from half of its photos and all of the others, and the law's exponent
    says how that goes on. Of more than 30,000 photos as many are used, drawn by content; of more
    than 5,000 only as many folds as hold out 5,000.

    Args:
        data: The photos.
        seed: Another seed, other folds and parts.
        strength: Inverse strength of the heads' regularisation.
        classes: Names of the classes; by default their numbers.

    Returns:
        The curve; None where a class has fewer than 20 units.
    """
    if _fewest_units(data) < LEAST_UNITS:
        return None
    names = [str(label) for label in range(data.num_classes)] if classes is None else classes
    heads = SubsampledHeads(data, seed=seed, strength=strength)
    found = heads.mistakes([Share(share) for share in SHARES], enough=_ENOUGH)
    law = _fit(found, data)
    size = len(data.labels)
    num_more = round_number(size / 2)
    gain = law.gain(size, num_more)
    step = _Step(size, num_more, found.changed[1], 1 - SHARES[1])
    figure = _figure(gain, law, step, data, np.random.default_rng(1))
    forecasts = [Forecast(None, num_more, figure)]
    forecasts += _forecast_classes(heads, found, law, data, names)
    line = _line(law, found.sizes[-1], size + num_more)
    return LearningCurve(_points_of(found, data.groups), line, tuple(forecasts))


def round_number(number: float) -> int:
    """Round to what a person would say: to tens, from 100 on to fifties, then to hundreds."""
    step = 10 if number < 100 else 50 if number < 1000 else 100
    return max(step, step * round(number / step))


def _fewest_units(data: Labelled) -> int:
    pairs = np.unique(np.stack([data.labels, data.groups]), axis=1)
    return int(np.bincount(pairs[0], minlength=data.num_classes).min())


def _fit(found: Mistakes, data: Labelled) -> Law:
    shares = found.sizes / found.sizes[0]
    # Heads that learn from nearly all of the same photos are nearly the same head.
    independent = found.num_heads / np.maximum(1 - shares, 1e-3)
    covariance = _covariance(found.wrong, data.groups[found.places])
    errors = found.wrong.mean(axis=0)
    return fit_law(found.sizes, errors, covariance, independent, luck=luck_of(data.num_classes))


def _covariance(wrong: NDArray[np.float64], units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of the means of columns, as whole units are a sample: what their bootstrap tends to."""
    _, numbers = np.unique(units, return_inverse=True)
    sums = np.zeros((numbers.max() + 1, wrong.shape[1]))
    np.add.at(sums, numbers, wrong - wrong.mean(axis=0))
    return np.asarray(matmul(sums.T, sums) / len(wrong) ** 2)


def _points_of(found: Mistakes, units: NDArray[np.int64]) -> tuple[CurvePoint, ...]:
    worth = effective_size(units[found.places])
    size = len(found.places)
    points = []
    for num_photos, wrong in zip(found.sizes, found.wrong.T, strict=True):
        accuracy = wilson(float((1 - wrong).sum()), size, effective_n=worth)
        if accuracy is not None:
            points.append(CurvePoint(float(num_photos), accuracy))
    return tuple(reversed(points))


def _line(law: Law, first: float, last: float) -> tuple[tuple[float, float, float, float], ...]:
    line = []
    for num_photos in np.geomspace(first, last, _NUM_DRAWN):
        accuracy = 1 - law.error_at(num_photos)
        low, high = np.quantile(accuracy, [0.025, 0.975])
        line.append((float(num_photos), float(accuracy.mean()), float(low), float(high)))
    return tuple(line)


def _forecast_classes(
    heads: SubsampledHeads,
    overall: Mistakes,
    law: Law,
    data: Labelled,
    names: Sequence[str],
) -> Iterator[Forecast]:
    """What more photos of one class would bring, the others staying as they are."""
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
        share_new = HALF * size / len(data.labels)
        step = _Step(len(data.labels), num_more, found.changed[1 + i], share_new)
        yield Forecast(names[label], num_more, _figure(gain, law, step, data, rng))


def _weakest(found: Mistakes, data: Labelled) -> list[int]:
    """All classes where they are few, else those of which the fewest are recognised."""
    if data.num_classes <= MOST_CLASSES:
        return list(range(data.num_classes))
    labels = data.labels[found.places]
    counts = np.bincount(labels, minlength=data.num_classes)
    wrong = np.bincount(labels, found.wrong[:, 0], minlength=data.num_classes)
    order = np.argsort(-wrong / np.maximum(counts, 1), kind="stable")
    return [int(label) for label in order[:WEAKEST_CLASSES]]


@dataclass(frozen=True)
class _Step:
    """From how many photos to how many, and how much a measured step changed."""

    num_photos: int
    num_more: int
    changed: float
    share_new: float

    def spread(self, worth: float) -> float:
        """Of a measured gain by chance (standard deviation), on so many independent photos.

        Scores move by about the root of the share of the photos that are new, and as many answers
        change; half of them to the better, but for the gain.
        """
        share_new = self.num_more / (self.num_photos + self.num_more)
        return float(np.sqrt(self.changed * np.sqrt(share_new / self.share_new) / worth))


def _figure(
    gain: Draws, law: Law, step: _Step, data: Labelled, rng: np.random.Generator
) -> Estimate:
    """A gain with the interval of what will be measured: the law, one head's luck, and chance."""
    luck = law.scatter(step.num_photos, step.num_more)
    spread = np.hypot(luck, step.spread(effective_size(data.groups)))
    measured = gain + spread * rng.normal(size=len(gain))
    low, high = np.quantile(measured, [0.025, 0.975])
    return Estimate(float(gain.mean()), float(low), float(high), step.num_photos)
