"""Prediction sets have the configured coverage, and OOD photos are flagged."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from crepes import ConformalClassifier
from scipy.stats import binomtest

from candid.errors import UsageError
from candid.models.conformal import Abstention, fit_abstention


def predictions(
    num: int, *, num_classes: int = 3, seed: int = 0, sharpness: float = 1.5
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a good classifier, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(num_classes, size=num)
    scores = rng.normal(size=(num, num_classes)) + sharpness * 2 * np.eye(num_classes)[labels]
    odds = np.exp(sharpness * scores)
    return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), labels


def fitted(num: int = 600, **how: Any) -> Abstention:
    probabilities, labels = predictions(num, **how)
    novelty = np.random.default_rng(1).normal(size=num).astype(np.float32)
    abstention = fit_abstention(probabilities, labels, novelty)
    assert abstention is not None
    return abstention


class TestPossibleClasses:
    @pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
    def test_contain_the_true_one_at_the_rate_of_coverage(self, coverage: float) -> None:
        covered = []
        for seed in range(20):
            abstention = fitted(seed=seed).with_coverage(coverage)
            probabilities, labels = predictions(2000, seed=100 + seed)
            possible = abstention.possible(probabilities)
            covered.append(possible[np.arange(2000), labels].mean())
        assert np.mean(covered) == pytest.approx(coverage, abs=0.01)

    def test_cover_a_harder_class_at_the_same_rate(self) -> None:
        def harder(num: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
            easy, labels = predictions(num, seed=seed)
            blurred = easy.copy()
            blurred[labels == 0] = 0.5 * blurred[labels == 0] + 0.5 / 3
            return blurred, labels

        covered = []
        for seed in range(20):
            probabilities, labels = harder(600, seed)
            abstention = fit_abstention(probabilities, labels, probabilities[:, 0])
            assert abstention is not None
            asked, truth = harder(2000, 100 + seed)
            of_hard = truth == 0
            covered.append(abstention.possible(asked)[of_hard, 0].mean())
        assert np.mean(covered) == pytest.approx(0.9, abs=0.015)

    def test_are_those_of_crepes(self) -> None:
        known, labels = predictions(300)
        asked, _ = predictions(100, seed=1)
        abstention = fit_abstention(known, labels, known[:, 0])
        assert abstention is not None
        reference = ConformalClassifier()
        reference.fit(alphas=(1 - known[np.arange(300), labels]), bins=labels)
        for number in range(3):
            bins = np.full(100, number)
            sets = reference.predict_set(
                alphas=(1 - asked[:, [number]]), bins=bins, confidence=0.9, smoothing=False
            )
            assert (
                abstention.possible(asked)[:, number].tolist() == sets[:, 0].astype(bool).tolist()
            )

    def test_of_a_class_with_few_photos_are_calibrated_on_all_photos(self) -> None:
        probabilities, labels = predictions(300)
        kept = (labels != 2) | (np.cumsum(labels == 2) <= 10)
        abstention = fit_abstention(probabilities[kept], labels[kept], probabilities[:, 0])
        assert abstention is not None
        assert [len(row) for row in abstention.nonconformity] == [
            (labels[kept] == 0).sum(),
            (labels[kept] == 1).sum(),
            kept.sum(),
        ]

    def test_are_more_at_a_higher_coverage(self) -> None:
        asked, _ = predictions(500, seed=3)
        sizes = [fitted().with_coverage(c).possible(asked).sum(axis=1) for c in (0.6, 0.9, 0.99)]
        assert (sizes[0] <= sizes[1]).all()
        assert (sizes[1] <= sizes[2]).all()
        assert sizes[0].sum() < sizes[2].sum()

    def test_hardly_change_when_a_long_list_is_subsampled(self) -> None:
        asked, labels = predictions(5000, seed=5)
        possible = fitted(20_000).possible(asked)
        assert possible[np.arange(5000), labels].mean() == pytest.approx(0.9, abs=0.012)


class TestFamiliarity:
    def test_is_the_share_of_scores_at_least_as_high(self) -> None:
        abstention = Abstention((np.zeros(1, np.float32),), np.arange(99, dtype=np.float32))
        found = abstention.familiarity(np.array([-1, 49, 98, 1000], np.float32))
        assert found.tolist() == pytest.approx([1.0, 0.51, 0.02, 0.01])

    def test_gives_false_alarms_at_the_allowed_rate(self) -> None:
        rng = np.random.default_rng(0)
        alarms = []
        for seed in range(40):
            novelty = np.random.default_rng(seed).normal(size=200).astype(np.float32)
            probabilities, labels = predictions(200, seed=seed)
            abstention = fit_abstention(probabilities, labels, novelty)
            assert abstention is not None
            asked = rng.normal(size=1000).astype(np.float32)
            alarms.append((abstention.familiarity(asked) <= abstention.false_alarms).mean())
        assert np.mean(alarms) == pytest.approx(0.05, abs=0.006)


class TestVerdicts:
    def test_are_unknown_first_and_sure_only_for_a_set_of_the_chosen_class(self) -> None:
        possible = np.array(
            [[True, False], [True, False], [True, True], [False, False], [False, True]]
        )
        familiarity = np.array([0.5, 0.01, 0.5, 0.5, 0.5], np.float32)
        verdicts = fitted().verdicts(possible, familiarity, np.array([0, 0, 1, 0, 0]))
        assert verdicts == ("sure", "unknown", "uncertain", "uncertain", "uncertain")

    def test_are_not_sure_near_the_limit_of_unknown_and_more_so_the_fewer_photos(self) -> None:
        possible, predicted = np.array([[True, False, False]] * 3), np.zeros(3, np.int64)
        familiarity = np.array([0.04, 0.10, 0.25], np.float32)
        found = {
            num: fitted(num).verdicts(possible, familiarity, predicted) for num in (20, 50, 300)
        }
        assert found[20] == ("unknown", "uncertain", "sure")
        assert found[50] == ("unknown", "uncertain", "sure")
        assert found[300] == ("unknown", "sure", "sure")

    @pytest.mark.parametrize("num", [20, 50, 300, 2000])
    def test_are_sure_where_so_many_known_photos_are_as_novel_with_95_percent_confidence(
        self, num: int
    ) -> None:
        above = round(fitted(num).sure_above * (num + 1))  # of the held-out photos, and one more
        assert binomtest(above, num).proportion_ci(0.9, "exact").low > 0.05
        assert binomtest(above - 1, num).proportion_ci(0.9, "exact").low <= 0.05


class TestStored:
    def test_json_round_trip_preserves_the_answers(self) -> None:
        abstention = fitted()
        again = Abstention.from_json(json.loads(json.dumps(abstention.to_json())), 3)
        asked, _ = predictions(400, seed=9)
        novelty = np.linspace(-3, 3, 50, dtype=np.float32)
        assert (abstention.possible(asked) == again.possible(asked)).all()
        assert (abstention.familiarity(novelty) == again.familiarity(novelty)).all()
        assert again.sure_above == abstention.sure_above > 0.05

    def test_a_run_of_an_earlier_version_has_no_floor_of_familiarity(self) -> None:
        values = {name: v for name, v in fitted().to_json().items() if name != "sure_above"}
        assert Abstention.from_json(values, 3).sure_above == 0

    @pytest.mark.parametrize(
        "damage",
        [
            {"coverage": 1.5},
            {"false_alarms": 0},
            {"sure_above": 1.0},
            {"novelty": []},
            {"novelty": [2.0, 1.0]},
            {"novelty": [float("nan")]},
            {"nonconformity": [[0.1]]},
            {"nonconformity": "abc"},
            {"coverage": None},
        ],
    )
    def test_invalid_values_are_refused(self, damage: dict[str, object]) -> None:
        values = fitted().to_json() | damage
        with pytest.raises((ValueError, TypeError, KeyError)):
            Abstention.from_json(values, 3)

    def test_few_photos_give_no_calibration(self) -> None:
        probabilities, labels = predictions(19)
        assert fit_abstention(probabilities, labels, probabilities[:, 0]) is None

    @pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, float("nan")])
    def test_a_coverage_outside_0_to_1_is_refused(self, coverage: float) -> None:
        with pytest.raises(UsageError, match="between 0 and 1"):
            fitted().with_coverage(coverage)
