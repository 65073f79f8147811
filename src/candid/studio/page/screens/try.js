// Try: ask the run that is chosen, by the web export that would be shipped.

import { answer } from "../answer.js";
import { get, pictureOf, post } from "../api.js";
import { makeCulprits } from "../culprits.js";
import { makeLive } from "../live.js";
import { html, nothing, render } from "../vendor/lit-html.js";
import { loadWeb, toBase64 } from "../web_engine.js";

export const name = "Try";

const MOST_KEPT = 24; // photos
const asked = new Set(); // commands that were started without being asked for: once each
const OUTCOMES = {
  waiting: () => ["…", "waits for the next training"],
  right: () => ["✓", "is now right, and the model had not seen it"],
  wrong: ({ guess }) => ["✗", `is still wrong: ${guess}`],
  learnt: () => ["•", "was learnt from, so its answer proves nothing"],
  absent: () => ["∅", "was not part of the training"],
};

export function open(root, studio) {
  const parts = Object.fromEntries(["top", "camera", "list", "past", "status"].map((id) => {
    const element = document.createElement("div");
    element.className = id;
    root.append(element);
    return [id, element];
  }));
  parts.status.className = "unseen";
  parts.status.setAttribute("role", "status");
  let state = studio.state;
  let info = null; // of /api/trying
  let web = null; // of loadWeb
  let address = "";
  let key = "";
  let line = ""; // what loads
  let failure = "";
  let cards = []; // the newest first
  let isHeated = false;
  let answering = Promise.resolve();
  let isClosed = false;
  let isOver = false; // something is dragged over the page
  const live = makeLive(parts.camera, { web: () => web, isHeated: () => isHeated, onHeat: heat, onFreeze: (file) => take([file]), say: studio.say });

  // --- The run and its export ---------------------------------------------------------------------

  const keyOf = ({ project, runs, job, tried, exports }) => JSON.stringify([project?.num_photos, runs?.stamp, runs?.chosen, exports?.stamp, tried, job?.number, job?.is_running]);

  async function load() {
    key = keyOf(state);
    try {
      info = await get("trying");
      failure = "";
      if (!info.web) stop();
      if (info.web && info.web !== address) await start(info.web);
      else if (!info.web && info.run) makeOnce();
    } catch (error) {
      failure = error.message;
    }
    draw();
  }

  async function start(wanted) {
    stop();
    address = wanted;
    try {
      const loaded = await loadWeb(wanted, (text) => { line = text; drawTop(); });
      if (isClosed || address !== wanted) return;
      web = loaded;
      cards.forEach((card) => { card.panel?.close(); card.panel = null; });
      cards.forEach(enqueue); // the new run may answer otherwise
      askFromAddress();
    } catch (error) {
      address = "";
      throw error;
    } finally {
      line = "";
    }
  }

  // Another run was chosen, whose export is not there yet.
  function stop() {
    live.stop();
    web = null;
    address = "";
  }

  function makeOnce() {
    if (state.job?.is_running || info.job || asked.has(info.command)) return;
    asked.add(info.command);
    make();
  }

  async function make() {
    try {
      await post("trying/web");
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  // --- Photos -------------------------------------------------------------------------------------

  function take(files, own = null) {
    if (!web) return studio.say("The model is not ready yet; a moment.");
    const batch = files.slice(0, MOST_KEPT).map((file) => makeCard(file, own));
    cards.slice(MOST_KEPT - batch.length).forEach((card) => card.panel?.close());
    cards = [...batch, ...cards].slice(0, MOST_KEPT);
    batch.forEach(enqueue);
    drawCards();
  }

  const makeCard = (file, own) => ({ file, own, canvas: null, heat: null, item: null, embedding: null, similar: [], failure: "", saved: "", isAdding: false, panel: null, holder: makeHolder() });

  function makeHolder() {
    const holder = document.createElement("div");
    holder.className = "why";
    return holder;
  }

  function enqueue(card) {
    answering = answering.then(() => answerCard(card));
  }

  async function answerCard(card) {
    if (isClosed || !cards.includes(card)) return;
    const { run } = info;
    const asker = web;
    if (!asker) return; // asked again once it is there
    try {
      card.canvas ??= await asker.draw(card.file);
      const { item, embedding } = await asker.examine(card.file, card.file.name);
      if (asker !== web) return;
      Object.assign(card, { item, embedding, heat: null, similar: [], failure: "" });
      drawCards();
      parts.status.textContent = web.words.spoken(card.file.name, item);
      if (!embedding) return;
      const { similar } = await post("trying/similar", { run: run.number, embedding: toBase64(embedding) });
      card.similar = similar;
      item.explanation = { ...item.explanation, similar: similar.slice(0, 3) };
    } catch (error) {
      card.failure = error.message;
    }
    drawCards();
  }

  // `#try?photo=12`: one of the project's.
  async function askFromAddress() {
    const id = studio.query.get("photo");
    if (!id || !web || cards.some((card) => card.own?.id === Number(id))) return;
    try {
      const [response, facts] = await Promise.all([fetch(`/api/trying/photo/${id}`), get(`photos/${id}`)]);
      if (!response.ok) throw new Error("The photo can’t be read any more.");
      take([new File([await response.blob()], facts.path)], facts);
      why(cards[0]);
    } catch (error) {
      studio.say(error.message);
    }
  }

  function why(card) {
    if (card.panel) {
      card.panel.close();
      card.panel = null;
      return drawCards();
    }
    answering = answering.then(() => {
      if (!card.embedding) return;
      card.panel = makeCulprits(card.holder, {
        run: info.run.number, embedding: card.embedding, item: card.item, own: card.own?.id ?? null,
        answered: card.own?.guess || card.item.label, against: card.own?.label, percent: web.words.percent, studio,
      });
      drawCards();
    });
  }

  async function correct(card, label) {
    if (!label) return;
    const { item } = card;
    card.isAdding = true;
    drawCards();
    try {
      const query = new URLSearchParams({ run: info.run.number, label, answered: item.label ?? "", probability: item.probability ?? 0 });
      const form = new FormData();
      form.append("image", card.file, card.file.name);
      const { outcome, path } = await post(`trying/wrong?${query}`, form);
      card.saved = outcome === "saved" ? `It is now a photo of “${label}”: ${path}.` : `This photo is in the project already: ${path}. Look whether its class is right.`;
      card.panel?.against(label);
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
    card.isAdding = false;
    drawCards();
  }

  function remove(card) {
    card.panel?.close();
    cards = cards.filter((one) => one !== card);
    drawCards();
    parts.top.querySelector("button")?.focus();
  }

  // --- Drawing ------------------------------------------------------------------------------------

  function choose(multiple, capture) {
    const input = document.createElement("input");
    Object.assign(input, { type: "file", accept: "image/*", multiple });
    if (capture) input.capture = "environment";
    input.addEventListener("change", () => take([...input.files]));
    input.click();
  }

  const left = (seconds) => (seconds == null ? "" : `, about ${Math.ceil(seconds)} s left`);

  function waiting() {
    const { job } = state;
    const isOurs = job?.is_running && info.job?.number === job.number;
    if (isOurs) {
      const step = job.step;
      return html`<p role="status">Making the web export that answers here: once for each run.</p>
        <p><progress .value=${step?.total ? step.done / step.total : 0} aria-label="Making the web export"></progress> ${step?.title ?? "Starting"}${left(step?.left_s)}</p>`;
    }
    if (job?.is_running) return html`<p role="status">The web export that answers here is made when the command that runs has ended.</p>`;
    if (info.job && !info.job.is_running && info.job.code !== 0) {
      return html`<p class="problem" role="alert">The web export failed. ${info.job.is_cancelled ? "It was stopped." : info.job.lines.at(-1) ?? ""}</p>
        <p><button type="button" class="primary" @click=${make}>Make it again</button></p>`;
    }
    if (address || line) return html`<p role="status">${line || "Loading the model…"}</p>`;
    return html`<p><button type="button" class="primary" @click=${make}>Make the web export</button></p>`;
  }

  function drawTop() {
    if (isClosed) return;
    const { project } = state;
    if (!info || !project) return render(html`<h1>Try</h1>${failure ? html`<p class="problem" role="alert">${failure}</p>` : html`<p>…</p>`}`, parts.top);
    if (!info.run) {
      return render(html`<h1>Try</h1><section><h2>Nothing is trained yet</h2>
        <p>Train a classifier first; then show it photos here, or the camera.</p><p><a class="button primary" href="#judge">Train</a></p></section>`, parts.top);
    }
    render(html`<h1>Try</h1>
      <p class="muted">Answers by <b>${info.run.name}</b>, computed in this page by the very files that “Ship” gives for the web. Photos stay on this machine.</p>
      ${failure ? html`<p class="problem" role="alert">${failure}</p>` : nothing}
      <section class="intake ${isOver ? "over" : ""}" aria-label="Photos to ask about">
      ${web ? html`<p class="invitation">Drop photos here, or paste one</p>
        <p class="buttons"><button type="button" class="primary" @click=${() => choose(true, false)}>Choose photos</button>
          <button type="button" aria-pressed=${live.isOn} @click=${() => (live.isOn ? live.stop() : live.start().then(drawTop))}>Camera</button>
          <button type="button" class="by-finger" @click=${() => choose(false, true)}>Take a photo</button>
          ${cards.length ? html`<button type="button" aria-pressed=${isHeated} @click=${heat}><kbd>H</kbd> Heat map</button>
            <button type="button" @click=${clear}>Remove all</button>` : nothing}</p>` : waiting()}
      ${studio.command(info.command)}</section>`, parts.top);
  }

  function clear() {
    cards.forEach((card) => card.panel?.close());
    cards = [];
    draw();
  }

  function heat() {
    isHeated = !isHeated;
    drawTop();
    live.redraw();
    drawCards();
  }

  function picture(card) {
    const map = card.item?.explanation?.heat;
    if (!card.canvas) return html`<span class="missing">No preview</span>`;
    if (!isHeated || !map?.length) return card.canvas;
    card.heat ??= web.drawHeat(card.canvas, map, web.fit);
    return card.heat;
  }

  function corrections(card) {
    if (card.saved) return html`<p class="done" role="status">${card.saved} <a href="#judge">Train again</a>, and this screen says whether it helped.</p>`;
    const others = info.run.classes.filter((label) => label !== card.item.label);
    const isDisabled = card.isAdding || state.project.is_read_only;
    return html`<div class="wrong" role="group" aria-label="That is wrong: what is it?"><span>That is wrong, it is</span>
      ${others.length <= 6 ? others.map((label) => html`<button type="button" ?disabled=${isDisabled} @click=${() => correct(card, label)}>${label}</button>`)
    : html`<select aria-label="The right class" ?disabled=${isDisabled} @change=${(event) => correct(card, event.target.value)}><option value="">choose…</option>${others.map((label) => html`<option>${label}</option>`)}</select>`}
      ${state.project.is_read_only ? html`<span class="muted">The folder can’t be written to, so photos can’t be added.</span>` : nothing}</div>`;
  }

  function known(card) {
    const { label, guess, probability, verdict } = card.own;
    return html`<p class="muted">One of your photos, of class ${label || "none yet"}. ${guess ? `A model that had not seen it answered ${guess}, ${web.words.percent(probability)} (${verdict}).` : ""}</p>`;
  }

  const likeness = ({ id, label, similarity }) => html`<li>${id == null ? html`<span class="missing">gone</span>` : html`<a href="#look?like=${id}&sort=similarity"><img src=${pictureOf(id)} alt="training photo of class ${label}" loading="lazy" width="96" height="96"></a>`}
    <span><bdi>${label}</bdi> <span class="muted">${similarity.toFixed(2)}</span></span></li>`;

  function drawCard(card) {
    const { item } = card;
    return html`<li class="asked"><div class="picture">${picture(card)}${isHeated && item?.explanation?.where ? html`<p class="muted">Evidence for ${item.label}: ${item.explanation.where}</p>` : nothing}</div>
      <div class="said"><p class="name"><bdi>${card.file.name}</bdi> <button type="button" class="small" aria-label="Remove ${card.file.name}" @click=${() => remove(card)}>✕</button></p>
        ${card.failure ? html`<p class="problem" role="alert">${card.failure}</p>` : nothing}
        ${!item ? html`<p class="headline muted">…</p>` : answer(item, web.words)}
        ${item?.label != null ? html`${card.own ? known(card) : nothing}<p>${web.words.why(item)}</p>
          ${card.own ? nothing : corrections(card)}
          ${card.similar.length ? html`<h3>The most similar training photos</h3><ul class="similar">${card.similar.map(likeness)}</ul>` : nothing}
          <p><button type="button" aria-expanded=${card.panel !== null} @click=${() => why(card)}>${card.panel ? "Hide what pulled it there" : "Why this answer?"}</button></p>` : nothing}
      </div>${card.holder}</li>`;
  }

  function drawCards() {
    if (isClosed || !info) return;
    drawTop();
    render(cards.length && web ? html`<h2>Answers</h2><ol class="cards">${cards.map(drawCard)}</ol>` : nothing, parts.list);
  }

  function drawPast() {
    const rows = info?.corrected ?? [];
    if (!rows.length) return render(nothing, parts.past);
    const nums = (kind) => rows.filter((row) => row.now.outcome === kind).length;
    const judged = nums("right") + nums("wrong");
    const sentence = judged ? `Of ${judged} that the new model had not seen, ${nums("right")} ${nums("right") === 1 ? "is" : "are"} now right.` : nums("waiting") === rows.length ? "Train again to see whether it helped." : "";
    render(html`<section class="corrected"><h2>What you corrected</h2><p>${sentence}</p><ul>${rows.map((row) => {
      const [mark, text] = OUTCOMES[row.now.outcome](row.now);
      return html`<li class=${row.now.outcome}>${row.id == null ? html`<span class="missing">gone</span>` : html`<img src=${pictureOf(row.id)} alt="" loading="lazy" width="96" height="96">`}
        <p><span aria-hidden="true">${mark}</span> Was answered ${row.answered || "nothing"}, is <b>${row.label}</b>: ${text}.</p></li>`;
    })}</ul></section>`, parts.past);
  }

  function draw() {
    if (isClosed) return;
    drawTop();
    drawCards();
    drawPast();
  }

  // --- Events -------------------------------------------------------------------------------------

  const stopping = new AbortController();
  const on = (type, act) => addEventListener(type, act, { signal: stopping.signal });
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  function over(event, isIn) {
    if (!hasFiles(event)) return;
    event.preventDefault();
    if (isOver !== isIn) {
      isOver = isIn;
      drawTop();
    }
  }
  on("dragover", (event) => over(event, true));
  on("dragleave", (event) => event.relatedTarget || over(event, false));
  on("drop", (event) => {
    over(event, false);
    if (hasFiles(event)) take([...event.dataTransfer.files]);
  });
  on("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, select, textarea, dialog")) return;
    if (event.key.toLowerCase() === "h") heat();
  });

  async function update(next) {
    state = next;
    if (key !== keyOf(state)) await load();
    else drawTop();
  }

  return {
    update,
    close() {
      isClosed = true;
      stopping.abort();
      live.stop();
      cards.forEach((card) => card.panel?.close());
    },
  };
}
