"""Weights rounded to whole numbers, and what that does to biases put right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LARGEST: Final = 127
_LARGEST_BIAS: Final = 2**30
_TINY: Final = 1e-12


@dataclass(frozen=True)
class Rounded:
    """A layer's weights and bias as whole numbers, and what one of each is worth.

    Attributes:
        weights: int8, as they were shaped, a filter or unit first.
        scales: float32 ``(f,)``.
        bias: int32 ``(f,)``.
        bias_scales: float32 ``(f,)``.
    """

    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.int32]
    bias_scales: NDArray[np.float32]


def round_weights(
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    means: NDArray[np.float32],
    *,
    input_scale: float,
) -> Rounded:
    """Round a layer's weights, a scale a filter, and correct its bias.

    On a processor without VNNI, products of bytes with two weights are added in 16 bits and cut off
    there. So that an export answers there as here, no two weights of a filter add to more than 128
    (255 * 128 fits). Kernels of depthwise convolutions add in 32 bits; theirs are left whole.

    What rounding adds to a filter's output is its weights' errors times its input. The mean of that
    is taken from the bias (Nagel et al., 2019, "Data-free quantization through weight equalization
    and bias correction", section 4.2).

    Args:
        weights: float32 ``(f, c, h, w)``, where c is 1 if each filter sees one channel; or
            ``(f, c)``.
        bias: float32 ``(f,)``, or None.
        means: float32, the mean of each channel of the input.
        input_scale: What one step of the input is worth.
    """
    filters = weights.reshape(len(weights), -1).astype(np.float64)
    bias = np.zeros(len(weights), np.float32) if bias is None else bias
    is_depthwise = weights.ndim == 4 and weights.shape[1] == 1 and len(means) > 1
    # A filter of nothing but zeros has a bias too, which has to fit 32 bits.
    least = np.abs(bias) / (_LARGEST_BIAS * input_scale) + _TINY
    widest = np.abs(filters).max(axis=1) if is_depthwise else _widest(filters)
    scales = np.maximum(widest / _LARGEST, least).astype(np.float32)
    numbers = np.rint(filters / scales[:, None]).clip(-_LARGEST, _LARGEST)
    errors = (filters - numbers * scales[:, None]).reshape(weights.shape)
    corrected = bias + _mean_outputs(errors, means)
    bias_scales = (scales * np.float32(input_scale)).astype(np.float32)
    return Rounded(
        numbers.astype(np.int8).reshape(weights.shape),
        scales,
        np.rint(corrected / bias_scales).astype(np.int32),
        bias_scales,
    )


def _widest(filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest sum, ``(f,)``, of two weights of one sign, or the largest weight."""
    ordered = np.sort(filters, axis=1)
    pairs = np.maximum(ordered[:, -2:], 0).sum(axis=1), -np.minimum(ordered[:, :2], 0).sum(axis=1)
    return np.asarray(np.maximum(*pairs), np.float64)


def _mean_outputs(errors: NDArray[np.float64], means: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a layer of these weights gives on average, ``(f,)``; its edges are not told apart."""
    summed = errors.reshape(*errors.shape[:2], -1).sum(axis=2)
    num_groups = len(means) // summed.shape[1]
    by_group = means.reshape(num_groups, -1)
    group = np.arange(len(errors)) * num_groups // len(errors)
    return np.asarray((summed * by_group[group]).sum(axis=1), np.float64)
