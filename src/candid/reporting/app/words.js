// What is said of an answer, in words.

const NUMBERS = [, "one", "two", "three"];
const COPY = 0.99; // as similar as this are only photos of the same picture
const SPACE = "\u00a0"; // a number and its unit stay on one line

// Whole percent, but near the ends: those would make 99.6 % certain, and 0.4 % impossible.
export function percent(share) {
  const number = 100 * share;
  if (number > 0 && number < 0.1) return `<${SPACE}0.1${SPACE}%`;
  if (number < 100 && number > 99.9) return `>${SPACE}99.9${SPACE}%`;
  const isNearEnd = (number > 0 && number < 1) || (number > 99 && number < 100);
  return `${number.toFixed(isNearEnd ? 1 : 0)}${SPACE}%`;
}

// "a", "a or b", "a, b or c"
export function list(names, word = "and") {
  if (names.length < 2) return names.join("");
  return `${names.slice(0, -1).join(", ")} ${word} ${names.at(-1)}`;
}

// A word and a shape for each verdict; the colour only repeats them.
export const VERDICTS = {
  sure: { word: "Sure", icon: "clean" },
  uncertain: { word: "Uncertain", icon: "skipped" },
  unknown: { word: "Unlike what it learnt from", icon: "unknown" },
};

// What a person who can't see the page hears.
export function spoken(name, item) {
  if (item.label == null) return `${name}: unreadable, ${item.reason ?? ""}`;
  if (item.verdict === "unknown") return `${name}: unknown, ${VERDICTS.unknown.word.toLowerCase()}`;
  return `${name}: ${item.answer}, ${share(item)}`;
}

// "86 % happy"
export const share = (item) => `${percent(item.probabilities[item.label] ?? 0)} ${item.label}`;

// Why it answered so: where, what is similar, how familiar.
export function why(item) {
  const { where, similar = [] } = item.explanation ?? {};
  const sentences = [doubt(item), where && evidence(item.label, where), likeness(similar)];
  return [...sentences, familiarity(item), known(similar)].filter(Boolean).join(" ");
}

function doubt({ verdict, label, possible }) {
  if (verdict === "unknown") return `If it had to choose, it would say ${label}.`;
  if (verdict !== "uncertain") return "";
  const others = possible.filter((name) => name !== label);
  if (!others.length) return "No class fits this photo well.";
  return `It leans to ${label}, but can’t rule out ${list(others, "or")}.`;
}

function evidence(label, where) {
  if (where === "nowhere") return `No place of the picture spoke for ${label}.`;
  if (where === "in several places") return `What spoke for ${label} lies in several places.`;
  if (where === "all over") return `What spoke for ${label} lies all over the picture.`;
  return `What spoke for ${label} is ${where} of the picture.`;
}

function likeness(similar) {
  if (!similar.length) return "";
  const counts = new Map();
  for (const { label } of similar) counts.set(label, (counts.get(label) ?? 0) + 1);
  const most = NUMBERS[similar.length] ?? similar.length;
  if (similar.length === 1) return `The most similar training photo is ${similar[0].label}.`;
  if (counts.size === 1) return `The ${most} most similar training photos are all ${similar[0].label}.`;
  const parts = [...counts].map(([label, count]) =>
    `${NUMBERS[count] ?? count} ${count === 1 ? "is" : "are"} ${label}`);
  return `Of the ${most} most similar training photos ${list(parts)}.`;
}

function known(similar) {
  if (!similar.some(({ similarity }) => similarity >= COPY)) return "";
  return "It learnt from this photo, or from one nearly the same, so this answer proves little.";
}

function familiarity({ familiarity: share, verdict }) {
  if (share == null) return "";
  const others = "of photos of a known kind are at least as unusual";
  if (share > 0.995) return `The photo is of a familiar kind: nearly all ${others.slice(3)}.`;
  if (verdict === "unknown") {
    return `The photo is unlike those that it learnt from: only ${percent(share)} ${others}.`;
  }
  if (share < 0.2) return `The photo is rather unusual: only ${percent(share)} ${others}.`;
  return `The photo is of a familiar kind: ${percent(share)} ${others}.`;
}
