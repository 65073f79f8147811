// How good a run is: statements, learning curve, confusion matrix, and the slider between always and
// surest. `onOpen(id, ids)` enlarges a photo, one of a line.

import { describe, factsOf } from "./grid.js";
import { pictureOf } from "./api.js";
import { html, nothing, svg } from "./vendor/lit-html.js";

const MOST_SHOWN = 24;
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
export const photos = (number) => `${count(number)} ${number === 1 ? "photo" : "photos"}`;
const outOf = (share) => {
  const rounded = Math.round(100 * share);
  return share > 0 && share < 1 && (rounded === 0 || rounded === 100) ? `${(1000 * share).toFixed(0)} of 1,000` : `${rounded} of 100`;
};

// A share with its interval as a bar from 0 to 100 %.
const bar = ({ value, low, high }) => html`<svg class="interval" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
  ${svg`<rect class="track" width="100" height="6"/><rect class="value" width=${100 * value} height="6"/>
  <rect class="range" x=${100 * low} y="2" width=${Math.max(0.4, 100 * (high - low))} height="2"/>`}</svg>`;

// The first of some photos in a line; `all` is the address of the grid with all of them.
export function strip(ids, onOpen, all = "") {
  if (!ids.length) return html`<p class="muted">None.</p>`;
  const tile = (id) => html`<li><button type="button" class="tile" @click=${() => onOpen(id, ids)}>
    <img src=${pictureOf(id)} alt=${describe(factsOf(id)) || `photo ${id}`} loading="lazy" width="96" height="96"></button></li>`;
  const left = ids.length - MOST_SHOWN;
  return html`<ul class="thumbs" tabindex="0" aria-label=${photos(ids.length)}>${ids.slice(0, MOST_SHOWN).map(tile)}
    ${left > 0 ? html`<li class="more">${all ? html`<a href=${all}>${count(left)} more</a>` : `${count(left)} more`}</li>` : nothing}</ul>`;
}
export const shownOf = (ids) => ids.slice(0, MOST_SHOWN);

const told = ({ tone, title, text }) => html`<p class="tone is-${tone}"><span class="mark" aria-hidden="true">${MARKS[tone]}</span>
  ${SAID[tone] ? html`<span class="unseen">${SAID[tone]}: </span>` : nothing}<b>${title}.</b> ${text}</p>`;

// The first screen of a report.
export function answer(run) {
  const { accuracy, statements, enough } = run;
  const [first, ...others] = statements;
  const compared = others.find((one) => one.section === "baselines");
  const rest = others.filter((one) => one !== compared);
  const isShort = enough.title.startsWith("Add");
  const tone = enough.title.includes(" not ") ? "open" : isShort ? "note" : "good";
  return html`<section class="answer" aria-label="Result">
    ${accuracy ? html`<p class="headline"><b>Right on ${outOf(accuracy.value)}</b> photos that it had not seen.</p>
      ${bar(accuracy)}<p class="muted">With more photos like these, most likely ${between(accuracy)}. ${run.task}, ${photos(run.num_photos)}.</p>` : html`<p class="headline"><b>Nobody knows how good it is:</b> no photo was left to test it on.</p>
      <p>${run.task}, ${photos(run.num_photos)}. Add photos of other scenes and train again to have it tested.</p>`}
    <dl class="questions">
      <div><dt>${QUESTIONS.figures}</dt><dd>${told(first)}</dd></div>
      ${compared ? html`<div><dt>${QUESTIONS.baselines}</dt><dd>${told(compared)}</dd></div>` : nothing}
      <div><dt>${QUESTIONS["more-photos"]}</dt><dd>${told({ tone, ...enough, text: `${run.curve ? `${run.curve.text} ` : ""}${enough.text}` })}
        ${run.curve ? learning(run.curve) : nothing}
        ${isShort ? html`<p><a class="button" href="#add">Add photos</a></p>` : nothing}</dd></div>
    </dl>
    <details><summary>What else was measured (${rest.length})</summary>${rest.map(told)}</details>
    ${run.has_report ? html`<p><a href=${`/api/runs/${run.number}/report`} target="_blank" rel="noopener">The whole report</a> <span class="muted">(opens in another tab)</span></p>` : nothing}
  </section>`;
}

// Accuracy by the number of photos: measured points, and a line with its band that goes on beyond.
function learning({ points, line, text }) {
  const [most, least] = [line.at(-1)[0], line[0][0]];
  const bottom = Math.max(0, Math.min(...points.map((one) => one.accuracy.low), ...line.map((one) => one[2])) - 0.02);
  const x = (number) => 8 + (284 * (Math.log(number) - Math.log(least))) / (Math.log(most) - Math.log(least));
  const y = (share) => 84 - (78 * (share - bottom)) / (1 - bottom);
  const path = (places) => places.map(([n, share], i) => `${i ? "L" : "M"}${x(n).toFixed(1)} ${y(share).toFixed(1)}`).join("");
  const band = `${path(line.map(([n, , low]) => [n, low]))}${path([...line].reverse().map(([n, , , high]) => [n, high])).replace("M", "L")}Z`;
  const isMeasured = points.at(-1).num_photos;
  return html`<svg class="learning" viewBox="0 0 300 100" role="img" aria-label=${`Learning curve. ${text}`}>
    ${svg`<path class="band" d=${band}/><path class="expected" d=${path(line)}/>
    <path class="known" d=${path([...line.filter(([n]) => n <= isMeasured)])}/>
    ${points.map(({ num_photos: n, accuracy }) => svg`<circle cx=${x(n)} cy=${y(accuracy.value)} r="3"/>`)}
    <text x="8" y="98">${count(Math.round(least))} photos</text><text x="292" y="98" text-anchor="end">${count(Math.round(most))}</text>
    <text x="8" y="10">${percent(1)}</text><text x="292" y="82" text-anchor="end">${percent(bottom)}</text>`}</svg>`;
}

