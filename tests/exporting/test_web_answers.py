"""The browser turns outputs into the same answers as Python."""

import json

import numpy as np
from browser import browser

from candid.models.conformal import Abstention
from candid.models.decision_rule import DecisionRule
from candid.runs.explaining import Explanation, contrast, occlude, where
from candid.runs.prediction import Prediction
from tests.exporting.web_pages import page

__all__ = ["browser", "page"]

CASES = 400
RULES = (
    lambda *_: DecisionRule(),
    lambda random, names: DecisionRule(float(random.random()) if len(names) == 2 else 0.5),
    lambda random, names: DecisionRule(costs={(names[0], names[1]): float(random.integers(9))}),
    lambda random, names: DecisionRule(
        costs={(names[-1], names[0]): 7.5, (names[0], names[-1]): float(random.random())}
    ),
)
ANSWER = """async (cases) => {
  const { readRules, answerOf } = await import("/app/answer.js");
  const answers = cases.map(({ rules, probabilities, novelty, reason }) =>
    answerOf("photo", Float32Array.from(probabilities), novelty, readRules(rules), reason));
  return JSON.stringify(answers); // as text: Playwright loses a class called __proto__
}"""
EXPLAIN = """async (cases) => {
  const { contrast, explanationOf } = await import("/app/evidence.js");
  return cases.map(({ maps, shape, answered }) =>
    explanationOf(contrast(Float32Array.from(maps), shape, answered)));
}"""
OCCLUDE = """async ({ pixels, size, weights, answered }) => {
  const { occlude, explanationOf } = await import("/app/evidence.js");
  const ask = async (some) => {
    const scores = weights.map((row) => row.reduce((sum, w, at) => sum + w * some[at], 0));
    const shares = scores.map((score) => Math.exp(score - Math.max(...scores)));
    const total = shares.reduce((sum, share) => sum + share, 0);
    return Float32Array.from(shares, (share) => share / total);
  };
  return explanationOf(await occlude(Uint8Array.from(pixels), size, ask, answered));
}"""


def make_case(seed):
    """A random rule, calibration tables and outputs, some exactly equal to a value in a table."""
    random = np.random.default_rng(seed)
    num_classes = int(random.integers(2, 6))
    names = sorted({"10", "2", "__proto__", "häppy", "sad"})[:num_classes]
    rule = RULES[seed % len(RULES)](random, names)
    usual = tuple(np.sort(random.random(30).astype(np.float32)) ** 2 for _ in names)
    # With 19 known values, the most unusual photo is just at the limit: 1 of 20.
    known = np.sort(random.normal(size=19)).astype(np.float32)
    coverage = float(random.choice([0.5, 0.8, 0.9, 0.99]))
    floor = float(random.choice([0, 2 / 20, 4 / 20]))
    abstention = None if seed % 9 == 0 else Abstention(usual, known, coverage, sure_above=floor)
    probabilities = random.dirichlet(np.full(num_classes, 0.4)).astype(np.float32)
    if seed % 5 == 0:
        probabilities[0] = np.float32(1) - usual[0][int(random.integers(30))]
    novelty = known[int(random.integers(19))] if seed % 3 == 0 else np.float32(random.normal() * 2)
    return names, rule, abstention, probabilities, novelty


def expected_of(names, rule, abstention, probabilities, novelty):
    chosen = rule.decide(probabilities[None], names)
    by_class = dict(zip(names, map(float, probabilities), strict=True))
    label = names[chosen[0]]
    judged = {}
    if abstention is not None:
        possible = abstention.possible(probabilities[None])
        familiarity = abstention.familiarity(np.array([novelty]))
        judged = {
            "verdict": abstention.verdicts(possible, familiarity, chosen)[0],
            "possible": tuple(np.array(names, object)[possible[0]]),
            "familiarity": float(familiarity[0]),
        }
    return Prediction("photo", label, by_class[label], by_class, **judged).to_json()


def rules_of(names, rule, abstention):
    known = None
    if abstention is not None:
        rows = [row.tolist() for row in abstention.nonconformity]
        known = abstention.to_json() | {"nonconformity": rows}
    return {"classes": names, "rule": rule.to_json(), "abstention": known}


