// All runs in a table, and two of them side by side.

import { between, count, percent, photos, strip } from "./judged.js";
import { html, nothing } from "./vendor/lit-html.js";

const HEADS = ["Name", "When", "Photos", "Classes", "Corrections", "Recipe", "Right"];
const CHANGES = { added: "added", removed: "removed or dropped", relabelled: "given another class" };

function chance({ is_real: isReal, newly_wrong: wrong, newly_right: right }) {
  if (isReal) return "The difference is real: chance alone would hardly make it.";
  return wrong.length || right.length ? "That may well be chance." : "There is no difference.";
}

const tenths = (share) => `${(100 * share).toFixed(1)} %`;

// "3 photos added, 1 given another class"; empty without a change.
export function changes(since) {
  const told = Object.keys(CHANGES).filter((one) => since[one]);
  return told.map((one, i) => `${i ? count(since[one]) : photos(since[one])} ${CHANGES[one]}`).join(", ");
}

export function runs(all, shown, choose) {
  if (!all.length) return nothing;
  const corrections = ({ decisions }) => (decisions ? count(decisions.num_dropped + decisions.num_relabelled) : "0");
  const row = (one) => html`<tr aria-current=${one.number === shown ? "true" : nothing}>
    <th scope="row"><button type="button" class="plain" aria-pressed=${one.number === shown} @click=${() => choose(one.number)}>${one.name}</button></th>
    <td>${one.created}</td><td>${one.num_photos == null ? "" : count(one.num_photos)}</td><td>${one.classes.length}</td>
    <td>${corrections(one)}</td><td>${one.recipe}</td>
    <td>${one.accuracy ? html`<b>${percent(one.accuracy.value)}</b> <span class="muted">${between(one.accuracy)}</span>` : "not measured"}</td></tr>`;
  return html`<section class="runs"><h2>All trainings</h2><p class="muted">Choose a name to see that one; the other screens follow.</p>
    <div class="wide" tabindex="0" role="region" aria-label="Trainings"><table><thead><tr>${HEADS.map((one) => html`<th scope="col">${one}</th>`)}</tr></thead>
    <tbody>${all.map(row)}</tbody></table></div></section>`;
}

// `compared`: of /api/runs/<other>/against/<run>, with `other`; or with `failure`.
export function sideBySide({ run, all, compared, versus, onOpen, command }) {
  if (!compared) return nothing;
  const { other, failure } = compared;
  const verdict = () => {
    const [{ value: before }, { value: after }] = compared.accuracies;
    const column = (title, found) => html`<div><h3>${count(found.length)} ${title}</h3>${strip(found, onOpen)}</div>`;
    const told = changes(compared.changed);
    return html`<p class="headline small"><b>${count(compared.newly_wrong.length)} newly wrong, ${count(compared.newly_right.length)} newly right</b>
      of ${photos(compared.num_images)} that both were tested on.</p>
      <p>${other.name} is right on ${tenths(before)} of them, ${run.name} on ${tenths(after)}. ${chance(compared)}</p>
      <p class="muted">${compared.sentence.replaceAll("`", "")}</p>
      <p class="muted">${told ? `The photos changed from one to the other: ${told}.` : "Both were trained on the same photos, in the same classes."}</p>
      ${compared.notes.map((one) => html`<p class="muted">${one}</p>`)}
      <div class="columns">${column("newly wrong", compared.newly_wrong)}${column("newly right", compared.newly_right)}</div>
      ${command(compared.command)}`;
  };
  const others = all.filter((one) => one.number !== run.number);
  return html`<section class="compared"><h2><label for="versus">${run.name} compared with</label></h2>
    <p><select id="versus" @change=${(event) => versus(Number(event.target.value))}>${others.map((one) => html`<option value=${one.number} ?selected=${one.number === other.number}>${one.name}, ${one.created}</option>`)}</select></p>
    ${failure ? html`<p>They can't be compared: ${failure}</p>` : verdict()}</section>`;
}
