// Texts of an answer.

const NUMBERS = [, "one", "two", "three"];
const COPY = 0.99; // similarity that only photos of one picture reach
const SPACE = "\u00a0"; // keeps a number and its unit on one line

// Whole percent, with a decimal near the ends: 99.6 % is not certain, and 0.4 % not impossible.
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

// Word and icon of each verdict on a photo that can be read; colour is never the only difference.
export const VERDICTS = {
  sure: { word: "Sure", icon: "clean" },
  uncertain: { word: "Uncertain", icon: "skipped" },
  unknown: { word: "Unlike the training photos", icon: "unknown" },
};
const BLANK = { word: "Nothing to see", icon: "unknown" };

// A photo with a label and a reason is blank.
export const verdictOf = (item) => (item.reason ? BLANK : VERDICTS[item.verdict]);

// Text for screen readers.
export function spoken(name, item) {
  if (item.label == null) return `${name}: unreadable, ${item.reason ?? ""}`;
  if (item.verdict === "unknown") return `${name}: unknown, ${verdictOf(item).word.toLowerCase()}`;
  return `${name}: ${item.answer}, ${share(item)}`;
}

// "86 % happy"
export const share = (item) => `${percent(item.probability ?? 0)} ${item.label}`;

// The explanation: doubts, evidence, similar photos, familiarity.
export function why(item) {
  if (item.reason) return `The photo is ${item.reason}. No class can be seen in it; the model would say ${item.label}.`;
  const { where, similar = [] } = item.explanation ?? {};
  const sentences = [doubt(item), where && evidence(item.label, where), likeness(similar)];
  return [...sentences, familiarity(item), known(similar)].filter(Boolean).join(" ");
}

function doubt({ verdict, label, possible }) {
  if (verdict === "unknown") return `The most likely class would be ${label}.`;
  if (verdict !== "uncertain") return "";
  const others = possible.filter((name) => name !== label);
  if (!others.length) return "No class fits this photo well.";
  return `Most likely ${label}, but ${list(others, "or")} is also possible.`;
}

function evidence(label, where) {
  if (where === "nowhere") return `No part of the picture supports ${label}.`;
  if (where === "in several places") return `Evidence for ${label} is in several places.`;
  if (where === "all over") return `Evidence for ${label} is all over the picture.`;
  return `Evidence for ${label}: ${where} of the picture.`;
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
  return "This photo, or a nearly identical one, was used for training, so this answer proves little.";
}

function familiarity({ familiarity: share, verdict }) {
  if (share == null) return "";
  const others = "held-out photos of the data set are at least as unusual";
  if (share > 0.995) return `The photo resembles the training photos: nearly all ${others}.`;
  if (verdict === "unknown") {
    return `The photo is unlike the training photos: only ${percent(share)} of ${others}.`;
  }
  if (share < 0.2) return `The photo is rather unusual: only ${percent(share)} of ${others}.`;
  return `The photo resembles the training photos: ${percent(share)} of ${others}.`;
}
