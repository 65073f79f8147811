// What a web export says of a picture: the answer, its verdict and the shares of the classes.

import { html, nothing, svg } from "./vendor/lit-html.js";

const MARKS = { sure: "✓", uncertain: "?", unknown: "∅" };
const MOST_BARS = 5;

const bar = (share) => html`<svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
  ${svg`<rect class="track" width="100" height="4"/><rect class="value" width=${100 * share} height="4"/>`}</svg>`;

export function bars(item, { percent }) {
  const ranked = Object.entries(item.probabilities).sort(([, a], [, b]) => b - a);
  const shown = ranked.slice(0, ranked.length <= MOST_BARS + 1 ? ranked.length : MOST_BARS);
  const rest = ranked.length - shown.length;
  return html`<ul class="bars">${shown.map(([name, share]) => html`<li class=${name === item.label ? "chosen" : ""}>
    <span class="class"><bdi>${name}</bdi></span>${bar(share)}<span class="value">${percent(share)}</span></li>`)}
    ${rest ? html`<li class="muted">and ${rest} classes that are less likely</li>` : nothing}</ul>`;
}

export function answer(item, words) {
  if (item.label == null) return html`<p class="headline">No answer</p><p>${item.reason}</p>`;
  const verdict = words.verdictOf(item);
  return html`<p class="headline"><bdi>${item.answer}</bdi></p>
    ${verdict ? html`<p class="verdict ${item.verdict}"><span aria-hidden="true">${MARKS[item.verdict] ?? "∅"}</span> ${verdict.word}</p>` : nothing}
    ${bars(item, words)}`;
}
