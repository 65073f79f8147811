// Take the trained model along: exports with what their gate found, the server, the model card.

import { get, post, remove } from "../api.js";
import { markdown } from "../markdown.js";
import { html, nothing, render } from "../vendor/lit-html.js";

export const name = "Ship";

const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`);
const count = (number) => number.toLocaleString("en");
const rate = (perS) => (perS >= 10 ? String(Math.round(perS)) : perS.toPrecision(2));

export function open(root, studio) {
  let state = studio.state;
  let found = null; // of /api/exports
  let card = ""; // the model card's Markdown
  let loaded = "";
  let failure = "";
  let isClosed = false;
  const readmes = new Map(); // Markdown by "<variant> <stamp>"

  const key = () => `${state.exports?.stamp} ${state.runs?.stamp} ${state.runs?.chosen}`;

  async function load() {
    loaded = key();
    try {
      const before = found?.run?.number;
      found = await get("exports");
      if (found.run && found.run.number !== before) card = "";
      failure = "";
    } catch (error) {
      failure = error.message;
    }
    if (!isClosed) draw();
  }

  async function make(variant) {
    try {
      await post("exports", { run: found.run.number, variant });
      failure = "";
      await studio.refresh();
    } catch (error) {
      failure = error.message;
    }
    draw();
  }

  async function readCard(event) {
    if (!event.target.open || card) return;
    card = (await get(`exports/${found.run.number}/card`).catch((error) => ({ text: error.message }))).text;
    if (!isClosed) draw();
  }

  async function readReadme(event, variant) {
    const id = `${variant.name} ${variant.made.stamp}`;
    if (!event.target.open || readmes.has(id)) return;
    readmes.set(id, (await get(`exports/${found.run.number}/${variant.name}/readme`).catch((error) => ({ text: error.message }))).text);
    if (!isClosed) draw();
  }

  // --- Exports ----------------------------------------------------------------------------------

  // The job of a variant: the one that runs, or the last.
  function jobOf(variant) {
    const of = state.exports?.job;
    return of && of.run === found.run.name && of.variant === variant.name && of.number === state.job?.number ? state.job : null;
  }

  function working(job) {
    const now = job.step;
    const counted = now?.total > 1 ? `, ${count(now.done)} of ${count(now.total)}` : "";
    return html`<div class="working"><p role="status">${now ? now.title : "Starting"}${counted}</p>
      <progress aria-label="Exporting" .value=${now?.total ? now.done / now.total : 0}></progress>
      <button type="button" @click=${() => remove("jobs").then(studio.refresh)}>Stop</button></div>`;
  }

  function ended(job) {
    if (!job || job.is_running || job.code === 0) return nothing;
    if (job.is_cancelled) return html`<p class="muted">It was stopped; nothing was written.</p>`;
    const line = job.lines.filter((one) => one.trim()).at(-1) ?? "the command failed without a word.";
    return html`<p class="problem" role="alert"><b>✗ Not exported:</b> ${line.replace(/^(candid: )?error: /i, "")}</p>`;
  }

  function gate(made) {
    const { num_compared: num, num_same_label: same, accuracy_difference: change } = made;
    const where = made.runtime ? html` In ${made.runtime}.` : nothing;
    if (change) {
      const points = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value * 100).toFixed(1)}`;
      return html`<b>✓ Not measurably worse:</b> the same class as the training's model for ${count(same)} of ${count(num)} pictures; right on ${points(change.value)} points more (${points(change.low)} to ${points(change.high)}).${where}`;
    }
    if (!num) return html`<b>✓ Passed</b>`;
    const all = same === num ? `all ${count(num)}` : `${count(same)} of ${count(num)}`;
    return html`<b>✓ Answers the same:</b> the same class as the training's model for ${all} pictures.${where}`;
  }

  function facts(variant) {
    const { made } = variant;
    const speed = made.images_per_s ? html`${rate(made.images_per_s)} pictures a second, on this machine` : "not measured";
    const readme = readmes.get(`${variant.name} ${made.stamp}`);
    return html`<p class="gate">${gate(made)}</p>
      <dl class="figures"><div><dt>Size</dt><dd>${size(made.num_bytes)}</dd></div><div><dt>Speed</dt><dd>${speed}</dd></div>
        <div><dt>Folder</dt><dd><code>${made.folder}</code></dd></div></dl>
      <p class="buttons"><a class="button" href="/api/exports/${found.run.number}/${variant.name}/zip" download>Download as ZIP</a>
        <button type="button" ?disabled=${state.job?.is_running} @click=${() => make(variant.name)}>Export again</button></p>
      ${made.has_readme ? html`<details class="readme" @toggle=${(event) => readReadme(event, variant)}><summary>How to use it</summary>${readme ? markdown(readme, 3) : nothing}</details>` : nothing}`;
  }

  function one(form, variant) {
    const job = jobOf(variant);
    const isBusy = state.job?.is_running;
    const words = variant.is_int8 ? "Export a smaller one" : "Export";
    const heading = form.variants.length > 1 ? html`<h4>${variant.is_int8 ? "Smaller: rounded to 8 bits" : "As trained"}</h4>` : nothing;
    return html`<div class="variant">${heading}
      ${job?.is_running ? working(job) : variant.made ? facts(variant) : html`<p><button type="button" ?disabled=${isBusy} aria-label="${words}: ${form.title}" @click=${() => make(variant.name)}>${words}</button></p>`}
      ${ended(job)}${studio.command(variant.command)}</div>`;
  }

  const format = (form) => html`<section class="format" aria-label=${form.title}><h3>${upper(form.title)}</h3><p class="muted">${upper(form.purpose)}.</p>
    ${form.lacks && !form.variants.some((variant) => variant.made) ? html`<p class="lacks">${upper(form.lacks)}</p>` : form.variants.map((variant) => one(form, variant))}</section>`;

  const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

  // --- The screen -------------------------------------------------------------------------------

  function shipping() {
    const { run } = found;
    return html`<h2>Take it along</h2><p class="muted">What is exported is loaded again by the program it is for, and asked about photos that were kept out of the training. If it does not answer as the model that you judged, it is not kept.</p>
      <div class="formats">${found.formats.map(format)}</div>
      <section class="serve"><h2>Answer over the network</h2>
        <p>This command answers for photos over HTTP, with a page to try it at the address that it prints. Only this machine can reach it, unless you add <code>--host 0.0.0.0</code>.</p>
        <p class="line"><code>${run.serve}</code> <button type="button" @click=${() => copy(run.serve)}>Copy the command</button></p></section>
      ${run.has_card ? html`<section class="card"><h2>Model card</h2>
        <p>What the model is for, what it was trained on, and how often it is right: to be passed on together with it.</p>
        <p class="buttons"><a class="button" href="/api/exports/${run.number}/MODEL_CARD.md" download>Download MODEL_CARD.md</a></p>
        <details @toggle=${readCard}><summary>Read it</summary>${card ? markdown(card) : nothing}</details></section>` : nothing}`;
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      studio.say("Copied.");
    } catch {
      studio.say("The browser refused to copy; mark the text and copy it.");
    }
  }

  function draw() {
    const body = !found ? html`<p class="muted">A moment…</p>`
      : !found.run ? html`<section><p>Nothing is trained yet, so there is nothing to take along.</p><p><a class="button primary" href="#judge">Train first</a></p></section>`
      : shipping();
    render(html`<h1>Ship</h1>${found?.run ? html`<p>The training <b>${found.run.name}</b>. Another one can be chosen under <a href="#judge">Train</a>.</p>` : nothing}
      ${failure ? html`<p class="problem" role="alert">${failure}</p>` : nothing}${body}`, root);
  }

  function update(next) {
    state = next;
    if (loaded !== key()) load();
    draw();
  }

  draw();
  return { update, close() { isClosed = true; } };
}
