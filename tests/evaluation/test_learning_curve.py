"""Learning curve: measured points, the power law, and the coverage of the forecasts."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from candid.evaluation import learning_curve
from candid.evaluation.estimate import Estimate
from candid.evaluation.learning_curve import (
    Forecast,
    Law,
    LearningCurve,
    fit_law,
    learn,
    luck_of,
    round_number,
)
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


def curve_of(
    data: Labelled, *, seed: int = 0, classes: tuple[str, ...] | None = None
) -> LearningCurve:
    curve = learn(data, seed=seed, strength=3, classes=classes)
    assert curve is not None
    return curve


class TestPoints:
    def test_go_from_few_photos_to_all_that_are_not_held_out(self) -> None:
        sizes = [point.num_photos for point in curve_of(photos()).points]
        assert sizes == sorted(sizes)
        assert sizes[0] == pytest.approx(120 * 0.8 / 8, abs=1)
        assert sizes[-1] == 120 * 0.8

    def test_rise_where_there_is_something_to_learn(self) -> None:
        points = curve_of(photos()).points
        assert points[-1].accuracy.value > points[0].accuracy.value + 0.05

    def test_are_not_flattered_by_copies(self) -> None:
        last = curve_of(photos(apart=0, copies=3, num_features=200)).points[-1].accuracy
        assert 0.35 < last.value < 0.65
        assert last.n == 360
        assert last.high - last.low > 0.15  # 120 pictures are worth no more


class TestTheLine:
    def test_begins_with_the_points_and_ends_beyond_them_in_its_band(self) -> None:
        curve = curve_of(photos())
        sizes = [row[0] for row in curve.curve]
        assert sizes == sorted(sizes)
        assert sizes[0] == pytest.approx(curve.points[0].num_photos)
        assert sizes[-1] == pytest.approx(120 + curve.forecasts[0].num_more)
        assert all(0 <= low <= value <= high <= 1 for _, value, low, high in curve.curve)

    def test_passes_the_points(self) -> None:
        curve = curve_of(photos(counts=(200, 200)))
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
            forecast = curve_of(data, seed=seed).forecasts[0]
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
        for forecast in curve_of(photos(apart=3)).forecasts:
            assert forecast.gain.value == pytest.approx(0, abs=0.002)
            assert forecast.gain.high < 0.01

    def test_promise_more_where_the_curve_is_steep(self) -> None:
        steep, flat = curve_of(photos()), curve_of(photos(counts=(600, 600)))
        assert steep.forecasts[0].gain.value > 2 * flat.forecasts[0].gain.value > 0

    def test_promise_more_of_the_class_that_lacks_photos(self) -> None:
        """Per photo: the second class is known from many already."""
        curve = curve_of(photos(counts=(40, 400)))
        first, second = curve.forecasts[1:]
        assert first.gain.value / first.num_more > 2 * second.gain.value / second.num_more

    def test_are_less_certain_where_copies_make_photos_fewer_than_they_seem(self) -> None:
        single, thrice = curve_of(photos(counts=(180, 180))), curve_of(photos(copies=3))
        widths = [c.forecasts[0].gain.high - c.forecasts[0].gain.low for c in (single, thrice)]
        assert widths[1] > 1.3 * widths[0]

    def test_are_of_all_classes_and_of_each_where_these_are_few(self) -> None:
        curve = curve_of(photos(counts=(30, 30, 30)), classes=("cat", "dog", "owl"))
        assert [row.label for row in curve.forecasts] == [None, "cat", "dog", "owl"]
        assert [row.num_more for row in curve.forecasts] == [40, 10, 10, 10]
        assert [row.label for row in curve_of(photos()).forecasts] == [None, "0", "1"]

    def test_are_of_the_three_least_recognised_of_many_classes(self) -> None:
        data = photos(counts=(30,) * 6, apart=2)
        hard = np.flatnonzero(np.isin(data.labels, [1, 3, 4]))
        shuffled = np.random.default_rng(1).permutation(hard)
        data.embeddings[hard] = data.embeddings[shuffled]  # they can't be distinguished
        labels = {row.label for row in curve_of(data).forecasts}
        assert labels == {None, "1", "3", "4"}


@pytest.mark.parametrize(("fewest", "expected"), [(19, False), (20, True)])
def test_there_is_none_of_fewer_than_twenty_pictures_of_a_class(
    fewest: int, expected: bool
) -> None:
    curve = learn(photos(counts=(50, fewest), copies=2), seed=0, strength=3)
    assert (curve is not None) == expected


def test_the_same_photos_and_seed_give_the_same_curve_and_another_seed_another() -> None:
    assert curve_of(photos()) == curve_of(photos())
    assert curve_of(photos()) != curve_of(photos(), seed=1)


def test_more_photos_than_are_used_still_forecast_from_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("candid.evaluation.subsampling.MOST_IMAGES", 120)
    curve = curve_of(photos(counts=(200, 200)))
    assert curve.points[-1].num_photos == pytest.approx(96, abs=2)
    assert [row.num_more for row in curve.forecasts] == [200, 70, 70]
    assert curve.forecasts[0].gain.n == 400
    drawn = SubsampledHeads(photos(counts=(200, 200)), seed=0, strength=3).places
    of_drawn = curve_of(photos(counts=(200, 200)).take(drawn))
    assert curve.points == of_drawn.points
    for few, many in zip(of_drawn.forecasts, curve.forecasts, strict=True):
        assert 0 < many.gain.value < 0.8 * few.gain.value


def test_it_is_plain_json() -> None:
    row = json.loads(json.dumps(asdict(curve_of(photos()))))
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


SIZES = np.array([800.0, 400, 200, 100])


def true_errors(
    sizes: np.ndarray | float, *, floor: float, excess: float, exponent: float
) -> np.ndarray:
    return floor + excess * (np.asarray(sizes) / 800) ** -exponent


def fitted(errors: np.ndarray, *, spread: float = 0.001, num_heads: float = 1e6) -> Law:
    heads = np.full(len(errors), num_heads)
    return fit_law(SIZES, errors, np.eye(len(errors)) * spread**2, heads, luck=luck_of(2))


class TestLaw:
    @pytest.mark.parametrize("floor", [0.0, 0.03])
    @pytest.mark.parametrize("exponent", [0.35, 0.5, 1.0])
    def test_true_errors_are_found_again_beyond_the_last_point(
        self, floor: float, exponent: float
    ) -> None:
        law = {"floor": floor, "excess": 0.08, "exponent": exponent}
        found = fitted(true_errors(SIZES, **law))
        for size in (200, 800, 1600):
            assert found.error_at(size).mean() == pytest.approx(true_errors(size, **law), abs=0.008)
        gain = true_errors(800, **law) - true_errors(1200, **law)
        assert found.gain(800, 400).mean() == pytest.approx(gain, rel=0.3)

    @pytest.mark.parametrize(
        "errors",
        [[0.1, 0.1, 0.1, 0.1], [0.2, 0.15, 0.1, 0.05], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0.5]],
    )
    def test_errors_that_no_law_describes_give_a_law_that_never_rises(
        self, errors: list[float]
    ) -> None:
        found = fitted(np.array(errors, np.float64))
        for draws in (found.floor, found.excess, found.gain(800, 400), found.scatter(800, 400)):
            assert np.isfinite(draws).all()
            assert (draws >= 0).all()

    def test_a_flat_curve_promises_nothing(self) -> None:
        assert fitted(np.full(4, 0.1)).gain(800, 400).mean() < 0.003

    def test_the_band_is_wider_far_out_and_where_less_is_known(self) -> None:
        errors = true_errors(SIZES, floor=0.03, excess=0.08, exponent=0.5)
        known, guessed = fitted(errors), fitted(errors, spread=0.02)
        few_heads = fitted(errors, num_heads=1)
        assert known.error_at(6400).std() > 2 * known.error_at(800).std()
        assert guessed.gain(800, 400).std() > 1.3 * known.gain(800, 400).std()
        assert few_heads.gain(800, 400).std() > 1.1 * known.gain(800, 400).std()

    def test_the_truth_is_in_the_interval_as_often_as_it_says(self) -> None:
        random = np.random.default_rng(0)
        held = []
        for _ in range(60):
            law = {
                "floor": random.uniform(0, 0.04),
                "excess": random.uniform(0.03, 0.12),
                "exponent": random.uniform(0.3, 1),
            }
            errors = true_errors(SIZES, **law) * (1 + random.normal(0, 0.03, 4))
            found = fitted(errors + random.normal(0, 0.01, 4), spread=0.01)
            low, high = np.quantile(1 - found.error_at(1200), [0.025, 0.975])
            held.append(low <= 1 - true_errors(1200, **law) <= high)
        assert np.mean(held) >= 0.9

    def test_the_same_errors_give_the_same_law(self) -> None:
        errors = true_errors(SIZES, floor=0.03, excess=0.08, exponent=0.5)
        np.testing.assert_array_equal(fitted(errors).excess, fitted(errors).excess)

    def test_a_head_gains_more_or_less_than_heads_do_by_the_share_of_images_that_are_new(
        self,
    ) -> None:
        law = Law(100, np.zeros(1), np.full(1, 0.1), np.full(1, 0.5), luck_of(2))
        assert law.scatter(100, 0) == 0
        assert law.scatter(100, 100) == pytest.approx(luck_of(2) * 0.1 * np.sqrt(0.5))

    @pytest.mark.parametrize("exponent", [0.1, 0.5, 1.5])
    def test_what_doubling_gained_says_what_more_images_gain(self, exponent: float) -> None:
        law = Law(800, np.full(1, 0.02), np.full(1, 0.1), np.full(1, exponent), luck_of(2))
        share = law.share_of_doubling(100, 250, 80)
        assert share * law.gain(100, 100) == pytest.approx(law.gain(250, 80))

    def test_luck_averages_out_over_classes(self) -> None:
        assert luck_of(10) == pytest.approx(luck_of(2) / 3)
