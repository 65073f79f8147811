"""Simple rules are fitted on training images only, and compared with the model by image."""

from __future__ import annotations

import numpy as np
import pytest

from candid.evaluation import baselines
from candid.evaluation.baselines import (
    COLOUR_ALONE,
    LARGEST_CLASS,
    NEAREST_NEIGHBOUR,
    Baseline,
    compare_baselines,
    predict_baselines,
)
from candid.evaluation.estimate import Estimate
from candid.splits.grouped_split import Labelled


def photos(
    *, counts: tuple[int, ...] = (40, 30, 30), apart: float = 3.0, size: int = 8
) -> Labelled:
    random = np.random.default_rng(sum(counts))
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = random.normal(size=(len(counts), size)) * apart
    rows = (centres[labels] + random.normal(size=(len(labels), size))).astype(np.float32)
    units = np.arange(len(labels))
    return Labelled(rows, labels, units, [f"photo{unit}" for unit in units], len(counts))


def colours_without_meaning(num_photos: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(0, 1, (num_photos, 5)).astype(np.float32)


def folds(num_photos: int, num_folds: int = 5) -> list[tuple[np.ndarray, np.ndarray]]:
    fold = np.random.default_rng(1).integers(0, num_folds, num_photos)
    return [(np.flatnonzero(fold != f), np.flatnonzero(fold == f)) for f in range(num_folds)]


class TestPredictions:
    def test_are_of_the_test_images_of_a_round_only(self) -> None:
        data = photos()
        test = np.array([3, 50, 99])
        train = np.setdiff1d(np.arange(90), test)
        predictions = predict_baselines(data, colours_without_meaning(100), [(train, test)])
        assert list(predictions) == [LARGEST_CLASS, COLOUR_ALONE, NEAREST_NEIGHBOUR]
        for predicted in predictions.values():
            assert np.flatnonzero(predicted >= 0).tolist() == test.tolist()

    def test_of_the_largest_class_follow_the_training_images(self) -> None:
        data = photos(counts=(40, 30, 30))
        without_first = np.arange(40, 90)  # 30 of the second class, 20 of the third
        tied = np.arange(40, 100)
        for train in (without_first, tied):
            predictions = predict_baselines(
                data, colours_without_meaning(100), [(train, np.arange(40))]
            )
            assert (predictions[LARGEST_CLASS][:40] == 1).all()

    def test_never_use_the_label_that_they_predict(self) -> None:
        data, colours = photos(apart=0.5), colours_without_meaning(100)
        train, test = np.arange(0, 100, 2), np.arange(1, 100, 2)
        labels = data.labels.copy()
        labels[test] = (labels[test] + 1) % 3
        other = Labelled(data.embeddings, labels, data.groups, data.group_keys, 3)
        one = predict_baselines(data, colours, [(train, test)])
        two = predict_baselines(other, colours, [(train, test)])
        for name, predicted in one.items():
            np.testing.assert_array_equal(predicted, two[name])

    def test_do_without_rounds_that_are_empty(self) -> None:
        nothing, everything = np.empty(0, np.int64), np.arange(100)
        rounds = [(nothing, everything), (everything, nothing)]
        predictions = predict_baselines(photos(), colours_without_meaning(100), rounds)
        assert all((predicted == -1).all() for predicted in predictions.values())

    @pytest.mark.parametrize("most", [10, 60])
    def test_of_colours_are_fitted_on_a_limited_number_of_images(
        self, most: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(baselines, "MOST_ROWS", most)
        sizes = []

        def record(colours: tuple[np.ndarray, np.ndarray], *_: object, **__: object) -> object:
            sizes.append(len(colours[0]))
            return np.zeros(len(colours[1]), np.int64)

        monkeypatch.setattr(baselines, "predict_by_colour", record)
        predict_baselines(photos(), colours_without_meaning(100), folds(100))
        assert sizes == [most] * 5


class TestBrightnessAndColourAlone:
    def test_find_a_class_that_is_darker(self) -> None:
        data = photos(counts=(50, 50), apart=0)
        colours = colours_without_meaning(100)
        colours[:, 2] += data.labels * 0.8
        predicted = predict_baselines(data, colours, folds(100))[COLOUR_ALONE]
        assert (predicted == data.labels).mean() > 0.85

    def test_find_a_class_that_is_between_two_halves_of_the_other(self) -> None:
        data = photos(counts=(100, 50), apart=0)
        colours = colours_without_meaning(150)
        place = np.repeat([0, 2, 1], 50)
        colours[:, 1] = place + colours[:, 1] * 0.2  # no line parts the classes, a parabola does
        predicted = predict_baselines(data, colours, folds(150))[COLOUR_ALONE]
        assert (predicted == data.labels).mean() > 0.95

    def test_find_nothing_where_there_is_nothing(self) -> None:
        data = photos(counts=(150, 150), apart=9)
        predicted = predict_baselines(data, colours_without_meaning(300), folds(300))
        assert 0.4 < (predicted[COLOUR_ALONE] == data.labels).mean() < 0.6

    def test_take_colours_that_are_all_alike(self) -> None:
        data = photos(counts=(30, 20))
        predicted = predict_baselines(data, np.ones((50, 5), np.float32), folds(50))[COLOUR_ALONE]
        assert (predicted == 0).all()


class TestNearestNeighbour:
    @pytest.mark.parametrize("at_a_time", [7, 4096])
    def test_has_the_largest_cosine(self, at_a_time: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(baselines, "_TRAIN_BLOCK", at_a_time)
        monkeypatch.setattr(baselines, "BLOCK", at_a_time)
        data = photos(apart=0.5)
        lengths = np.random.default_rng(5).uniform(0.1, 10, (100, 1)).astype(np.float32)
        data = Labelled(data.embeddings * lengths, data.labels, data.groups, data.group_keys, 3)
        train, test = np.arange(0, 100, 2), np.arange(1, 100, 2)
        predicted = predict_baselines(data, colours_without_meaning(100), [(train, test)])
        rows = data.embeddings / np.linalg.norm(data.embeddings, axis=1, keepdims=True)
        nearest = train[(rows[test] @ rows[train].T).argmax(axis=1)]
        np.testing.assert_array_equal(predicted[NEAREST_NEIGHBOUR][test], data.labels[nearest])

    def test_is_looked_for_among_all_for_a_sample_where_there_are_too_many(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(baselines, "_MOST_COMPARISONS", 1000)
        data = photos(apart=0.5)
        rounds = [(np.arange(50), np.arange(50, 100))]
        some = predict_baselines(data, colours_without_meaning(100), rounds)[NEAREST_NEIGHBOUR]
        monkeypatch.undo()
        whole = predict_baselines(data, colours_without_meaning(100), rounds)[NEAREST_NEIGHBOUR]
        test = np.flatnonzero(some >= 0)
        assert len(test) == 1000 // 50
        np.testing.assert_array_equal(some[test], whole[test])

    def test_of_a_picture_without_an_embedding_is_some_image(self) -> None:
        data = photos()
        data.embeddings[:] = 0
        predicted = predict_baselines(data, colours_without_meaning(100), folds(100))
        assert (predicted[NEAREST_NEIGHBOUR] >= 0).all()


class TestCompareBaselines:
    truth = np.array([0, 0, 0, 0, 1, 1, 1, 1] * 10)
    groups = np.arange(80)

    def test_compares_on_the_images_that_the_rule_predicted(self) -> None:
        predicted = np.zeros(80, np.int64)
        predicted[40:] = -1
        model = np.ones(80, np.bool_)
        model[40:] = False
        (found,) = compare_baselines({"rule": predicted}, model, self.truth, self.groups)
        assert found.name == "rule"
        assert found.accuracy.value == 0.5
        assert found.accuracy.n == found.gain.n == 40
        assert found.gain.value == 0.5

    def test_leaves_out_what_predicted_nothing(self) -> None:
        nothing = np.full(80, -1)
        assert compare_baselines({"rule": nothing}, self.truth == 0, self.truth, self.groups) == ()

    def test_calls_a_rule_beaten_only_where_chance_does_not_explain_it(self) -> None:
        predicted = {"rule": np.zeros(80, np.int64)}
        much_better, hardly_better = np.ones(80, np.bool_), self.truth == 0
        hardly_better[4] = True
        (beaten,) = compare_baselines(predicted, much_better, self.truth, self.groups)
        (unbeaten,) = compare_baselines(predicted, hardly_better, self.truth, self.groups)
        assert beaten.beaten
        assert not unbeaten.beaten
        assert unbeaten.gain.value > 0

    def test_gives_json_that_says_whether_it_is_beaten(self) -> None:
        baseline = Baseline("rule", Estimate(0.5, 0.4, 0.6, 9), Estimate(0.2, 0.1, 0.3, 9))
        assert baseline.to_json()["beaten"] is True
        assert baseline.to_json()["gain"] == {"value": 0.2, "low": 0.1, "high": 0.3, "n": 9}
