"""Compute every figure of a run from its predictions, for `train`, `evaluate` and `verify`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from candid.core.linalg import LARGE_MATRIX
from candid.core.progress import Progress
from candid.core.threads import joint_pool
from candid.data.parts import PARTS
from candid.evaluation.baselines import Baseline, Round, compare_baselines, predict_baselines
from candid.evaluation.evaluation import Evaluation, Refits
from candid.evaluation.leak_tax import LeakTax, measure_leak_tax, naive_hits
from candid.evaluation.learning_curve import LearningCurve, learn
from candid.evaluation.measures import measure_predictions
from candid.evaluation.rare_class import rare_class, with_offer
from candid.evaluation.reliability import measure_abstention, measure_calibration
from candid.evaluation.scores import Predictions
from candid.features.extract import Features
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.models.recipes.abstaining_head import Answers, CrossValidated, predict_by_folds
from candid.models.recipes.cross_validation import cross_validate_all
from candid.models.recipes.linear_head import turn_many
from candid.models.recipes.logistic import matrix_threads
from candid.splits.grouped_split import Labelled
from candid.splits.prepare import labelled
from candid.splits.split import Split


@dataclass(frozen=True)
class EvalContext:
    """What a run is evaluated on: photos and their split; ``seed`` is that of the folds."""

    features: Features
    split: Split
    rule: DecisionRule
    seed: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.features.catalog.classes

    @cached_property
    def data(self) -> Labelled:
        """All photos, including those in no part."""
        return turn_many(
            labelled(self.features, self.split.rows), self.split.places("train", "val")
        )

    def fold_rounds(self) -> list[Round]:
        """Training and test photos of each fold of the cross-validation, as indices of `data`."""
        placed = self.split.places(*PARTS)
        data = self.data.take(placed)
        num_folds = data.num_folds()
        folds = data.folds(num_folds, seed=self.seed)
        return [(placed[folds != fold], placed[folds == fold]) for fold in range(num_folds)]

    def test_round(self) -> Round:
        """The photos that the model was fitted on, and the test part."""
        return self.split.places("train", "val"), self.split.places("test")

    def predictions(self, places: NDArray[np.int64], answers: Answers) -> Predictions:
        """Predictions of the photos at some indices."""
        return Predictions(
            tuple(self.split.rows[place].path for place in places),
            self.data.labels[places],
            self.data.groups[places],
            self.rule.decide(answers.probabilities, self.classes),
            **vars(answers),
        )


@dataclass(frozen=True)
class FittedState:
    """What a recipe fitted beside its weights, as the manifest stores it.

    Attributes:
        temperature: Divisor of the scores.
        abstention: When the model abstains; None if it can't.
        strength: Inverse regularisation strength of the linear head; None without one, in which
            case there is no cross-validation either.
    """

    temperature: float
    abstention: Abstention | None
    strength: float | None


@dataclass(frozen=True)
class EvalResult:
    """An evaluation and the predictions that it is computed from.

    Attributes:
        kfold: Predictions of all photos in a part by grouped cross-validation, if there is one.
        folded: The heads of that cross-validation.
    """

    evaluation: Evaluation
    test: Predictions
    kfold: Predictions | None
    folded: CrossValidated | None = None

    @property
    def believed(self) -> Predictions:
        """Predictions of the estimate to believe."""
        return self.test if self.kfold is None else self.kfold


def assess(
    context: EvalContext,
    test: Answers,
    fitted: FittedState,
    *,
    progress: Progress,
    leak_tax: LeakTax | None = None,
) -> EvalResult:
    """Compute every figure from the model's answers on the test part.

    ``leak_tax`` is measured by a recipe without a linear head; others are measured here.
    """
    tested = context.predictions(context.split.places("test"), test)
    if not len(tested.truth):  # trained on all photos: nothing is measured
        unmeasured = Evaluation(measure_predictions(context.classes, tested), rule=context.rule)
        return EvalResult(unmeasured, tested, None)
    if fitted.strength is not None:
        return _with_folds(context, tested, fitted, progress)
    evaluation = _of_test_part(context, tested, fitted)
    return EvalResult(replace(evaluation, leak_tax=leak_tax), tested, None)


def assess_held_out(
    context: EvalContext,
    test: Answers,
    held_out: tuple[NDArray[np.int64], Answers],
    fitted: FittedState,
    of_transfer: Evaluation,
    refits: Refits,
) -> EvalResult:
    """Compute the figures of a model that is cross-validated by training it again.

    Args:
        context: The photos.
        test: Its answers on the test part.
        held_out: Places of photos, the test part among them, and answers of models that were not
            trained on them.
        fitted: What was fitted beside its weights.
        of_transfer: The recipe ``transfer`` on the same photos, whose leak tax and learning curve
            are taken over: each is a dozen trainings and more.
        refits: The folds that were held out.
    """
    tested = context.predictions(context.split.places("test"), test)
    evaluation = replace(
        _of_test_part(context, tested, fitted),
        leak_tax=of_transfer.leak_tax,
        learning_curve=of_transfer.learning_curve,
        refits=refits,
    )
    if of_transfer.kfold is None:  # a test part that the folder came with is to be believed
        return EvalResult(evaluation, tested, None)
    places, answers = held_out
    folded = context.predictions(places, answers)
    evaluation = replace(
        evaluation,
        kfold=measure_predictions(context.classes, folded),
        baselines=_baselines(context, context.fold_rounds(), places, predictions=folded),
        baselines_on_test=evaluation.baselines,
    )
    return EvalResult(add_reliability(evaluation, context.classes, folded, fitted), tested, folded)


def add_reliability(
    evaluation: Evaluation, classes: tuple[str, ...], predictions: Predictions, fitted: FittedState
) -> Evaluation:
    """Add calibration, abstention and the rare class, of the estimate to believe."""
    believed, temperature = evaluation.believed, fitted.temperature
    return replace(
        evaluation,
        calibration=measure_calibration(predictions, believed, temperature),
        abstained=measure_abstention(classes, predictions, fitted.abstention),
        rare=rare_class(believed),
    )


def _of_test_part(context: EvalContext, tested: Predictions, fitted: FittedState) -> Evaluation:
    evaluation = Evaluation(
        measure_predictions(context.classes, tested),
        baselines=_baselines(
            context, [context.test_round()], context.split.places("test"), predictions=tested
        ),
        rule=context.rule,
        own=context.split.own,
    )
    return add_reliability(evaluation, context.classes, tested, fitted)


def _with_folds(
    context: EvalContext, tested: Predictions, fitted: FittedState, progress: Progress
) -> EvalResult:
    placed = context.split.places(*PARTS)
    data = context.data.take(placed)
    with (
        progress.step("Grouped cross-validation", 5) as advance,
        # A second thread costs more than it gains on the small products of resamples.
        matrix_threads(0),
        joint_pool(3 if data.embeddings.size <= LARGE_MATRIX else 1) as pool,
    ):
        by_heads = pool.submit(predict_by_folds, data, seed=context.seed)
        predict = partial(cross_validate_all, seed=context.seed)
        naive = pool.submit(naive_hits, data, seed=context.seed, predict=predict)
        learnt = pool.submit(_learn, context, data, fitted.strength or 1.0)
        folds = by_heads.result()
        advance(1)
        if folds is None:
            return EvalResult(_of_test_part(context, tested, fitted), tested, None)
        folded = context.predictions(placed, folds.answers)
        baselines = _baselines(context, context.fold_rounds(), placed, predictions=folded)
        on_test = _baselines(
            context, [context.test_round()], context.split.places("test"), predictions=tested
        )
        advance(1)
        # Both splits are measured on the likeliest class, whatever the decision rule is.
        hits = folded.raw.argmax(axis=1) == folded.truth
        tax = measure_leak_tax(data, hits, naive.result())
        advance(1)
        curve = learnt.result()
        advance(1)
        own = context.split.own
        if own is not None and own.has_test:
            evaluation = _of_test_part(context, tested, fitted)
            evaluation = replace(evaluation, leak_tax=tax, learning_curve=curve)
            advance(1)
            return EvalResult(evaluation, tested, None)
        evaluation = Evaluation(
            measure_predictions(context.classes, tested),
            measure_predictions(context.classes, folded),
            baselines=baselines,
            baselines_on_test=on_test,
            leak_tax=tax,
            learning_curve=curve,
            rule=context.rule,
            own=own,
        )
        evaluation = add_reliability(evaluation, context.classes, folded, fitted)
        # No option was chosen yet.
        if evaluation.rare is not None and context.rule == DecisionRule():
            rare = with_offer(evaluation.rare, context.classes, folded, folds.folds)
            evaluation = replace(evaluation, rare=rare)
        advance(1)
    return EvalResult(evaluation, tested, folded, folds)


def _learn(context: EvalContext, data: Labelled, strength: float) -> LearningCurve | None:
    if context.rule != DecisionRule():  # the curve is about the likeliest class
        return None
    return learn(data, seed=context.seed, strength=strength, classes=context.classes)


def _baselines(
    context: EvalContext,
    rounds: list[Round],
    places: NDArray[np.int64],
    *,
    predictions: Predictions,
) -> tuple[Baseline, ...]:
    """Compare the model with simple rules on some photos."""
    rules = predict_baselines(context.data, context.features.colours, rounds)
    return compare_baselines(
        {name: predicted[places] for name, predicted in rules.items()},
        predictions.predicted == predictions.truth,
        predictions.truth,
        predictions.groups,
    )
