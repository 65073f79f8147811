// Bar chart of the class probabilities.

import { make } from "./dom.js";
import { percent } from "./words.js";

const MOST_SHOWN = 5;

// The most probable first; of many classes the rest is folded.
export function makeBars(item) {
  const ranked = Object.entries(item.probabilities).sort(([, a], [, b]) => b - a);
  // A single one is not worth folding.
  const shown = ranked.length <= MOST_SHOWN + 1 ? ranked.length : MOST_SHOWN;
  const bars = (part) => make("ul", { class: "bars" }, ...part.map((row) => makeBar(row, item)));
  const rest = ranked.slice(shown);
  return make("div", { class: "shares" },
    bars(ranked.slice(0, shown)),
    rest.length
      ? make("details", {}, make("summary", {}, `${rest.length} more classes`), bars(rest))
      : null,
  );
}

function makeBar([name, share], item) {
  const isChosen = name === item.label && item.verdict !== "unknown";
  const isPossible = item.verdict === "uncertain" && item.possible.includes(name);
  const fill = make("span", { class: "fill" });
  fill.style.inlineSize = `${100 * share}%`;
  const kind = isChosen ? "chosen" : isPossible ? "possible" : null;
  return make("li", { class: kind },
    make("bdi", { class: "class" }, name),
    make("span", { class: "track", "aria-hidden": "true" }, fill),
    make("span", { class: "value" }, percent(share)),
  );
}
