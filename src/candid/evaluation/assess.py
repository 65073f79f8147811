"""From predictions to an evaluation: every figure of a run, by one way for all who ask."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from candid.core.progress import Progress
from candid.evaluation.baselines import Baseline, Round, hold_against, predict_baselines
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.leak_tax import LeakTax, measure_leak_tax
from candid.evaluation.learning_curve import learn
from candid.evaluation.measures import Measures, measure
from candid.evaluation.reliability import measure_abstention, measure_calibration
from candid.evaluation.scores import Predictions
from candid.features.extract import Features
from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.models.recipes.abstaining_head import Answers, CrossValidated, predict_by_folds
from candid.models.recipes.linear_head import cross_validate
from candid.splits.grouped_split import Labelled, grouped_folds
from candid.splits.prepare import labelled
from candid.splits.split import PARTS, Split


@dataclass(frozen=True)
class EvalContext:
    """What the figures of a run are measured on.

    Attributes:
        features: What was seen in the photos.
        dealt: Where each of them went.
        rule: How a class is chosen.
        seed: Deals the folds.
    """

    features: Features
    dealt: Split
    rule: DecisionRule
    seed: int

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.features.catalog.classes

    @property
    def data(self) -> Labelled:
        """All photos, those too that are in no part."""
        return labelled(self.features, self.dealt.rows)

    def fold_rounds(self) -> list[Round]:
        """What each fold of the cross-validation learns from and predicts, places of all photos."""
        placed = self.dealt.places(*PARTS)
        data = self.data.take(placed)
        num_folds = data.num_folds()
        folds = grouped_folds(
            data.labels, data.groups, data.group_keys, num_folds=num_folds, seed=self.seed
        )
        return [(placed[folds != fold], placed[folds == fold]) for fold in range(num_folds)]

    def test_round(self) -> Round:
        """What the model learnt from, and the test part."""
        return self.dealt.places("train", "val"), self.dealt.places("test")

    def predictions(self, places: NDArray[np.int64], answers: Answers) -> Predictions:
        """What was said of some photos, beside the truth."""
        data = self.data
        return Predictions(
            tuple(self.dealt.rows[place].path for place in places),
            data.labels[places],
            data.groups[places],
            self.rule.decide(answers.probabilities, self.classes),
            answers.probabilities,
            answers.raw,
            answers.possible,
            answers.familiarity,
        )


@dataclass(frozen=True)
class FittedState:
    """What a recipe learnt beside its weights, as the artifact keeps it.

    Attributes:
        temperature: What scores are divided by.
        abstention: When the model says that it does not know; None where it can't.
        strength: Inverse strength of the head's regularisation; None without a linear head, of
            which there is no cross-validation either.
    """

    temperature: float
    abstention: Abstention | None
    strength: float | None


@dataclass(frozen=True)
class EvalResult:
    """An evaluation and the predictions that it rests on.

    Attributes:
        evaluation: Every figure.
        test: Of the test part.
        kfold: Of all photos that are in a part, by grouped cross-validation, if there is one.
        folded: Which heads said that.
    """

    evaluation: Evaluation
    test: Predictions
    kfold: Predictions | None
    folded: CrossValidated | None = None

    @property
    def believed(self) -> Predictions:
        """Those of the estimate to believe."""
        return self.test if self.kfold is None else self.kfold


def assess(
    ground: EvalContext,
    test: Answers,
    learnt: FittedState,
    *,
    progress: Progress,
    leak_tax: LeakTax | None = None,
) -> EvalResult:
    """Measure everything.

    Args:
        ground: What to measure on.
        test: What the model says of the test part.
        learnt: What it learnt beside its weights.
        progress: Told how far it is.
        leak_tax: As measured by a recipe without a linear head, if it was asked to.
    """
    tested = ground.predictions(ground.dealt.places("test"), test)
    if learnt.strength is None:
        evaluation = _of_test_part(ground, tested, learnt)
        return EvalResult(replace(evaluation, leak_tax=leak_tax), tested, None)
    return _with_folds(ground, tested, learnt, progress)


def measure_predictions(classes: tuple[str, ...], predictions: Predictions) -> Measures:
    """Measure one estimate."""
    return measure(
        classes,
        predictions.truth,
        predictions.probabilities,
        predictions.groups,
        predicted=predictions.predicted,
    )


def _of_test_part(ground: EvalContext, tested: Predictions, learnt: FittedState) -> Evaluation:
    rules = predict_baselines(ground.data, ground.features.colours, [ground.test_round()])
    baselines = _baselines(rules, ground.dealt.places("test"), tested)
    evaluation = Evaluation(measure_predictions(ground.classes, tested), baselines=baselines)
    return _judged(ground, evaluation, tested, learnt)


def _with_folds(
    ground: EvalContext, tested: Predictions, learnt: FittedState, progress: Progress
) -> EvalResult:
    placed = ground.dealt.places(*PARTS)
    data = ground.data.take(placed)
    with progress.step("Grouped cross-validation", 4) as advance:
        by_heads = predict_by_folds(data, seed=ground.seed)
        advance(1)
        if by_heads is None:
            return EvalResult(_of_test_part(ground, tested, learnt), tested, None)
        folded = ground.predictions(placed, by_heads.answers)
        everything = ground.data
        by_folds = predict_baselines(everything, ground.features.colours, ground.fold_rounds())
        by_test = predict_baselines(everything, ground.features.colours, [ground.test_round()])
        advance(1)
        # Of the likeliest class on both sides, whatever the rule is.
        hits = folded.raw.argmax(axis=1) == folded.truth
        tax = measure_leak_tax(
            data,
            hits,
            seed=ground.seed,
            predict=partial(cross_validate, seed=ground.seed),
        )
        advance(1)
        curve = None
        if ground.rule == DecisionRule():  # it is about the likeliest class
            curve = learn(
                data, seed=ground.seed, strength=learnt.strength or 1.0, classes=ground.classes
            )
        advance(1)
    evaluation = Evaluation(
        measure_predictions(ground.classes, tested),
        measure_predictions(ground.classes, folded),
        baselines=_baselines(by_folds, placed, folded),
        baselines_on_test=_baselines(by_test, ground.dealt.places("test"), tested),
        leak_tax=tax,
        learning_curve=curve,
    )
    return EvalResult(_judged(ground, evaluation, folded, learnt), tested, folded, by_heads)


def _baselines(
    rules: dict[str, NDArray[np.int64]],
    places: NDArray[np.int64],
    predictions: Predictions,
) -> tuple[Baseline, ...]:
    return hold_against(
        {name: predicted[places] for name, predicted in rules.items()},
        predictions.predicted == predictions.truth,
        predictions.truth,
        predictions.groups,
    )


def _judged(
    ground: EvalContext, evaluation: Evaluation, believed: Predictions, learnt: FittedState
) -> Evaluation:
    """Add how far probabilities can be believed, and what came of abstaining."""
    abstained = None
    if learnt.abstention is not None:
        abstained = measure_abstention(ground.classes, believed, learnt.abstention)
    calibration = measure_calibration(
        ground.classes, believed, evaluation.believed, learnt.temperature
    )
    return replace(evaluation, calibration=calibration, abstained=abstained)
