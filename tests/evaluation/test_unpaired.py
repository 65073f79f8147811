"""A leak tax of two test parts that hold different images."""

from __future__ import annotations

import pytest

from candid.evaluation.estimate import wilson
from candid.evaluation.leak_tax import unpaired_tax


def test_the_interval_is_newcombes() -> None:
    """The example (a) of Newcombe (1998), method 10: 56/70 and 48/80."""
    tax = unpaired_tax(
        wilson(56, 70), wilson(48, 80), estimate="test part", num_copies=3, num_images=150
    )
    assert tax is not None
    assert tax.tax.value == pytest.approx(0.2)
    assert (tax.tax.low, tax.tax.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (tax.estimate, tax.num_copies) == ("test part", 3)


def test_without_a_figure_there_is_none() -> None:
    assert (
        unpaired_tax(None, wilson(1, 2), estimate="test part", num_copies=0, num_images=2) is None
    )
    assert (
        unpaired_tax(wilson(1, 2), None, estimate="test part", num_copies=0, num_images=2) is None
    )
