"""The head is scikit-learn's logistic regression, and no image leaks into its own prediction."""

from __future__ import annotations

import sys
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
import threadpoolctl
from sklearn.linear_model import LogisticRegression

from candid.core.threads import go_on, joint_pool
from candid.errors import DependencyError
from candid.models.recipes import linear_head, logistic
from candid.models.recipes.cross_validation import cross_validate
from candid.models.recipes.linear_head import (
    STRENGTHS,
    HeadFit,
    balanced_weights,
    fit_head,
    fit_heads,
    is_unbalanced,
)
from candid.splits import grouped_split
from candid.splits.grouped_split import Labelled, grouped_folds


def photos(
    *, num_classes: int, per_class: int, num_features: int = 24, apart: float = 0.9, copies: int = 1
) -> Labelled:
    """Embeddings around a centre per class, with features of very different scales."""
    random = np.random.default_rng(num_classes)
    labels = np.repeat(np.arange(num_classes), per_class)
    centres = random.normal(size=(num_classes, num_features)) * apart
    rows = centres[labels] + random.normal(size=(len(labels), num_features))
    rows = rows * random.uniform(0.1, 3, num_features) + random.uniform(-2, 2, num_features)
    labels, rows = np.repeat(labels, copies), np.repeat(rows, copies, axis=0)
    units = np.repeat(np.arange(num_classes * per_class), copies)
    keys = [f"photo{unit}" for unit in range(num_classes * per_class)]
    return Labelled(rows.astype(np.float32), labels, units, keys, num_classes)


def noise(*, num_groups: int, copies: int, num_features: int = 60) -> Labelled:
    """Embeddings unrelated to the labels; the copies in a group share both."""
    random = np.random.default_rng(1)
    rows = np.repeat(random.normal(size=(num_groups, num_features)), copies, axis=0)
    labels = np.repeat(np.arange(num_groups) % 2, copies)
    units = np.repeat(np.arange(num_groups), copies)
    return Labelled(rows.astype(np.float32), labels, units, [f"u{u}" for u in range(num_groups)], 2)


