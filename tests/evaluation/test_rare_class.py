"""A class that is rare is named with how often it is found, and with what finds it more often."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from candid.cli.arguments import decision_rule
from candid.evaluation.evaluation import Evaluation
from candid.evaluation.measures import measure_predictions
from candid.evaluation.rare_class import LEAST_FOUND, RareClass, rare_class, with_offer
from candid.evaluation.scores import Predictions
from candid.reporting.terminal import write_measured


def predictions(
    sizes: tuple[int, ...] = (300, 12), *, rare_score: float = 0.15, seed: int = 0
) -> Predictions:
    """Of the last class, whose photos mostly get a probability around ``rare_score``."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(len(sizes)), sizes)
    rare = np.where(truth == len(sizes) - 1, rng.beta(3, 3 / rare_score - 3, len(truth)), 0)
    rare += np.where(truth < len(sizes) - 1, rng.beta(0.3, 30, len(truth)), 0)
    rows = (1 - rare)[:, None] * np.eye(len(sizes))[truth]
    rows[truth == len(sizes) - 1, 0] = 1 - rare[truth == len(sizes) - 1]
    rows[:, -1] = rare
    probabilities = rows.astype(np.float32)
    groups = np.arange(len(truth))
    paths = tuple(map(str, groups))
    predicted = probabilities.argmax(axis=1)
    return Predictions(paths, truth, groups, predicted, probabilities, probabilities)


def found(made: Predictions, classes: tuple[str, ...]) -> RareClass | None:
    return rare_class(measure_predictions(classes, made))


def offered(made: Predictions, classes: tuple[str, ...] = ("common", "rare")) -> RareClass:
    rare = found(made, classes)
    assert rare is not None
    return with_offer(rare, classes, made, np.arange(len(made.truth)) % 5)


def test_the_rarest_class_is_named_with_its_recall_and_interval() -> None:
    rare = found(predictions(), ("common", "rare"))
    assert rare is not None
    assert (rare.name, rare.others, rare.recall.n) == ("rare", "common", 12)
    assert rare.num_found / 12 == rare.recall.value < 0.3
    assert rare.recall.low <= rare.recall.value < rare.recall.high


@pytest.mark.parametrize("sizes", [(30, 30), (90, 30), (30, 0)])
def test_balanced_classes_have_none(sizes: tuple[int, int]) -> None:
    assert found(predictions(sizes), ("a", "b")) is None
    assert found(predictions((91, 30)), ("a", "b")) is not None


def test_the_offer_does_what_it_says_with_the_options_as_typed() -> None:
    made = predictions()
    offer = offered(made).offer
    assert offer is not None
    option, threshold = offer.options.split()
    assert option == "--threshold"
    rule = decision_rule(float(threshold), None)
    said = rule.decide(made.probabilities, ("common", "rare")) == 1
    assert said[300:].mean() >= LEAST_FOUND
    # What is told is counted on other folds than it was chosen on, so it may differ a little.
    assert offer.num_found == pytest.approx(said[300:].sum(), abs=2)
    assert offer.num_false == pytest.approx(said[:300].sum(), abs=20)
    assert (offer.recall.n, offer.num_others) == (12, 300)


def test_the_threshold_of_the_first_class_is_turned_round() -> None:
    made = predictions()
    turned = replace(
        made,
        truth=1 - made.truth,
        predicted=1 - made.predicted,
        probabilities=made.probabilities[:, ::-1],
    )
    plain, other = offered(made).offer, offered(turned, ("a rare one", "common")).offer
    assert plain is not None
    assert other is not None
    thresholds = [float(offer.options.split()[1]) for offer in (plain, other)]
    assert sum(thresholds) == pytest.approx(1)
    assert (plain.num_found, plain.num_false) == (other.num_found, other.num_false)


def test_more_than_two_classes_are_offered_costs() -> None:
    made, classes = predictions((150, 150, 12)), ("a", "b c", "rare")
    offer = offered(made, classes).offer
    assert offer is not None
    costs = re.fullmatch(r"--cost 'rare->a=(\d+)' --cost 'rare->b c=(\d+)'", offer.options)
    assert costs is not None
    rule = decision_rule(None, [f"rare->a={costs[1]}", f"rare->b c={costs[2]}"])
    rule.require_fits(classes)
    assert (rule.decide(made.probabilities, classes) == 2)[300:].mean() >= LEAST_FOUND


def test_what_is_told_is_not_counted_on_the_photos_it_was_chosen_on() -> None:
    """Of noise, the best of many thresholds seems to find the class; on other folds it does not."""
    excess = []
    for seed in range(20):
        made = predictions(rare_score=0.15, seed=seed)
        rng = np.random.default_rng(seed)
        shuffled = rng.permutation(312)
        made = replace(made, probabilities=made.probabilities[shuffled])
        made = replace(made, predicted=made.probabilities.argmax(axis=1))
        offer = offered(made).offer
        if offer is not None:
            excess.append(offer.recall.value - offer.num_false / 300)
    assert np.mean(excess) < 0.1


def test_nothing_is_offered_where_nothing_finds_more() -> None:
    made = predictions(rare_score=0.9)
    assert offered(made).offer is None


def test_one_line_names_the_class_and_the_option() -> None:
    made = predictions()
    rare = offered(made)
    measures = measure_predictions(("common", "rare"), made)
    lines = write_measured(Evaluation(measures, rare=rare)).splitlines()
    assert lines[0].startswith("Accuracy")
    (line,) = (line for line in lines if "finds" in line)
    assert re.search(r"class: rare, finds \d+ of \d+ \(\d+ %, \d+ to \d+ %\); --threshold", line)
    assert re.search(r"calls \d+ of 300 common photos rare", line)


def test_the_json_has_it_only_where_classes_are_unbalanced() -> None:
    made = predictions()
    measures = measure_predictions(("common", "rare"), made)
    values = Evaluation(measures, rare=offered(made)).to_json()
    assert values["rare"]["offer"]["options"].startswith("--threshold")
    assert "rare" not in Evaluation(measures).to_json()


def test_of_many_classes_no_command_with_a_cost_for_each_is_offered() -> None:
    """It would have a thousand options."""
    classes = tuple(f"c{number:02d}" for number in range(25))
    made = predictions((*[20] * 24, 5), rare_score=0.2)
    rare = found(made, classes)
    assert rare is not None
    assert offered(made, classes).offer is None
