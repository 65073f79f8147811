// Buttons that decide about photos: a class by its figure, keep, drop.
//
//   choices({ classes, choose(word), label, decision, more }) → template; `label` and `decision` are
//     what holds now, `more` is a template of further buttons
//   wordOf(key, classes) → what a key decides, or undefined

import { html, nothing } from "./vendor/lit-html.js";

// As decisions.csv has it: a class of the name of a keyword ends in a slash.
export const asWord = (label) => (["keep", "drop"].includes(label.trim().toLowerCase()) ? `${label}/` : label);

export function wordOf(key, classes) {
  if (/^[0-9]$/.test(key)) {
    const named = classes[(Number(key) + 9) % 10];
    return named === undefined ? undefined : asWord(named);
  }
  return { d: "drop", k: "keep" }[key];
}

export function choices({ classes, choose, label = null, decision = null, more = nothing }) {
  const button = (name, i) => html`<button type="button" aria-pressed=${label === null ? nothing : label === name} @click=${() => choose(asWord(name))}><kbd>${(i + 1) % 10}</kbd> ${name}</button>`;
  const word = (name, key, text) => html`<button type="button" aria-pressed=${decision === null ? nothing : decision === name} @click=${() => choose(name)}><kbd>${key}</kbd> ${text}</button>`;
  const pick = (event) => {
    if (event.target.value) choose(asWord(event.target.value));
    event.target.value = "";
  };
  return html`<div class="choices" role="group" aria-label="Decide">
    ${classes.slice(0, 10).map(button)}
    ${classes.length > 10 ? html`<select aria-label="Another class" @change=${pick}><option value="">another class…</option>${classes.slice(10).map((name) => html`<option>${name}</option>`)}</select>` : nothing}
    ${word("keep", "K", "Keep")}${word("drop", "D", "Drop")}${more}</div>`;
}
