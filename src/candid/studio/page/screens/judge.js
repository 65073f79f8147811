// Train, and see how good the result is; runs are listed, and two of them compared.

import { get, post, remove } from "../api.js";
import { answer, answering, between, confusion, count, percent, steps, strip } from "../judged.js";
import { html, nothing, render } from "../vendor/lit-html.js";

export const name = "Train";

const QUALITIES = {
  fast: "Fast: learns what distinguishes the classes",
  good: "Good: also tries to adapt the network",
  best: "Best: adapts the network for as long as it helps",
};
const LEAST_PHOTOS = 2; // of a class; what else is missing, the command says

const duration = (s) => (s < 60 ? `${Math.max(1, Math.round(s))} s` : s < 90 ? "a minute" : `${Math.round(s / 60)} minutes`);

export function open(root, studio) {
  let state = studio.state;
  let list = null; // of /api/runs
  let run = null; // of /api/runs/<number>
  let compared = null; // of /api/runs/<a>/against/<b>
  let against = null; // the number of the run to compare with; null for the one before
  let quality = "fast";
  let isWanted = false; // once the photos are read
  let step = 0;
  let loaded = "";
  let failure = "";
  let isClosed = false;

  const isTraining = () => state.job?.is_running && state.job.kind === "train";
  const key = () => `${state.runs?.stamp} ${state.runs?.chosen} ${state.project?.num_photos} ${state.project?.classes.map((one) => one.num)} ${against} ${state.decisions?.version ?? ""}`;

  async function load() {
    loaded = key();
    try {
      list = await get("runs");
      const number = state.runs?.chosen;
      run = number == null ? null : await get(`runs/${number}`);
      if (run) step = Math.min(step, run.answering.steps.length - 1);
      failure = "";
      await compare();
    } catch (error) {
      failure = error.message;
    }
    if (!isClosed) draw();
  }

  // The run before the shown one, unless another was chosen.
  async function compare() {
    compared = null;
    if (!run || list.runs.length < 2) return;
    const place = list.runs.findIndex((one) => one.number === run.number);
    const other = list.runs.find((one) => one.number === against && against !== run.number) ?? list.runs[place + 1] ?? list.runs[place - 1];
    try {
      compared = { other, ...(await get(`runs/${other.number}/against/${run.number}`)) };
    } catch (error) {
      compared = { other, failure: error.message };
    }
  }

  async function train() {
    isWanted = false;
    try {
      await post("runs", { quality });
      step = 0;
      against = null;
      failure = "";
      await studio.refresh();
    } catch (error) {
      failure = error.message;
    }
    draw();
  }

  async function choose(number) {
    await post(`runs/${number}/choose`).catch((error) => studio.say(error.message));
    step = 0;
    await studio.refresh();
  }

  // --- Training ---------------------------------------------------------------------------------

  function progress(job) {
    const now = job.step;
    const expected = list?.qualities.find((one) => job.command.includes(`--quality ${one.name}`)) ?? list?.qualities[0];
    const left = Math.max(now?.left_s ?? 0, (expected?.seconds ?? 0) - job.seconds);
    const counted = now?.total > 1 ? `, ${count(now.done)} of ${count(now.total)}` : "";
    return html`<div class="working"><p role="status"><b>${now ? now.title : "Starting"}</b>${counted}</p>
      <progress aria-label="Training" .value=${Math.min(0.98, job.seconds / (job.seconds + Math.max(left, 0.5)))}></progress>
      <p class="muted">${left > 1 ? `About ${duration(left)} left.` : "Almost done."} ${duration(job.seconds)} so far.</p>
      <button type="button" @click=${() => remove("jobs").then(studio.refresh)}>Stop</button></div>`;
  }

  function missing() {
    const classes = (state.project?.classes ?? []).filter((one) => one.name);
    const filled = classes.filter((one) => one.num >= LEAST_PHOTOS);
    if (filled.length >= 2) return null;
    return html`<p>Training needs photos of at least two classes, such as “cat” and “dog”. ${classes.length ? html`There ${filled.length === 1 ? html`is only <b>${filled[0].name}</b>` : "are none with two photos or more"}.` : ""}</p>
      <p><a class="button primary" href="#add">Add photos</a></p>`;
  }

  function ended(job) {
    if (!job || job.kind !== "train" || job.is_running || job.code === 0) return nothing;
    if (job.is_cancelled) return html`<p class="muted">Training was stopped; nothing was lost.</p>`;
    const line = job.lines.filter((one) => one.trim()).at(-1) ?? "the command failed without a word.";
    return html`<p class="problem" role="alert">Training did not work: ${line.replace(/^(candid: )?error: /i, "")}</p>`;
  }

  const changes = ({ since }) => {
    const told = [["added", "added"], ["removed", "removed or dropped"], ["relabelled", "given another class"]].filter(([one]) => since[one]);
    return told.length ? html`<p class="since">Since this training: ${told.map(([one, words]) => `${count(since[one])} ${words}`).join(", ")}. Train again to take that in.</p>` : nothing;
  };

  function training() {
    const lack = missing();
    if (lack) return lack;
    if (isTraining()) return progress(state.job);
    const isReading = !state.project.is_embedded;
    const isBusy = state.job?.is_running;
    const chosen = list?.qualities.find((one) => one.name === quality);
    const words = isWanted ? "Starts when the photos are read…" : run ? "Train again" : "Train";
    return html`<div class="start"><button type="button" class="primary" ?disabled=${isBusy || isWanted} @click=${() => (isReading ? ((isWanted = true), draw()) : train())}>${words}</button>
      <label>How thorough <select @change=${(event) => { quality = event.target.value; draw(); }}>${(list?.qualities ?? []).map((one) => html`<option value=${one.name} ?selected=${one.name === quality}>${QUALITIES[one.name]}, about ${duration(one.seconds)}</option>`)}</select></label></div>
      ${isBusy ? html`<p class="muted">Another command is running: ${state.job.kind}.</p>` : nothing}
      ${run ? changes(run) : html`<p class="muted">The computer learns from most photos, and is tested on the others, which it has not seen. Copies of one picture are never on both sides.</p>`}
      ${ended(state.job)}${chosen ? studio.command(chosen.command) : nothing}`;
  }

  // --- Runs -------------------------------------------------------------------------------------

  function runs() {
    if (!list?.runs.length) return nothing;
    const row = (one) => html`<tr aria-current=${one.number === run?.number ? "true" : nothing}>
      <th scope="row"><button type="button" class="plain" aria-pressed=${one.number === run?.number} @click=${() => choose(one.number)}>${one.name}</button></th>
      <td>${one.created}</td><td>${one.num_photos == null ? "" : count(one.num_photos)}</td><td>${one.classes.length}</td>
      <td>${one.decisions ? count(one.decisions.num_dropped + one.decisions.num_relabelled) : "0"}</td><td>${one.recipe}</td>
      <td>${one.accuracy ? html`<b>${percent(one.accuracy.value)}</b> <span class="muted">${between(one.accuracy)}</span>` : "not measured"}</td></tr>`;
    return html`<section class="runs"><h2>All trainings</h2><p class="muted">Choose a name to see that one; the other screens follow.</p>
      <div class="wide" tabindex="0" role="region" aria-label="Trainings"><table><thead><tr>${["Name", "When", "Photos", "Classes", "Corrections", "Recipe", "Right"].map((one) => html`<th scope="col">${one}</th>`)}</tr></thead>
      <tbody>${list.runs.map(row)}</tbody></table></div></section>`;
  }

  function sideBySide() {
    if (!compared || !list) return nothing;
    const others = list.runs.filter((one) => one.number !== run.number);
    const change = (event) => { against = Number(event.target.value); load(); };
    const column = (title, found) => html`<div><h3>${count(found.length)} ${title}</h3>${found.length ? strip(found, `, ${title}`) : html`<p class="muted">None.</p>`}</div>`;
    const verdict = () => html`<p class="headline small"><b>${count(compared.newly_wrong.length)} newly wrong, ${count(compared.newly_right.length)} newly right</b>
      of ${count(compared.num_images)} that both were tested on. ${compared.is_real ? "The difference is real: chance alone would hardly make it." : "That may well be chance."}</p>
      <p class="muted">${compared.sentence.replaceAll("`", "")}</p>${compared.notes.map((one) => html`<p class="muted">${one}</p>`)}
      <div class="columns">${column("newly wrong", compared.newly_wrong)}${column("newly right", compared.newly_right)}</div>${studio.command(compared.command)}`;
    return html`<section class="compared"><h2><span id="versus">${run.name} compared with</span>
      <select aria-labelledby="versus" @change=${change}>${others.map((one) => html`<option value=${one.number} ?selected=${one.number === compared.other.number}>${one.name}</option>`)}</select></h2>
      ${compared.failure ? html`<p>They can't be compared: ${compared.failure}</p>` : verdict()}</section>`;
  }

  function draw() {
    const judged = run && !isTraining() ? html`${answer(run)}${confusion(run)}${answering(run, step, (next) => { step = next; draw(); })}${sideBySide()}${steps(run)}` : nothing;
    render(html`<h1>${run && !isTraining() ? "How good it is" : "Train"}</h1>
      <section class="training" aria-label="Training">${training()}${failure ? html`<p class="problem" role="alert">${failure}</p>` : nothing}</section>
      ${judged}${runs()}`, root);
  }

  function update(next) {
    state = next;
    if (isWanted && state.project?.is_embedded && !state.job?.is_running) train();
    if (loaded !== key() && !isTraining()) load();
    draw();
  }

  draw();
  return { update, close() { isClosed = true; } };
}
