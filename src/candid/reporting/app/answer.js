// From a network's outputs to an answer, bit for bit as in Python's decision_rule, conformal and
// prediction: float32 where NumPy has float32, float64 elsewhere.

/**
 * Read the decision rule and abstention settings of candid-export.json.
 *
 * @param {object} settings Its JSON.
 * @returns {{classes: string[], threshold: number, costs: ?number[][], abstention: ?object}}
 *   costs: one row per true class, one column per answered one; null without costs.
 */
export function readRules(settings) {
  const { classes, rule, abstention: known } = settings;
  return {
    classes,
    threshold: rule.threshold,
    costs: rule.costs.length ? costMatrix(rule.costs, classes) : null,
    abstention: known && {
      coverage: known.coverage,
      falseAlarms: Math.fround(known.false_alarms),
      sureAbove: Math.fround(known.sure_above ?? 0),
      nonconformity: known.nonconformity.map((row) => Float32Array.from(row)),
      novelty: Float32Array.from(known.novelty),
    },
  };
}

function costMatrix(rows, classes) {
  const matrix = classes.map((_, row) => classes.map((__, column) => (row === column ? 0 : 1)));
  for (const row of rows) {
    matrix[classes.indexOf(row.true)][classes.indexOf(row.predicted)] = row.cost;
  }
  return matrix;
}

/** The index of the class that the rule chooses; the first one in a tie. */
export function decide(probabilities, rules) {
  if (rules.costs) {
    const expected = rules.classes.map((_, answered) =>
      probabilities.reduce((sum, share, truth) => sum + share * rules.costs[truth][answered], 0),
    );
    return expected.indexOf(Math.min(...expected));
  }
  if (rules.classes.length === 2) return probabilities[1] > rules.threshold ? 1 : 0;
  return probabilities.indexOf(Math.max(...probabilities));
}

/**
 * The answer to one photo.
 *
 * @param {string} name Of the photo.
 * @param {Float32Array} probabilities (k,), calibrated.
 * @param {?number} novelty Distance from the training photos; null without an abstention.
 * @param {object} rules From `readRules`.
 * @returns {object} The JSON of candid.runs.prediction.Prediction, without an explanation.
 */
export function answerOf(name, probabilities, novelty, rules, reason = null) {
  const { classes } = rules;
  const chosen = decide([...probabilities], rules);
  const label = classes[chosen];
  const judged = judge(probabilities, novelty, chosen, rules);
  if (reason) judged.verdict = "unknown"; // nothing can be seen
  return {
    path: name,
    answer: words(label, judged),
    label,
    probability: probabilities[chosen],
    positive_probability: classes.length === 2 ? probabilities[1] : null,
    probabilities: Object.fromEntries(classes.map((other, place) => [other, probabilities[place]])),
    ...judged,
    reason,
  };
}

/** The answer for a photo that can't be decoded. */
export function unreadable(name, reason) {
  return {
    path: name,
    answer: "unreadable",
    label: null,
    probability: null,
    positive_probability: null,
    probabilities: {},
    verdict: "unreadable",
    possible: [],
    familiarity: null,
    reason,
  };
}

function judge(probabilities, novelty, chosen, { classes, abstention }) {
  if (!abstention || novelty === null) return { verdict: null, possible: [], familiarity: null };
  const isPossible = classes.map((_, place) => {
    const usual = abstention.nonconformity[place];
    return shareAtLeast(usual, Math.fround(1 - probabilities[place])) > 1 - abstention.coverage;
  });
  const possible = classes.filter((_, place) => isPossible[place]);
  const familiarity = Math.fround(shareAtLeast(abstention.novelty, novelty));
  const alone = possible.length === 1 && isPossible[chosen];
  const known = alone && familiarity > abstention.sureAbove ? "sure" : "uncertain";
  return {
    verdict: familiarity <= abstention.falseAlarms ? "unknown" : known,
    possible,
    familiarity,
  };
}

function words(label, { verdict, possible }) {
  if (verdict === "unknown") return "unknown";
  if (verdict !== "uncertain") return label;
  const others = possible.some((name) => name !== label);
  return `uncertain: ${others ? possible.join(" or ") : `perhaps ${label}`}`;
}

/** The conformal p-value: the share of the known values and this one that are at least as high. */
function shareAtLeast(known, value) {
  let low = 0;
  let high = known.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (known[middle] < value) low = middle + 1;
    else high = middle;
  }
  return (known.length - low + 1) / (known.length + 1);
}
