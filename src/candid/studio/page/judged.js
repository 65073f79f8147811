// How good a run is: statements, confusion matrix, and the slider between always and surest.

import { pictureOf } from "./api.js";
import { html, nothing, svg } from "./vendor/lit-html.js";

const MOST_SHOWN = 30;
const QUESTIONS = { figures: "How good is it?", baselines: "Compared with what?", "more-photos": "Are there enough photos?" };
const MARKS = { good: "✓", bad: "!", open: "?", note: "•" };
const SAID = { good: "good", bad: "a warning", open: "not known", note: "" };

export const count = (number) => number.toLocaleString("en");
// As the library writes shares: a decimal where rounding would claim certainty.
export function percent(share) {
  const isNearEnd = (share > 0 && share < 0.01) || (share > 0.99 && share < 1);
  return `${(100 * share).toFixed(isNearEnd ? 1 : 0)} %`;
}
export const between = ({ low, high }) => `between ${percent(low).replace(" %", "")} and ${percent(high)}`;
const photos = (number) => `${count(number)} ${number === 1 ? "photo" : "photos"}`;
const outOf = (share) => {
  const rounded = Math.round(100 * share);
  return share > 0 && share < 1 && (rounded === 0 || rounded === 100) ? `${(1000 * share).toFixed(0)} of 1,000` : `${rounded} of 100`;
};

// A share with its interval as a bar from 0 to 100 %.
const bar = ({ value, low, high }) => html`<svg class="interval" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
  ${svg`<rect class="track" width="100" height="6"/><rect class="value" width=${100 * value} height="6"/>
  <rect class="range" x=${100 * low} y="2" width=${Math.max(0.4, 100 * (high - low))} height="2"/>`}</svg>`;

export const strip = (ids, told = "") => html`<ul class="strip">${ids.slice(0, MOST_SHOWN).map((id) => html`<li>
  <a href="#look?like=${id}&sort=similarity"><img src=${pictureOf(id)} alt="photo ${id}${told}" loading="lazy" width="96" height="96"></a></li>`)}
  ${ids.length > MOST_SHOWN ? html`<li class="more">and ${count(ids.length - MOST_SHOWN)} more</li>` : nothing}</ul>`;

const told = ({ tone, title, text }) => html`<p class="tone ${tone}"><span class="mark" aria-hidden="true">${MARKS[tone]}</span>
  ${SAID[tone] ? html`<span class="unseen">${SAID[tone]}: </span>` : nothing}<b>${title}.</b> ${text}</p>`;

// The first screen of a report.
export function answer(run) {
  const { accuracy, statements, enough } = run;
  const [first, ...others] = statements;
  const compared = others.find((one) => one.section === "baselines");
  const rest = others.filter((one) => one !== compared);
  const isShort = enough.title.startsWith("Add");
  return html`<section class="answer" aria-label="Result">
    ${accuracy ? html`<p class="headline"><b>Right on ${outOf(accuracy.value)}</b> photos that it had not seen.</p>
      ${bar(accuracy)}<p class="muted">With more photos like these, most likely ${between(accuracy)}. ${run.task}, ${photos(run.num_photos)}.</p>` : nothing}
    <dl class="questions">
      <div><dt>${QUESTIONS.figures}</dt><dd>${told(first)}</dd></div>
      ${compared ? html`<div><dt>${QUESTIONS.baselines}</dt><dd>${told(compared)}</dd></div>` : nothing}
      <div><dt>${QUESTIONS["more-photos"]}</dt><dd>${told({ tone: enough.title.includes("not") ? "open" : isShort ? "note" : "good", ...enough })}
        ${isShort ? html`<p><a class="button" href="#add">Add photos</a></p>` : nothing}</dd></div>
    </dl>
    <details><summary>What else was measured (${rest.length})</summary>${rest.map(told)}</details>
  </section>`;
}

const link = (truth, guess) => `#look?${new URLSearchParams({ label: truth, guess })}`;