const link = (truth, guess) => `#look?${new URLSearchParams({ label: truth, guess })}`;

// Cells lead to their photos.
export function confusion({ accuracy, confusion: { rows, pairs }, classes }) {
  if (!accuracy) return nothing;
  if (!rows.length && !pairs.length) return html`<section><h2>Which classes it confuses</h2><p>None: there was no mistake on these photos.</p></section>`;
  const sum = (row) => row.reduce((a, b) => a + b, 0);
  const shade = (row, number) => (number ? Math.max(1, Math.round((5 * number) / sum(row))) : 0);
  const cell = (row, i) => (number, j) => html`<td class="shade-${shade(row, number)} ${i === j ? "right" : "wrong"}">
    ${number ? html`<a href=${link(classes[i], classes[j])} aria-label="${photos(number)} of ${classes[i]}, answered ${classes[j]}">${count(number)}</a>` : html`<span class="muted">0</span>`}</td>`;
  const found = (row, i) => html`<td class="found">${sum(row) ? `${percent(row[i] / sum(row))} found` : ""}</td>`;
  return html`<section class="confusion"><h2>Which classes it confuses</h2>
    <p class="muted">${rows.length ? "Rows: what the photos are. Columns: what it answered. Choose a number to see its photos." : "The most frequent mistakes. Choose one to see its photos."}</p>
    ${rows.length ? html`<div class="wide" tabindex="0" role="region" aria-label="Confusion matrix"><table>
      <thead><tr><td></td>${classes.map((name) => html`<th scope="col">${name}</th>`)}<td></td></tr></thead>
      <tbody>${rows.map((row, i) => html`<tr><th scope="row">${classes[i]}</th>${row.map(cell(row, i))}${found(row, i)}</tr>`)}</tbody></table></div>`
      : html`<ol>${pairs.map((pair) => html`<li><a href=${link(pair.true, pair.guess)}>${photos(pair.count)} of <b>${pair.true}</b>, answered <b>${pair.guess}</b></a></li>`)}</ol>`}
  </section>`;
}

const RULES = {
  sure: (least) => `It answers photos that it is sure of, from a probability of ${percent(least)}.`,
  uncertain: (least) => `It answers photos that it is sure of, and uncertain ones from a probability of ${percent(least)}.`,
  unknown: (least) => `It answers sure and uncertain photos, and those unlike what it learned from a probability of ${percent(least)}.`,
  "": (least) => `It answers from a probability of ${percent(least)}.`,
};

// The photos of both sides of a step, those near the border first.
export function sidesOf({ answering: { steps, photos: ids, right } }, step) {
  const num = steps[step]?.count ?? 0;
  const side = (start, end, isRight) => ids.slice(start, end).filter((id, i) => id >= 0 && right[start + i] === isRight);
  return {
    answered: { wrong: side(0, num, false).reverse(), right: side(0, num, true).reverse() },
    silent: { wrong: side(num, ids.length, false), right: side(num, ids.length, true) },
  };
}

// `step`: index of the chosen step; `choose` is called with another one.
export function answering(run, step, choose, onOpen) {
  const { steps, photos: ids, num_sure: numSure } = run.answering;
  if (steps.length < 2) return nothing;
  const now = steps[step];
  const isSure = steps.findIndex((one) => one.count === numSure);
  const { answered, silent } = sidesOf(run, step);
  const text = `answers ${photos(now.count)} of ${count(ids.length)}, right on ${percent(now.accuracy.value)}`;
  const part = (title, found) => html`<h4>${title} <span class="muted">${count(found.length)}</span></h4>${strip(found, onOpen)}`;
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
    <div class="columns"><div><h3>It answers</h3>${part("Wrong", answered.wrong)}${part("Right", answered.right)}</div>
      <div><h3>It says “I don't know”</h3>${part("Would have been wrong", silent.wrong)}${part("Would have been right", silent.right)}</div></div>
  </section>`;
}

// Where a step is done in the studio, by the section of the report that it is about.
const PLACES = {
  mistakes: ["#look?verdict=wrong&sort=disagreement&descending=true", "See the mistakes"],
  shortcut: ["#look", "Check for problems, in Photos"],
  "more-photos": ["#add", "Add photos"],
};

function placeOf({ command, section }) {
  if (command.startsWith("candid predict")) return ["#try", "Try it"];
  return PLACES[section];
}

export function steps({ steps: found }, command) {
  const row = (one) => {
    const place = placeOf(one);
    return html`<li><p><b>${one.title}.</b> ${one.text}</p>${place ? html`<p><a class="button" href=${place[0]}>${place[1]}</a></p>` : nothing}
      ${one.command ? command(one.command) : nothing}</li>`;
  };
  return html`<section><h2>What to do next</h2><ol class="steps">${found.map(row)}</ol></section>`;
}
