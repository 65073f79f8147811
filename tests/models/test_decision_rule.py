"""A class is chosen by probability, by a threshold, or by the least expected cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from candid.errors import UsageError
from candid.models.decision_rule import DecisionRule, parse_cost

CLASSES = ("happy", "sad")


def decide(rule: DecisionRule, *rows: list[float], classes: tuple[str, ...] = CLASSES) -> list[int]:
    return rule.decide(np.array(rows, np.float32), classes).tolist()


class TestAThreshold:
    def test_is_a_half_by_default(self) -> None:
        assert decide(DecisionRule(), [0.5, 0.5], [0.49, 0.51]) == [0, 1]

    def test_decides_for_the_second_class_above_it(self) -> None:
        assert decide(DecisionRule(0.8), [0.25, 0.75], [0.1, 0.9]) == [0, 1]

    def test_is_compared_in_float64(self) -> None:
        value = float(np.float32(0.3))
        assert decide(DecisionRule(0.3), [1 - value, value]) == [int(value > 0.3)]


class TestCosts:
    def test_make_the_expensive_mistake_rarer(self) -> None:
        rule = DecisionRule(costs={("sad", "happy"): 5.0})
        assert decide(rule, [0.8, 0.2], [0.9, 0.1]) == [1, 0]

    @given(st.floats(0.01, 0.99), st.floats(0.1, 20))
    def test_of_two_classes_are_a_threshold(self, probability: float, cost: float) -> None:
        rule = DecisionRule(costs={("sad", "happy"): cost})
        row = np.array([[1 - probability, probability]], np.float32).astype(np.float64)
        cheaper = row[0, 1] * cost > row[0, 0]
        if abs(row[0, 1] * cost - row[0, 0]) > 1e-9:
            assert decide(rule, [1 - probability, probability]) == [int(cheaper)]

    def test_that_are_all_one_choose_the_most_probable(self) -> None:
        rows = np.random.default_rng(0).dirichlet(np.ones(3), 200).astype(np.float32)
        rule = DecisionRule(costs={("a", "b"): 1.0})
        assert rule.decide(rows, ("a", "b", "c")).tolist() == rows.argmax(axis=1).tolist()

    def test_of_three_classes_choose_the_least_expected_cost(self) -> None:
        rule = DecisionRule(costs={("a", "b"): 10.0, ("a", "c"): 10.0})
        rows = [[0.2, 0.7, 0.1], [0.05, 0.85, 0.1]]
        assert decide(rule, *rows, classes=("a", "b", "c")) == [0, 1]


class TestParsing:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("sad→happy=5", (("sad", "happy"), 5.0)),
            ("sad->happy=0.5", (("sad", "happy"), 0.5)),
            (" very sad -> a=b =2", (("very sad", "a=b"), 2.0)),
        ],
    )
    def test_reads_classes_and_number(self, text: str, expected: object) -> None:
        assert parse_cost(text) == expected

    @pytest.mark.parametrize("text", ["", "sad", "sad→happy", "sad→happy=x", "a->b=-1", "a->b=inf"])
    def test_refuses_anything_else(self, text: str) -> None:
        with pytest.raises(UsageError, match="TRUE→ANSWERED=NUMBER"):
            parse_cost(text)


class TestInvalidRules:
    @pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
    def test_a_threshold_outside_0_to_1_is_refused(self, threshold: float) -> None:
        with pytest.raises(UsageError, match="from 0 to 1"):
            DecisionRule(threshold).require_fits(CLASSES)

    def test_a_threshold_for_three_classes_is_refused(self) -> None:
        with pytest.raises(UsageError, match="a threshold is for two classes; there are 3"):
            DecisionRule(0.3).require_fits(("a", "b", "c"))

    def test_a_cost_of_an_unknown_class_is_refused(self) -> None:
        rule = DecisionRule(costs={("angry", "sad"): 2.0})
        with pytest.raises(UsageError, match="the class 'angry'; expected one of happy, sad"):
            rule.require_fits(CLASSES)

    @pytest.mark.parametrize("cost", [-1.0, float("nan"), float("inf")])
    def test_a_cost_that_is_no_number_from_0_is_refused(self, cost: float) -> None:
        with pytest.raises(UsageError, match="a number from 0"):
            DecisionRule(costs={("sad", "happy"): cost})

    def test_a_cost_of_a_right_answer_is_refused(self) -> None:
        with pytest.raises(UsageError, match="sad→sad=2"):
            DecisionRule(costs={("sad", "sad"): 2.0})

    def test_a_threshold_beside_costs_is_refused(self) -> None:
        rule = DecisionRule(0.3, {("sad", "happy"): 2.0})
        with pytest.raises(UsageError, match="exclude each other"):
            rule.require_fits(CLASSES)


def test_json_round_trip() -> None:
    rule = DecisionRule(costs={("sad", "happy"): 5.0})
    assert DecisionRule.from_json(rule.to_json()) == rule
    assert DecisionRule.from_json(DecisionRule(0.7).to_json()) == DecisionRule(0.7)
