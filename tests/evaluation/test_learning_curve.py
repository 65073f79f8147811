"""The curve tells how accuracy grew, and its forecasts hold what comes."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from candid.evaluation import learning_curve
from candid.evaluation.estimate import Estimate
from candid.evaluation.learning_curve import Forecast, LearningCurve, learn, round_number
from candid.evaluation.subsampling import SubsampledHeads
from candid.models.recipes.linear_head import fit_head
from candid.splits.grouped_split import Labelled


def photos(
    *,
    counts: tuple[int, ...] = (60, 60),
    copies: int = 1,
    apart: float = 0.35,
    num_features: int = 30,
    seed: int = 0,
) -> Labelled:
    """Embeddings around a centre a class, the same for every seed; copies are alike."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = np.random.default_rng(9).normal(size=(len(counts), num_features)) * apart
    rows = centres[labels] + random.normal(size=(len(labels), num_features))
    units = np.repeat(np.arange(len(labels)), copies)
    return Labelled(
        np.repeat(rows, copies, axis=0).astype(np.float32),
        np.repeat(labels, copies),
        units,
        [f"photo{unit}" for unit in range(len(labels))],
        len(counts),
    )


def learnt(
    data: Labelled, *, seed: int = 0, classes: tuple[str, ...] | None = None
) -> LearningCurve:
    curve = learn(data, seed=seed, strength=3, classes=classes)
    assert curve is not None
    return curve


class TestPoints:
    def test_go_from_few_photos_to_all_that_are_not_held_out(self) -> None:
        sizes = [point.num_photos for point in learnt(photos()).points]
        assert sizes == sorted(sizes)
        assert sizes[0] == pytest.approx(120 * 0.8 / 8, abs=1)
        assert sizes[-1] == 120 * 0.8

    def test_rise_where_there_is_something_to_learn(self) -> None:
        points = learnt(photos()).points
        assert points[-1].accuracy.value > points[0].accuracy.value + 0.05

    def test_are_not_flattered_by_copies(self) -> None:
        last = learnt(photos(apart=0, copies=3, num_features=200)).points[-1].accuracy
        assert 0.35 < last.value < 0.65
        assert last.n == 360
        assert last.high - last.low > 0.15  # 120 pictures are worth no more


class TestTheLine:
    def test_begins_with_the_points_and_ends_beyond_them_in_its_band(self) -> None:
        curve = learnt(photos())
        sizes = [row[0] for row in curve.curve]
        assert sizes == sorted(sizes)
        assert sizes[0] == pytest.approx(curve.points[0].num_photos)
        assert sizes[-1] == pytest.approx(120 + curve.forecasts[0].num_more)
        assert all(0 <= low <= value <= high <= 1 for _, value, low, high in curve.curve)

    def test_passes_the_points(self) -> None:
        curve = learnt(photos(counts=(200, 200)))
        sizes, values, _, _ = np.transpose(curve.curve)
        for point in curve.points:
            drawn = np.interp(point.num_photos, sizes, values)
            assert drawn == pytest.approx(point.accuracy.value, abs=0.03)


