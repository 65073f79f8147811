"""L-BFGS minimises, for any start, scale and condition number, one function or many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from candid.models.recipes import lbfgs

Vector = np.ndarray
Loss = Callable[[Vector], tuple[float, Vector]]


def minimise(
    loss: Loss, start: Vector, *, scale: Vector, tolerance: float, max_steps: int = 500
) -> Vector:
    """Minimise one function until the gradient is a share of that at zero."""

    def of_one(points: Vector, _: Vector) -> tuple[Vector, Vector]:
        values, gradients = zip(*(loss(point) for point in points), strict=True)
        return np.array(values), np.stack(gradients)

    enough = np.array([tolerance * np.abs(loss(np.zeros_like(start))[1]).max()])
    [found] = lbfgs.minimise(
        of_one, start[None], scale=scale[None], enough=enough, max_steps=max_steps
    )
    return found


def bowl(seed: int, size: int, condition: float) -> tuple[Loss, Vector, Vector]:
    """A convex quadratic, its minimum, and the inverse of its Hessian's diagonal."""
    random = np.random.default_rng(seed)
    turn = np.linalg.qr(random.normal(size=(size, size)))[0]
    hessian = turn @ np.diag(np.geomspace(1, condition, size)) @ turn.T
    least = random.normal(size=size)

    def loss(point: Vector) -> tuple[float, Vector]:
        away = point - least
        return 0.5 * float(away @ hessian @ away), hessian @ away

    return loss, least, 1 / np.diag(hessian)


def logistic(seed: int = 0) -> Loss:
    random = np.random.default_rng(seed)
    rows, signs = random.normal(size=(80, 6)), random.choice([-1.0, 1.0], 80)

    def loss(point: Vector) -> tuple[float, Vector]:
        margins = signs * (rows @ point)
        errors = -signs / (1 + np.exp(margins))
        value = np.logaddexp(0, -margins).sum() + 0.5 * point @ point
        return float(value), errors @ rows + point

    return loss


class Counted:
    """Counts the evaluations of a loss."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.count = 0

    def __call__(self, point: Vector) -> tuple[float, Vector]:
        self.count += 1
        return self.loss(point)


@given(
    st.integers(0, 1000),
    st.integers(1, 12),
    st.floats(1, 1e4),
    st.booleans(),
    st.sampled_from([1e-2, 1e-4, 1e-6]),
)
def test_the_gradient_ends_below_its_tolerance(
    seed: int, size: int, condition: float, from_afar: bool, tolerance: float
) -> None:
    loss, _, scale = bowl(seed, size, condition)
    start = np.full(size, 100.0) if from_afar else np.zeros(size)
    found = minimise(loss, start, scale=scale, tolerance=tolerance)
    at_zero = np.abs(loss(np.zeros(size))[1]).max()
    assert np.abs(loss(found)[1]).max() <= tolerance * at_zero


def test_a_quadratic_is_solved_exactly() -> None:
    loss, least, scale = bowl(0, 8, 100)
    np.testing.assert_allclose(
        minimise(loss, np.zeros(8), scale=scale, tolerance=1e-10), least, atol=1e-7
    )


def test_the_result_is_scipys() -> None:
    loss = logistic()
    expected = minimize(loss, np.zeros(6), jac=True, tol=1e-12).x
    found = minimise(loss, np.zeros(6), scale=np.ones(6), tolerance=1e-9)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_start_does_not_matter_and_is_left_as_it_is() -> None:
    loss = logistic()
    start = np.array([5.0, -5, 5, -5, 5, -5])
    kept = start.copy()
    afar = minimise(loss, start, scale=np.ones(6), tolerance=1e-9)
    near = minimise(loss, np.zeros(6), scale=np.ones(6), tolerance=1e-9)
    np.testing.assert_allclose(afar, near, atol=1e-6)
    np.testing.assert_array_equal(start, kept)


def test_the_right_scale_finds_it_in_a_few_steps() -> None:
    spread = np.geomspace(1, 1e6, 30)

    def loss(point: Vector) -> tuple[float, Vector]:
        return 0.5 * float(spread @ (point - 1) ** 2), spread * (point - 1)

    with_scale, without = Counted(loss), Counted(loss)
    minimise(with_scale, np.zeros(30), scale=1 / spread, tolerance=1e-9)
    minimise(without, np.zeros(30), scale=np.ones(30), tolerance=1e-9)
    assert with_scale.count <= 3
    assert without.count > 10 * with_scale.count


def test_a_warm_start_is_not_refined_further_than_a_cold_one() -> None:
    loss = Counted(logistic())
    solved = minimise(loss, np.zeros(6), scale=np.ones(6), tolerance=1e-6)
    loss.count = 0
    again = minimise(loss, solved, scale=np.ones(6), tolerance=1e-6)
    assert loss.count == 2  # there, and at zero for the tolerance
    np.testing.assert_array_equal(again, solved)


@pytest.mark.parametrize("max_steps", [0, 1, 3])
def test_it_stops_after_max_steps(max_steps: int) -> None:
    loss, _, _ = bowl(1, 10, 1e4)
    values = [
        loss(minimise(loss, np.ones(10), scale=np.ones(10), tolerance=0, max_steps=steps))[0]
        for steps in range(max_steps + 1)
    ]
    assert values == sorted(values, reverse=True)
    assert loss(minimise(loss, np.ones(10), scale=np.ones(10), tolerance=0))[0] < values[-1]


def test_a_constant_function_returns_the_start() -> None:
    start = np.array([1.0, 2.0])
    found = minimise(lambda p: (0.0, np.zeros_like(p)), start, scale=np.ones(2), tolerance=1e-4)
    np.testing.assert_array_equal(found, start)


def test_many_functions_end_where_each_would_alone() -> None:
    """Some take a step, some hundreds, and one is at its minimum from the start."""
    bowls = [bowl(seed, 8, condition) for seed, condition in enumerate((1, 1e4, 10, 1e3))]
    starts = np.stack([np.ones(8), np.zeros(8), bowls[2][1], np.full(8, 50.0)])
    scales = np.stack([scale for _, _, scale in bowls])
    enough = np.full(4, 1e-6)

    def loss(points: Vector, which: Vector) -> tuple[Vector, Vector]:
        pairs = [bowls[number][0](point) for number, point in zip(which, points, strict=True)]
        return np.array([value for value, _ in pairs]), np.stack([slope for _, slope in pairs])

    together = lbfgs.minimise(loss, starts, scale=scales, enough=enough)
    for number, (start, scale) in enumerate(zip(starts, scales, strict=True)):
        [alone] = lbfgs.minimise(
            lambda points, which, number=number: loss(points, which + number),
            start[None],
            scale=scale[None],
            enough=enough[:1],
        )
        np.testing.assert_array_equal(together[number], alone)