// Cells lead to their photos.
export function confusion({ confusion: { rows, pairs }, classes }) {
  if (!rows.length && !pairs.length) return html`<section><h2>Which classes it confuses</h2><p>None: there was no mistake on these photos.</p></section>`;
  const shade = (row, number) => (number ? Math.max(1, Math.round((5 * number) / row.reduce((a, b) => a + b))) : 0);
  const cell = (row, i) => (number, j) => html`<td class="shade-${shade(row, number)} ${i === j ? "right" : "wrong"}">
    ${number ? html`<a href=${link(classes[i], classes[j])} aria-label="${photos(number)} of ${classes[i]}, answered ${classes[j]}">${count(number)}</a>` : html`<span class="muted">0</span>`}</td>`;
  return html`<section class="confusion"><h2>Which classes it confuses</h2>
    <p class="muted">${rows.length ? "Rows: what the photos are. Columns: what it answered. Choose a number to see its photos." : "The most frequent mistakes. Choose one to see its photos."}</p>
    ${rows.length ? html`<div class="wide" tabindex="0" role="region" aria-label="Confusion matrix"><table>
      <thead><tr><td></td>${classes.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${rows.map((row, i) => html`<tr><th scope="row">${classes[i]}</th>${row.map(cell(row, i))}</tr>`)}</tbody></table></div>`
      : html`<ol>${pairs.map((pair) => html`<li><a href=${link(pair.true, pair.guess)}>${photos(pair.count)} of <b>${pair.true}</b>, answered <b>${pair.guess}</b></a></li>`)}</ol>`}
  </section>`;
}

const RULES = {
  sure: (least) => `It answers photos that it is sure of, from a probability of ${percent(least)}.`,
  uncertain: (least) => `It answers photos that it is sure of, and uncertain ones from a probability of ${percent(least)}.`,
  unknown: (least) => `It answers sure and uncertain photos, and those unlike what it learned from a probability of ${percent(least)}.`,
  "": (least) => `It answers from a probability of ${percent(least)}.`,
};

// `step`: index of the chosen step; `choose` is called with another one.
export function answering({ answering: { steps, photos: ids, right, num_sure: numSure } }, step, choose) {
  if (steps.length < 2) return nothing;
  const now = steps[step];
  const isSure = steps.findIndex((one) => one.count === numSure);
  const side = (start, end, isRight) => ids.slice(start, end).filter((id, i) => id >= 0 && right[start + i] === isRight);
  const sides = [
    ["Answered, but wrong", side(0, now.count, false).reverse()],
    ["Not answered: would have been wrong", side(now.count, ids.length, false)],
    ["Not answered: would have been right", side(now.count, ids.length, true)],
  ];
  const text = `answers ${photos(now.count)} of ${count(ids.length)}, right on ${percent(now.accuracy.value)}`;
  return html`<section class="answering"><h2>Answer always, or only when sure?</h2>
    <p class="muted">A model may say “I don't know”. The fewer photos it answers, the more often it is right.</p>
    <div class="slider"><label for="answering">Always answer</label>
      <input id="answering" type="range" min="0" max=${steps.length - 1} .value=${String(step)} aria-valuetext=${text} @input=${(event) => choose(Number(event.target.value))}>
      <span>Only when surest</span></div>
    <p class="jumps"><button type="button" aria-pressed=${step === 0} @click=${() => choose(0)}>Always</button>
      ${isSure > 0 ? html`<button type="button" aria-pressed=${step === isSure} @click=${() => choose(isSure)}>When it says “sure”</button>` : nothing}</p>
    <dl class="pair"><div><dt>Answers</dt><dd>${percent(now.coverage.value)}</dd><dd class="muted">${photos(now.count)} of ${count(ids.length)}</dd>${bar(now.coverage)}</div>
      <div><dt>Of these, right</dt><dd>${percent(now.accuracy.value)}</dd><dd class="muted">${between(now.accuracy)}</dd>${bar(now.accuracy)}</div></dl>
    <p>${step ? RULES[now.verdict](now.least) : "It answers every photo."}</p>
    ${sides.map(([title, found]) => html`<h3>${title} <span class="muted">${count(found.length)}</span></h3>
      ${found.length ? strip(found) : html`<p class="muted">None.</p>`}`)}
  </section>`;
}

export const steps = ({ steps: found }) => html`<section><h2>What to do next</h2><ol class="steps">${found.map((one) => html`<li><b>${one.title}.</b> ${one.text}
  ${one.command ? html`<code>${one.command}</code>` : nothing}</li>`)}</ol></section>`;
