"""Spurious flags of BLAS give no warning; results that are not finite are refused."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import candid
from candid.core.linalg import FEW_ROWS, matmul, principal_axes
from candid.errors import ComputationError
from candid.models.recipes.lbfgs import minimise
from candid.models.recipes.logistic import Problem, fit, scores_of
from candid.models.recipes.space import Space

SOURCE = Path(candid.__file__).parent
#: Where there is one context around many products.
AT_ONCE = {"core/linalg.py", "models/recipes/logistic.py"}


class Flagging(np.ndarray):
    """Multiplies rightly, and leaves the flags of an invalid operation and an overflow behind."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc is np.matmul:
            _ = np.array([np.inf]) - np.inf
            _ = np.array([1e300]) * 1e300
        plain = [np.asarray(each) if isinstance(each, Flagging) else each for each in inputs]
        return getattr(ufunc, method)(*plain, **options)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def fitted(rows: np.ndarray) -> np.ndarray:
    space = Space(drawn(12, 5))
    space.rows = rows
    problem = Problem(space, np.arange(12) % 3, np.ones(12, np.float32), 3)
    fit([problem], 10.0, tolerance=1e-4)
    return problem.fitted


def test_a_spurious_flag_gives_no_warning() -> None:
    left, right = drawn(3, 4), drawn(4, 2, seed=1)
    with pytest.warns(RuntimeWarning, match="invalid value|overflow"):
        _ = left.view(Flagging) @ right
    np.testing.assert_array_equal(matmul(left.view(Flagging), right), left @ right)


def test_a_head_is_fitted_and_applied_without_a_warning_whatever_the_flags() -> None:
    rows = Space(drawn(12, 5)).rows
    np.testing.assert_array_equal(fitted(rows.view(Flagging)), fitted(rows))
    kernel = fitted(rows)
    np.testing.assert_array_equal(scores_of(rows.view(Flagging), kernel), scores_of(rows, kernel))


def test_several_matrices_are_multiplied_from_left_to_right_to_the_bit() -> None:
    first, second, third = drawn(6, 7), drawn(7, 8, seed=1), drawn(8, 9, seed=2)
    expected = first @ second @ third
    assert matmul(first, second, third).tobytes() == expected.tobytes()


@pytest.mark.parametrize("number", [1e30, -1e30])
def test_an_infinite_product_of_finite_matrices_is_refused(number: float) -> None:
    large = np.full((2, 3), number, np.float32)
    with pytest.raises(ComputationError, match=r"\(2, 3\) and \(3, 2\)"):
        matmul(large, large.T)


def test_inputs_that_are_not_finite_are_passed_on() -> None:
    """The caller that made them handles them."""
    assert np.isnan(matmul(np.array([[np.nan, 1.0]]), np.eye(2))).any()


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_fit_that_ends_on_no_number_is_refused(number: float) -> None:
    start, ones = np.zeros((1, 2)), np.ones((1, 2))
    for value, slope in ((number, 1.0), (1.0, number)):
        with pytest.raises(ComputationError, match="a fit ended with"):
            minimise(
                lambda points, _, value=value, slope=slope: (np.array([value]), points + slope),
                start,
                scale=ones,
                enough=np.array([1e-3]),
            )


@pytest.mark.parametrize("shape", [(50, 80), (FEW_ROWS + 1, 700), (FEW_ROWS + 1, 80)])
def test_principal_axes_are_those_of_a_full_decomposition(shape: tuple[int, int]) -> None:
    rows = (drawn(*shape) * 0.8 ** np.arange(shape[1])).astype(np.float32)
    _, lengths, vectors = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    squares, axes = principal_axes(rows, 12)
    np.testing.assert_allclose(squares, lengths[:12] ** 2, rtol=1e-3)
    np.testing.assert_allclose(np.abs(vectors[:12] @ axes), np.eye(12), atol=1e-2)


@pytest.mark.parametrize(("num_kinds", "num_axes"), [(7, 7), (1, 1), (0, 1)])
def test_few_rows_have_no_more_axes_than_they_span(num_kinds: int, num_axes: int) -> None:
    rows = np.zeros((20, 30), np.float32)
    rows[: 2 * num_kinds] = np.repeat(drawn(num_kinds, 30), 2, axis=0)
    squares, axes = principal_axes(rows, 64)
    assert (squares.shape, axes.shape) == ((num_axes,), (30, num_axes))
    np.testing.assert_allclose(matmul(rows, axes, axes.T), rows, atol=1e-5)


def test_all_products_of_the_package_use_the_shared_function() -> None:
    stray = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).as_posix() not in AT_ONCE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult)
    ]
    assert not stray, "multiply by candid.core.linalg.matmul"