class TestForecasts:
    def test_hold_what_comes_when_photos_are_added(self) -> None:
        """Twelve sets of photos; what the forecast speaks of is added and measured on many."""
        crowd = photos(counts=(2000, 2000), seed=99)
        held = []
        for seed in range(12):
            data, more = photos(seed=seed), photos(seed=seed + 50, counts=(30, 30))
            forecast = learnt(data, seed=seed).forecasts[0]
            assert forecast.num_more == 60
            both = Labelled(
                np.concatenate([data.embeddings, more.embeddings]),
                np.concatenate([data.labels, more.labels]),
                np.arange(180),
                [f"photo{i}" for i in range(180)],
                2,
            )
            before, after = (
                (fit_head(one).head.probabilities(crowd.embeddings).argmax(axis=1) == crowd.labels)
                for one in (data, both)
            )
            gain = after.mean() - before.mean()
            held.append(forecast.gain.low <= gain <= forecast.gain.high)
        assert np.mean(held) >= 0.9

    def test_promise_nothing_where_all_is_right_already(self) -> None:
        for forecast in learnt(photos(apart=3)).forecasts:
            assert forecast.gain.value == pytest.approx(0, abs=0.002)
            assert forecast.gain.high < 0.01

    def test_promise_more_where_the_curve_is_steep(self) -> None:
        steep, flat = learnt(photos()), learnt(photos(counts=(600, 600)))
        assert steep.forecasts[0].gain.value > 2 * flat.forecasts[0].gain.value > 0

    def test_promise_more_of_the_class_that_lacks_photos(self) -> None:
        """Per photo: the second class is known from many already."""
        curve = learnt(photos(counts=(40, 400)))
        first, second = curve.forecasts[1:]
        assert first.gain.value / first.num_more > 2 * second.gain.value / second.num_more

    def test_are_less_certain_where_copies_make_photos_fewer_than_they_seem(self) -> None:
        single, thrice = learnt(photos(counts=(180, 180))), learnt(photos(copies=3))
        widths = [c.forecasts[0].gain.high - c.forecasts[0].gain.low for c in (single, thrice)]
        assert widths[1] > 1.3 * widths[0]

    def test_are_of_all_classes_and_of_each_where_these_are_few(self) -> None:
        curve = learnt(photos(counts=(30, 30, 30)), classes=("cat", "dog", "owl"))
        assert [row.label for row in curve.forecasts] == [None, "cat", "dog", "owl"]
        assert [row.num_more for row in curve.forecasts] == [40, 10, 10, 10]
        assert [row.label for row in learnt(photos()).forecasts] == [None, "0", "1"]

    def test_are_of_the_three_least_recognised_of_many_classes(self) -> None:
        data = photos(counts=(30,) * 6, apart=2)
        hard = np.flatnonzero(np.isin(data.labels, [1, 3, 4]))
        shuffled = np.random.default_rng(1).permutation(hard)
        data.embeddings[hard] = data.embeddings[shuffled]  # they can't be told from each other
        labels = {row.label for row in learnt(data).forecasts}
        assert labels == {None, "1", "3", "4"}


@pytest.mark.parametrize(("fewest", "expected"), [(19, False), (20, True)])
def test_there_is_none_of_fewer_than_twenty_pictures_of_a_class(
    fewest: int, expected: bool
) -> None:
    curve = learn(photos(counts=(50, fewest), copies=2), seed=0, strength=3)
    assert (curve is not None) == expected


def test_the_same_photos_and_seed_give_the_same_curve_and_another_seed_another() -> None:
    assert learnt(photos()) == learnt(photos())
    assert learnt(photos()) != learnt(photos(), seed=1)


def test_more_photos_than_are_used_still_forecast_from_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("candid.evaluation.subsampling.MOST_IMAGES", 120)
    curve = learnt(photos(counts=(200, 200)))
    assert curve.points[-1].num_photos == pytest.approx(96, abs=2)
    assert [row.num_more for row in curve.forecasts] == [200, 70, 70]
    assert curve.forecasts[0].gain.n == 400
    drawn = SubsampledHeads(photos(counts=(200, 200)), seed=0, strength=3).places
    of_drawn = learnt(photos(counts=(200, 200)).take(drawn))
    assert curve.points == of_drawn.points
    for few, many in zip(of_drawn.forecasts, curve.forecasts, strict=True):
        assert 0 < many.gain.value < 0.8 * few.gain.value


def test_it_is_plain_json() -> None:
    row = json.loads(json.dumps(asdict(learnt(photos()))))
    assert row["points"][0].keys() == {"num_photos", "accuracy"}
    assert row["forecasts"][0]["label"] is None


@pytest.mark.parametrize(
    ("number", "rounded"),
    [(1, 10), (14, 10), (67, 70), (99, 100), (149, 150), (561, 550), (1031, 1000), (4270, 4300)],
)
def test_numbers_are_rounded_as_people_say_them(number: float, rounded: int) -> None:
    assert round_number(number) == rounded


@pytest.mark.parametrize(
    ("forecast", "text"),
    [
        (
            Forecast("sad", 50, Estimate(0.02, -0.01, 0.05, 300)),
            "50 more photos of 'sad': about +2 points (-1 to +5)",
        ),
        (
            Forecast(None, 150, Estimate(0.011, -0.004, 0.04, 300)),
            "150 more photos: about +1 point (0 to +4)",
        ),
        (
            Forecast(None, 1000, Estimate(0.0064, -0.0021, 0.017, 300)),
            "1000 more photos: about +0.6 points (-0.2 to +1.7)",
        ),
        (
            Forecast("a", 10, Estimate(-0.0004, -0.003, 0.002, 300)),
            "10 more photos of 'a': about 0.0 points (-0.3 to +0.2)",
        ),
    ],
)
def test_a_forecast_reads_well(forecast: Forecast, text: str) -> None:
    assert forecast.to_text() == text


def test_shares_go_down_to_an_eighth() -> None:
    assert learning_curve.SHARES[0] == 1
    assert learning_curve.SHARES[-1] == 0.125