def test_answers_are_those_of_python_for_random_rules_and_outputs(page):
    made = [make_case(seed) for seed in range(CASES)]
    cases = [
        {
            "rules": rules_of(*case[:3]),
            "probabilities": case[3].tolist(),
            "novelty": float(case[4]),
        }
        for case in made
    ]
    expected = [expected_of(*case) for case in made]
    # Every verdict occurs often.
    verdicts = [one["verdict"] for one in expected]
    assert min(map(verdicts.count, ("sure", "uncertain", "unknown", None))) > CASES // 20
    received = json.loads(page.evaluate(ANSWER, cases))
    for one, other in zip(received, expected, strict=True):
        assert one == other


def test_a_network_without_novelty_does_not_abstain(page):
    names, rule, abstention, probabilities, _ = make_case(1)
    case = {
        "rules": rules_of(names, rule, abstention),
        "probabilities": probabilities.tolist(),
        "novelty": None,
    }
    (received,) = json.loads(page.evaluate(ANSWER, [case]))
    assert received["verdict"] is None
    assert received["answer"] == received["label"]


def test_a_blank_photo_is_unknown_to_every_network(page):
    for case in (make_case(0), make_case(1)):
        asked = {
            "rules": rules_of(*case[:3]),
            "probabilities": case[3].tolist(),
            "novelty": float(case[4]),
            "reason": "blank: every pixel is black",
        }
        (received,) = json.loads(page.evaluate(ANSWER, [asked]))
        expected = expected_of(*case) | {"verdict": "unknown", "answer": "unknown"}
        assert received == expected | {"reason": asked["reason"]}


def make_maps(seed):
    """Random heat maps with a peak of random place and width."""
    random = np.random.default_rng(seed)
    num_classes, side = int(random.integers(2, 5)), int(random.integers(1, 10))
    row, column = random.random(2) * side
    spread = random.choice([0.5, 1.5, 4, 30])
    places = np.mgrid[:side, :side] + 0.5
    bump = np.exp(-((places[0] - row) ** 2 + (places[1] - column) ** 2) / spread**2)
    maps = random.normal(size=(num_classes, side, side)) + 0.1
    maps[0] += 20 * bump * random.choice([-1, 1, 1, 1])
    return maps.astype(np.float32)


def test_heat_maps_and_their_descriptions_are_those_of_python(page):
    made = [make_maps(seed) for seed in range(CASES)]
    cases = [
        {"maps": maps.ravel().tolist(), "shape": list(maps.shape), "answered": seed % len(maps)}
        for seed, maps in enumerate(made)
    ]
    received = page.evaluate(EXPLAIN, cases)
    words = set()
    for one, case, maps in zip(received, cases, made, strict=True):
        heat = contrast(maps, case["answered"])
        assert np.allclose(one["heat"], heat, atol=2e-4)
        assert one["where"] == where(heat)
        assert one["similar"] == []
        words.add(where(heat))
    assert len(words) > 15
    assert {"all over", "in several places", "the middle", "mostly the right"} <= words


def test_a_network_without_a_heat_map_is_explained_by_occlusion(page):
    random = np.random.default_rng(3)
    size = 19
    pixels = random.integers(0, 256, (size, size, 3), dtype=np.uint8)
    weights = random.normal(scale=3e-4, size=(3, size, size, 3))
    weights[1, 3:9, 10:15] += 3e-4

    def run(some):
        scores = np.einsum("krct,nrct->nk", weights, some.astype(np.float64))
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)

    heat = occlude(pixels, run, 1)
    arguments = {
        "pixels": pixels.ravel().tolist(),
        "size": size,
        "weights": weights.reshape(3, -1).tolist(),
        "answered": 1,
    }
    received = page.evaluate(OCCLUDE, arguments)
    expected = Explanation(heat, where(heat), ()).to_json()
    assert np.abs(heat).max() > 0.1
    assert np.allclose(received["heat"], expected["heat"], atol=2e-3)
    assert received["where"] == expected["where"]