def standardised(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardised rows, and their divisors."""
    rows = rows.astype(np.float64)
    std = rows.std(axis=0)
    scale = std + 0.02 * std.mean()
    centred = (rows - rows.mean(axis=0)) / scale
    length = np.sqrt((centred**2).sum(axis=1).mean())
    return centred / length, scale * length


def reference(data: Labelled, ours: HeadFit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, coefficients and scale by scikit-learn."""
    rows, scale = standardised(data.embeddings)
    fitted = LogisticRegression(C=ours.head.strength, tol=1e-10, max_iter=10_000)
    fitted.fit(rows, data.labels, sample_weight=ours.weights)
    return fitted.predict_proba(rows), fitted.coef_, scale


def fit_once(
    space: logistic.Space, data: Labelled, weights: np.ndarray, strength: float
) -> np.ndarray:
    """The head of all images, from zero."""
    problem = logistic.Problem(space, data.labels, weights, data.num_classes)
    logistic.fit([problem], strength, tolerance=1e-4)
    return problem.fitted


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize(("per_class", "num_features"), [(30, 24), (8, 80)])
class TestTheSolutionIsScikitLearns:
    def test_in_its_probabilities(
        self, num_classes: int, per_class: int, num_features: int
    ) -> None:
        data = photos(num_classes=num_classes, per_class=per_class, num_features=num_features)
        fitted = fit_head(data)
        head, (expected, _, _) = fitted.head, reference(data, fitted)
        np.testing.assert_allclose(head.probabilities(data.embeddings), expected, atol=2e-3)

    def test_in_its_coefficients(
        self, num_classes: int, per_class: int, num_features: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The default tolerance only makes the probabilities accurate.
        monkeypatch.setattr(linear_head, "_FINAL_TOLERANCE", 1e-6)
        data = photos(num_classes=num_classes, per_class=per_class, num_features=num_features)
        fitted = fit_head(data)
        head, (_, expected, scale) = fitted.head, reference(data, fitted)
        ours = head.kernel * scale
        ours = ours[1:] - ours[:1] if num_classes == 2 else ours - ours.mean(axis=0)
        np.testing.assert_allclose(ours, expected, atol=1e-2 * np.abs(expected).max())


def test_a_label_that_is_improbable_to_the_others_counts_less() -> None:
    data = photos(num_classes=3, per_class=60, num_features=24)
    clean = fit_head(data)
    wrong = np.arange(0, len(data.labels), 10)
    labels = data.labels.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    noisy = fit_head(replace(data, labels=labels))
    assert noisy.weights.max() == clean.weights.max() == 1
    assert np.median(noisy.weights[wrong]) < 0.5
    assert np.median(np.delete(noisy.weights, wrong)) == 1
    assert clean.weights.mean() > 0.95
    assert not noisy.is_balanced


def test_the_labels_of_a_rare_class_count_as_much_as_others() -> None:
    """All of them are improbable, and would count less."""
    data = photos(num_classes=2, per_class=60, num_features=60)
    data = data.take(np.flatnonzero((data.labels == 0) | (data.groups % 6 == 0)))
    weights = fit_head(data).weights
    assert all(len(np.unique(weights[data.labels == number])) == 1 for number in (0, 1))


def test_each_strength_is_measured_on_held_out_images() -> None:
    data = noise(num_groups=80, copies=2)
    trials = fit_head(data).trials
    assert [trial.strength for trial in trials] == list(STRENGTHS[: len(trials)])
    # fitted on the same images, heads would be right on all: 60 features for 64 groups
    assert all(trial.accuracy < 0.7 for trial in trials)
    assert min(trial.log_loss for trial in trials) > 0.6


class TestManyClasses:
    """More than fifty are fitted by one Newton step."""

    @pytest.fixture
    def data(self) -> Labelled:
        return photos(num_classes=60, per_class=5, num_features=80, apart=0.6)

    def test_the_head_is_as_good_as_one_that_is_fitted_to_the_end(
        self, data: Labelled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def figures() -> tuple[float, float]:
            predicted = cross_validate(data)
            assert predicted is not None
            of_truth = predicted[np.arange(len(data.labels)), data.labels]
            right = predicted.argmax(axis=1) == data.labels
            return float(right.mean()), float(-np.log(of_truth).mean())

        accuracy, log_loss = figures()
        monkeypatch.setattr(linear_head, "MANY_CLASSES", 1000)
        monkeypatch.setattr(logistic, "MANY_CLASSES", 1000)
        by_steps, loss_by_steps = figures()
        assert accuracy > max(0.2, by_steps - 0.02)
        assert log_loss < 1.05 * loss_by_steps

    @pytest.mark.parametrize("num_features", [80, 400])  # fewer than images, and more
    def test_the_head_is_fitted_on_the_first_axes(
        self, num_features: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = photos(num_classes=60, per_class=5, num_features=num_features)
        monkeypatch.setattr(linear_head, "MOST_AXES", 30)
        space = logistic.Space(data.embeddings)
        first = logistic.Space(data.embeddings, most_axes=30)
        np.testing.assert_allclose(first.squares, space.squares[-30:], rtol=1e-4)
        assert np.linalg.matrix_rank(fit_head(data).head.kernel) == 30

    def test_nothing_is_fitted_step_by_step(
        self, data: Labelled, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logistic, "minimise", None)
        fit_head(data)

    def test_small_systems_are_solved_in_one_thread_each(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two spend most of their time on waiting for each other."""
        asked: list[int | None] = []
        monkeypatch.setattr(threadpoolctl, "threadpool_limits", asked.append)
        logistic.matrix_threads(3_000_000, 100)
        logistic.matrix_threads(3_000_000, 2)
        assert asked == [1, None]

    def test_an_image_of_weight_0_changes_nothing(self, data: Labelled) -> None:
        weights = np.ones(len(data.labels), np.float32)
        weights[::5] = 0
        space = logistic.Space(data.embeddings)
        fitted = fit_once(space, data, weights, 10.0)
        space.rows = np.where(weights[:, None] > 0, space.rows, 7).astype(np.float32)
        again = fit_once(space, data, weights, 10.0)
        np.testing.assert_allclose(again, fitted, rtol=1e-3, atol=1e-4)

    def test_a_class_without_an_image_is_improbable(self, data: Labelled) -> None:
        weights = (data.labels > 0).astype(np.float32)
        fitted = fit_once(logistic.Space(data.embeddings), data, weights, 10.0)
        assert not fitted[0, :-1].any()
        assert fitted[0, -1] == fitted[:, -1].min() < np.log(0.01)

    def test_each_strength_has_the_head_that_it_has_alone(self, data: Labelled) -> None:
        space, ones = logistic.Space(data.embeddings), np.ones(len(data.labels), np.float32)
        problem = logistic.Problem(space, data.labels, ones, 60)
        for strength in (1.0, 100.0):
            logistic.fit([problem], strength, tolerance=1e-3)
            np.testing.assert_array_equal(problem.fitted, fit_once(space, data, ones, strength))


def test_a_class_of_one_picture_leaves_many_classes_calibrated() -> None:
    """It allows no folds that hold every class, so the others tell how certain to be."""
    data = photos(num_classes=60, per_class=12, num_features=80, apart=0.6)
    place = np.arange(len(data.labels)) % 12
    lone = (data.labels == 0) & (place > 0)
    head = fit_head(data.take(np.flatnonzero((place < 6) & ~lone))).head
    unseen = data.take(np.flatnonzero((place >= 6) & (data.labels > 0)))
    answers = head.probabilities(unseen.embeddings)
    accuracy = (answers.argmax(axis=1) == unseen.labels).mean()
    assert accuracy > 0.3
    assert answers.max(axis=1).mean() == pytest.approx(accuracy, abs=0.1)


def test_noise_is_regularised_more_strongly_than_signal() -> None:
    of_noise = fit_head(noise(num_groups=80, copies=1)).head
    of_signal = fit_head(photos(num_classes=2, per_class=60, apart=0.6)).head
    assert of_noise.strength < 2
    assert of_signal.strength > 5 * of_noise.strength


def test_the_strength_is_near_the_one_with_the_least_held_out_loss() -> None:
    fitted = fit_head(photos(num_classes=4, per_class=30))
    head, trials = fitted.head, fitted.trials
    best = min(trials, key=lambda trial: trial.log_loss)
    assert best.strength / 3.2 < head.strength < best.strength * 3.2


class TestHeldOutAnswersThatAreAllRight:
    """Each weaker strength has a lower log loss, which is no evidence that it is better."""

    def easy(self, per_class: int = 30) -> Labelled:
        return photos(num_classes=2, per_class=per_class, num_features=100, apart=1.5)

    def test_the_strength_is_not_at_the_end_of_those_tried(self) -> None:
        fitted = fit_head(self.easy())
        assert fitted.trials[-1].accuracy == 1
        assert fitted.trials[-1].log_loss < 0.01
        assert fitted.head.strength < max(STRENGTHS) / 3

    def test_probabilities_are_not_more_certain_than_the_number_of_images_allows(self) -> None:
        fitted = fit_head(self.easy(), with_held_out=True)
        assert fitted.held_out is not None
        confidence = fitted.held_out.probabilities.max(axis=1)
        assert 0.9 < confidence.mean() < 0.995  # 60 of 60 are evidence of 61 in 62, 0.984

    def test_more_images_allow_more_certainty(self) -> None:
        few, many = (fit_head(self.easy(num), with_held_out=True).held_out for num in (15, 200))
        assert few is not None
        assert many is not None
        assert few.probabilities.max(axis=1).mean() < many.probabilities.max(axis=1).mean() - 0.01


@pytest.mark.parametrize("num_classes", [2, 4])
def test_weak_strengths_are_fitted_to_the_end_where_classes_are_separable(num_classes: int) -> None:
    data = photos(num_classes=num_classes, per_class=40, num_features=200)
    space, ones = logistic.Space(data.embeddings), np.ones(len(data.labels), np.float32)
    fitted = fit_once(space, data, ones, 1000.0)
    exact = LogisticRegression(C=1000.0, tol=1e-10, max_iter=10_000)
    exact.fit(space.rows.astype(np.float64), data.labels)

    def loss(scores: np.ndarray, half_square: float) -> float:
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return float(-1000 * logs[np.arange(len(data.labels)), data.labels].sum() + half_square)

    ours = loss(
        logistic.scores_of(space.rows, fitted).astype(np.float64),
        # two opposite rows stand for one
        np.square(fitted[:, :-1]).sum() * (1 if num_classes == 2 else 0.5),
    )
    scores = exact.decision_function(space.rows)
    if num_classes == 2:
        scores = np.stack([-scores / 2, scores / 2], axis=1)
    best = loss(scores, np.square(exact.coef_).sum() / 2)
    assert ours < best * 1.002


def test_probabilities_sum_to_one_for_extreme_embeddings() -> None:
    data = photos(num_classes=4, per_class=10)
    head = fit_head(data).head
    answers = head.probabilities(data.embeddings * np.float32(1e4))
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_rows_of_two_classes_are_opposite() -> None:
    head = fit_head(photos(num_classes=2, per_class=20)).head
    np.testing.assert_allclose(head.kernel[0], -head.kernel[1], atol=1e-6)


def test_constant_features_have_no_effect() -> None:
    data = photos(num_classes=2, per_class=20)
    constant = np.full((len(data.labels), 1), 7.0, np.float32)
    head = fit_head(replace(data, embeddings=np.hstack([data.embeddings, constant]))).head
    assert np.isfinite(head.kernel).all()
    plain = fit_head(data).head
    np.testing.assert_allclose(head.kernel[:, :-1], plain.kernel, rtol=0.1, atol=0.05)


def test_equal_embeddings_give_the_share_of_each_class() -> None:
    labels = np.array([0] * 30 + [1] * 10)
    data = Labelled(np.ones((40, 5), np.float32), labels, np.arange(40), list(map(str, labels)), 2)
    head = fit_head(replace(data, group_keys=[f"k{i}" for i in range(40)])).head
    np.testing.assert_allclose(head.probabilities(data.embeddings)[:, 1], 0.25, atol=0.01)


class TestUnbalancedClasses:
    """300 photos to 12, as embeddings of hundreds of features have them."""

    @staticmethod
    def drawn(
        sizes: tuple[int, int], seed: int, *, apart: float = 8, num_features: int = 200
    ) -> Labelled:
        random = np.random.default_rng(seed)
        labels = np.repeat([0, 1], sizes)
        rows = random.normal(size=(len(labels), num_features))
        rows[:, 0] += apart * labels
        keys = [f"{seed}-{i}" for i in range(len(labels))]
        return Labelled(rows.astype(np.float32), labels, np.arange(len(labels)), keys, 2)

    def fits(self, monkeypatch: pytest.MonkeyPatch, data: Labelled) -> tuple[HeadFit, HeadFit]:
        """Without and with weights."""
        with monkeypatch.context() as patch:
            patch.setattr(linear_head, "UNBALANCED", 1e9)
            plain = fit_head(data)
        return plain, fit_head(data)

    def test_weights_that_win_find_more_of_the_rare_class_and_keep_to_its_frequency(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recalls, sums, losses = [], [], []
        for seed in range(5):
            test = self.drawn((1500, 60), 100 + seed)
            rows = []
            for fitted in self.fits(monkeypatch, self.drawn((300, 12), seed)):
                rare = fitted.head.probabilities(test.embeddings).astype(np.float64)[:, 1]
                of_truth = np.where(test.labels, rare, 1 - rare)
                rows.append((rare[1500:] > 0.5).mean())
                sums.append(rare.sum() / 60)
                losses.append(-np.log(of_truth).mean())
            recalls.append(rows)
        plain, weighted = np.mean(recalls, axis=0)
        assert weighted > plain + 0.3
        # The mean probability of the rare class is its frequency.
        too_few, right = np.reshape(sums, (-1, 2)).mean(axis=0)
        assert abs(np.log(right)) < abs(np.log(too_few))
        before, after = np.reshape(losses, (-1, 2)).mean(axis=0)
        assert after < before

    def test_weights_are_used_only_where_they_lower_the_held_out_log_loss(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        chosen = set()
        for seed in range(6):
            data = self.drawn((120, 12), seed, apart=4 if seed < 3 else 0, num_features=40)
            plain, fitted = self.fits(monkeypatch, data)
            least = min(trial.log_loss for trial in fitted.trials)
            before = min(trial.log_loss for trial in plain.trials)
            if fitted.is_balanced:
                assert least < before
            else:
                losses = [[trial.log_loss for trial in one.trials] for one in (fitted, plain)]
                assert losses[0] == pytest.approx(losses[1], rel=1e-5)
            chosen.add(fitted.is_balanced)
        assert chosen == {False, True}

    def test_sets_within_a_factor_of_three_are_fitted_to_the_same_bits(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain, fitted = self.fits(monkeypatch, self.drawn((90, 30), 0))
        assert not fitted.is_balanced
        assert (fitted.head.kernel == plain.head.kernel).all()
        assert (fitted.head.bias == plain.head.bias).all()
        assert is_unbalanced(np.repeat([0, 1], [91, 30]), 2)

    def test_balanced_weights_sum_to_the_same_for_each_class(self) -> None:
        labels = np.repeat([0, 1, 2], [30, 6, 4])
        sums = np.bincount(labels, balanced_weights(labels, 3))
        assert sums.tolist() == pytest.approx([40 / 3] * 3)


def test_copies_never_help_their_own_prediction() -> None:
    data = noise(num_groups=100, copies=2)
    grouped = cross_validate(data)
    ungrouped = cross_validate(
        replace(data, groups=np.arange(200), group_keys=[f"photo{i}" for i in range(200)])
    )
    assert grouped is not None
    assert ungrouped is not None
    assert (grouped.argmax(axis=1) == data.labels).mean() < 0.65
    # and with copies in several folds, the same noise looks predictive
    assert (ungrouped.argmax(axis=1) == data.labels).mean() > 0.7


def test_a_held_out_image_does_not_influence_its_own_prediction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = photos(num_classes=2, per_class=30, copies=2)
    count = len(data.labels)
    folds = grouped_folds(data.labels, data.groups, data.group_keys, num_folds=5, seed=0)

    def same_folds(labels: np.ndarray, *others: object, **options: object) -> np.ndarray:
        if len(labels) == count:  # stratified, so another label would give other folds
            return folds
        return grouped_folds(labels, *others, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(grouped_split, "grouped_folds", same_folds)
    before = cross_validate(data)
    assert before is not None
    for unit in (0, 31, 59):
        labels = np.where(data.groups == unit, 1 - data.labels, data.labels)
        after = cross_validate(replace(data, labels=labels))
        assert after is not None
        fold = folds[data.groups == unit][0]
        np.testing.assert_array_equal(after[folds == fold], before[folds == fold])
        assert not np.array_equal(after[folds != fold], before[folds != fold])


def test_a_held_out_embedding_changes_only_its_own_prediction() -> None:
    data = photos(num_classes=2, per_class=30)
    before = cross_validate(data)
    rows = data.embeddings.copy()
    rows[7] += 5
    after = cross_validate(replace(data, embeddings=rows))
    assert before is not None
    assert after is not None
    folds = grouped_folds(data.labels, data.groups, data.group_keys, num_folds=5, seed=0)
    others = (folds == folds[7]) & (np.arange(len(folds)) != 7)
    np.testing.assert_array_equal(after[others], before[others])
    assert not np.array_equal(after[7], before[7])


def test_the_same_seed_gives_the_same_head_and_another_seed_other_folds() -> None:
    data = photos(num_classes=2, per_class=40, apart=0.2)
    first, again, other = (cross_validate(data, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_order_of_the_images_changes_nothing() -> None:
    data = photos(num_classes=2, per_class=30)
    order = np.random.default_rng(0).permutation(len(data.labels))
    straight, shuffled = cross_validate(data), cross_validate(data.take(order))
    assert straight is not None
    np.testing.assert_allclose(shuffled, straight[order], atol=1e-3)


@pytest.mark.parametrize("num_classes", [2, 4, 60])
def test_sets_fitted_in_step_have_the_heads_that_each_has_alone(num_classes: int) -> None:
    """To the bit, whatever their sizes, so that no result depends on what shares its arrays."""
    data = photos(num_classes=num_classes, per_class=12, num_features=90)
    sets = [data.take(np.flatnonzero(np.arange(len(data.labels)) % 7 >= n)) for n in range(4)]
    together = fit_heads(sets, seed=3, with_held_out=True)
    for fitted, one in zip(together, sets, strict=True):
        alone = fit_head(one, seed=3, with_held_out=True)
        np.testing.assert_array_equal(fitted.head.kernel, alone.head.kernel)
        assert fitted.trials == alone.trials
        assert fitted.held_out is not None
        assert alone.held_out is not None
        np.testing.assert_array_equal(fitted.held_out.probabilities, alone.held_out.probabilities)


@pytest.mark.parametrize("num_classes", [2, 60])
def test_a_fit_in_progress_ends_with_the_pool_of_its_thread(num_classes: int) -> None:
    begun, fitted = Event(), []

    def fit_after_the_end() -> None:
        begun.set()
        with suppress(CancelledError):
            while True:
                go_on()
                time.sleep(0.001)
        fitted.append(fit_head(photos(num_classes=num_classes, per_class=4)))

    def press_ctrl_c() -> None:
        with joint_pool(1) as pool:
            pool.submit(fit_after_the_end)
            begun.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        press_ctrl_c()
    assert not fitted


class TestTooFewImages:
    def test_a_class_of_one_group_has_no_cross_validation(self) -> None:
        data = photos(num_classes=2, per_class=6)
        one = data.take(np.array([0, 6, 7, 8, 9, 10]))
        assert cross_validate(one) is None

    def test_copies_of_one_picture_are_one_group(self) -> None:
        data = photos(num_classes=2, per_class=6, copies=3)
        assert data.take(np.flatnonzero((data.groups == 0) | (data.groups > 5))).num_folds() == 1

    def test_there_are_no_more_folds_than_groups_of_the_smallest_class(self) -> None:
        data = photos(num_classes=2, per_class=20)
        assert data.num_folds() == 5
        assert data.take(np.array([0, 1, 2, *range(20, 40)])).num_folds() == 3

    def test_a_head_is_fitted_all_the_same(self) -> None:
        data = photos(num_classes=2, per_class=6).take(np.array([0, 6]))
        fitted = fit_head(data)
        head, trials = fitted.head, fitted.trials
        assert trials == ()
        assert head.probabilities(data.embeddings).argmax(axis=1).tolist() == [0, 1]

    def test_a_class_that_is_absent_allows_no_fold(self) -> None:
        data = photos(num_classes=4, per_class=6)
        assert data.take(np.flatnonzero(data.labels < 3)).num_folds() == 0


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    with pytest.raises(DependencyError, match=r"threadpoolctl.*pip install"):
        fit_head(photos(num_classes=2, per_class=5))
