"""Weights of eight bits: sums that fit 16 bits, and means that stay."""

import numpy as np
import pytest

from candid.exporting.int8.graph import round_weights


def test_no_two_weights_are_too_large_for_16_bits():
    weights = np.random.default_rng(0).normal(size=(8, 20, 1, 1)).astype(np.float32)
    numbers = round_weights(weights, None, np.ones(20, np.float32), input_scale=0.1).weights
    ordered = np.sort(numbers.reshape(8, -1).astype(int), axis=1)
    assert (ordered[:, -2:].sum(axis=1) <= 128).all()
    assert (ordered[:, :2].sum(axis=1) >= -128).all()
    assert np.abs(ordered).max() >= 64


@pytest.mark.parametrize("num_groups", [1, 2, 6])
def test_rounding_changes_no_mean_output(num_groups):
    random = np.random.default_rng(num_groups)
    weights = random.normal(size=(6, 6 // num_groups, 3, 3)).astype(np.float32)
    means = random.uniform(1, 5, 6).astype(np.float32)
    bias = random.normal(size=6).astype(np.float32)
    rounded = round_weights(weights, bias, means, input_scale=1e-3)
    own = rounded.weights * rounded.scales[:, None, None, None]

    def mean_output(kernel, offsets):
        seen = means.reshape(num_groups, -1)[np.arange(6) * num_groups // 6]
        return (kernel.sum(axis=(2, 3)) * seen).sum(axis=1) + offsets

    corrected = rounded.bias * rounded.bias_scales
    np.testing.assert_allclose(mean_output(own, corrected), mean_output(weights, bias), atol=1e-3)
    assert np.abs(mean_output(own, bias) - mean_output(weights, bias)).max() > 5e-3


def test_a_filter_of_zeros_keeps_its_bias():
    zeros = np.zeros((1, 4, 1, 1), np.float32)
    rounded = round_weights(zeros, np.float32([3.5]), np.ones(4, np.float32), input_scale=0.02)
    assert rounded.bias[0] * rounded.bias_scales[0] == pytest.approx(3.5, rel=1e-6)
