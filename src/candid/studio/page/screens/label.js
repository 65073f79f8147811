// Label: batches of photos that share a guess. One key accepts them, after wrong ones were clicked out.

import { get, pictureOf, post } from "../api.js";
import { makeViewer } from "../enlarged.js";
import { factsOf, forgetFacts, loadFacts } from "../grid.js";
import { html, nothing, render } from "../vendor/lit-html.js";

export const name = "Label";

const WAIT_MS = 500;
const MOST_KEYS = 10;
const LIKELY = 0.6; // mean probability of a guess above which most of them are right
const asWord = (label) => (["keep", "drop"].includes(label.trim().toLowerCase()) ? `${label}/` : label);
const count = (num, one, many) => `${num.toLocaleString("en")} ${num === 1 ? one : many}`;

export function open(root, studio) {
  let batch = null; // as the server gave it
  let out = new Set(); // photos that are not of the guess
  let given = new Map(); // photo → what it was given in this batch
  let cursor = -1; // place of the photo that keys are for; -1 for the whole rest
  let past = []; // what was shown before each step, for undoing
  let problem = "";
  let line = ""; // what was done last
  let isBusy = false; // keys wait for the studio
  let queue = Promise.resolve(); // what is being said to it, one after another
  let isNaming = false;
  let waiting = 0;
  let isClosed = false;
  let num = 0; // of photos known to the screen

  const classes = () => (studio.state.project?.classes ?? []).map((one) => one.name).filter(Boolean);
  const isDoubting = () => studio.query.get("mode") === "doubted";
  const mode = () => (isDoubting() ? "doubted" : "unlabelled");
  const ids = () => batch?.ids ?? [];
  const rest = () => ids().filter((id) => !out.has(id) && !given.has(id));
  const viewer = makeViewer(root, {
    step: (id, by) => ids()[Math.max(0, Math.min(ids().length - 1, ids().indexOf(id) + by))],
    decide: ([id], word) => giveOne(id, word) ?? undefined,
    like: (id) => studio.go("look", `like=${id}&sort=similarity&descending=true`),
    classes,
    onKey: (event, [id]) => onPhoto(event.key.toLowerCase(), id),
  });
  const page = document.createElement("div");
  page.className = "labelling";
  root.append(page);

  // --- What is asked and said ---

  async function load() {
    clearTimeout(waiting);
    isBusy = true;
    draw();
    try {
      show(await get("labels", { mode: mode() }));
      problem = "";
    } catch (error) {
      problem = error.message;
      if (error.code === "not_ready" && !isClosed) waiting = setTimeout(load, WAIT_MS);
    }
    isBusy = false;
    draw();
  }

  function show(next) {
    batch = next;
    out = new Set();
    given = new Map();
    cursor = !next.guess && next.ids.length ? 0 : -1;
    loadFacts(next.ids).then(draw, () => {});
    scrollTo(0, 0);
  }

  const inTurn = (work) => (queue = queue.then(work));

  function snapshot() {
    past.push({ batch, out: new Set(out), given: new Map(given), cursor });
    return past.at(-1);
  }

  // Says it all in one step, and shows the next batch.
  async function send(labels, refused) {
    snapshot();
    isBusy = true;
    draw();
    await queue;
    try {
      const next = await post("labels", { mode: batch.mode, guess: batch.guess, labels, refused });
      forgetFacts();
      show(next);
      await studio.refresh();
    } catch (error) {
      past.pop();
      studio.say(error.message);
    }
    isBusy = false;
    draw();
  }

  function accept() {
    const accepted = rest();
    if (!ids().length || isBusy) return;
    if (!batch.guess && accepted.length) {
      line = "There is no guess yet: give each photo its class, with the keys 1, 2, 3 …";
      cursor = ids().indexOf(accepted[0]);
      return draw();
    }
    const left = [...out].filter((id) => !given.has(id));
    line = accepted.length ? `${count(accepted.length, "photo is", "photos are")} ${batch.guess} now.` : "";
    if (left.length) line += batch.mode === "doubted" ? ` ${count(left.length, "photo keeps its", "photos keep their")} class.` : ` ${count(left.length, "photo comes", "photos come")} again, with another guess.`;
    send(Object.fromEntries(accepted.map((id) => [id, batch.guess])), left);
  }

  // The whole rest, and those that were clicked out are not of the guess.
  function acceptAs(label) {
    const accepted = rest();
    if (!accepted.length || isBusy) return;
    line = `${count(accepted.length, "photo is", "photos are")} ${label} now.`;
    const left = [...out].filter((id) => !given.has(id));
    send(Object.fromEntries(accepted.map((id) => [id, label])), left);
  }

  // One photo at once, so that nothing is lost: a class as in decisions.csv, "keep", "drop", or "".
  // It is shown before the studio has answered, so that one can type on.
  function giveOne(id, word) {
    if (isBusy) return null;
    const before = snapshot();
    if (word) given.set(id, word);
    else given.delete(id);
    out.delete(id);
    if (!viewer.isOpen) cursor = nextAfter(id);
    const isLast = !rest().length && !out.size;
    isBusy = isLast;
    draw();
    return inTurn(async () => {
      try {
        await post("decisions", { ids: [id], decision: word });
        forgetFacts();
        await Promise.all([studio.refresh(), loadFacts([id])]);
        recount();
        if (isLast) await load();
      } catch (error) {
        past = past.filter((one) => one !== before);
        if (before.batch === batch) ({ out, given, cursor } = before);
        studio.say(error.message);
        isBusy = false;
      }
      draw();
    });
  }

  // The photo that is looked at next: of those without a class, or that were clicked out of a guess.
  function nextAfter(id) {
    const isOpen = (other) => !given.has(other) && (!batch.guess || out.has(other));
    const later = ids().findIndex((other, place) => place > ids().indexOf(id) && isOpen(other));
    return later >= 0 ? later : ids().findIndex(isOpen);
  }

  const recount = () => { if (batch && studio.state.labels) Object.assign(batch, studio.state.labels); };

  async function undo() {
    if (isBusy) return;
    isBusy = true;
    await queue;
    try {
      const { is_undone } = await post("undo");
      forgetFacts();
      await studio.refresh();
      line = is_undone ? "Undone." : "There is nothing to undo.";
      const before = is_undone ? past.pop() : null;
      isBusy = false;
      if (!before) return is_undone ? load() : draw();
      ({ batch, out, given, cursor } = before);
      recount();
      loadFacts(ids()).then(draw, () => {});
    } catch (error) {
      studio.say(error.message);
    }
    isBusy = false;
    draw();
  }

  function toggle(id) {
    if (given.has(id)) return giveOne(id, "");
    if (batch.guess && !out.delete(id)) out.add(id);
    draw();
  }

  async function nameClass(event) {
    event.preventDefault();
    const form = event.target;
    const field = form.elements.label;
    line = "Making the class …";
    draw();
    try {
      const { name: made } = await post("classes", { name: field.value });
      for (let tries = 0; tries < 20 && !classes().includes(made); tries++) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        await studio.refresh();
      }
      line = `There is a class ${made} now.`;
      form.reset();
      isNaming = false;
    } catch (error) {
      line = "";
      studio.say(error.message);
    }
    draw();
    const isElsewhere = document.activeElement !== document.body && !form.contains(document.activeElement);
    if (!isElsewhere && !field.value) page.querySelector(classes().length < 2 ? ".first input" : ".photos")?.focus();
  }

  // --- Keys ---

  function onPhoto(key, id) {
    const label = /^[0-9]$/.test(key) ? classes()[(Number(key) + 9) % 10] : undefined;
    if (label !== undefined) giveOne(id, asWord(label));
    else if (key === "d") giveOne(id, "drop");
    else return false;
    return true;
  }

  function columns() {
    const tiles = [...page.querySelectorAll("[role=option]")];
    const next = tiles.findIndex((tile) => tile.offsetTop > tiles[0].offsetTop);
    return next < 0 ? tiles.length : next;
  }

  function move(by) {
    cursor = cursor < 0 ? 0 : Math.max(0, Math.min(ids().length - 1, cursor + by));
    draw();
    page.querySelector(".active")?.scrollIntoView({ block: "nearest" });
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || viewer.isOpen || !ids().length) return;
    const inControl = event.target.closest?.("a, button, input, select, summary, dialog");
    if (inControl && (["Enter", " "].includes(event.key) || event.target.matches("input, select"))) return;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns(), Home: -ids().length, End: ids().length };
    const key = event.key.toLowerCase();
    const label = /^[0-9]$/.test(key) ? classes()[(Number(key) + 9) % 10] : undefined;
    if (event.key in steps) move(steps[event.key]);
    else if (event.key === "Enter") accept();
    else if (event.key === " " && cursor >= 0) toggle(ids()[cursor]);
    else if (event.key === "Escape" && cursor >= 0) { cursor = -1; draw(); }
    else if (key === "u") undo();
    else if (key === "o" && cursor >= 0) viewer.open(ids()[cursor]);
    else if (cursor >= 0 && onPhoto(key, ids()[cursor])) { /* done */ }
    else if (cursor < 0 && label !== undefined) acceptAs(label);
    else return;
    event.preventDefault();
  }
  document.addEventListener("keydown", onKey);

  // --- Drawing ---

  const wordOf = (word) => (word === "drop" ? "left out" : word === "keep" ? "kept" : word.replace(/\/$/, ""));

  function tile(id, place) {
    const row = factsOf(id);
    const isOut = out.has(id);
    const told = given.get(id);
    const share = Math.round(100 * batch.probabilities[place]);
    const now = row?.label && batch.mode === "doubted" ? `is in ${row.label}` : "";
    const state = told ? `→ ${wordOf(told)}` : isOut ? (batch.mode === "doubted" ? `✓ stays ${row?.label ?? "as it is"}` : `✗ not ${batch.guess}`) : batch.guess || "?";
    const below = [now, batch.guess && !told ? `${share} %` : ""].filter(Boolean).join(", ");
    return html`<div role="option" id=${`photo-${id}`} class="photo ${isOut ? "out" : ""} ${told ? "given" : ""} ${place === cursor ? "active" : ""}"
      aria-selected=${!isOut && !told && !!batch.guess} aria-label=${`${[state, below].filter(Boolean).join(" ")}, ${row?.path ?? `photo ${place + 1}`}`}
      @click=${() => { cursor = place; toggle(id); }} @dblclick=${() => viewer.open(id)}>
      <img src=${pictureOf(id, 320)} alt="" decoding="async">
      <b>${state}</b> <small>${below}</small></div>`;
  }

  function question() {
    if (!batch.guess) return html`What are these? <small>${batch.ids.length} photos that are as different as can be. Give each its class: the studio learns from them and begins to guess.</small>`;
    if (batch.mode === "doubted") return html`Should these be <b>${batch.guess}</b>? <small>They are in another class, but a classifier that did not see them would say ${batch.guess}. Click those that are right where they are.</small>`;
    const sure = batch.probabilities.reduce((sum, one) => sum + one, 0) / batch.ids.length;
    if (sure > LIKELY) return html`Are these all <b>${batch.guess}</b>? <small>Click those that are not.</small>`;
    return html`Which of these are <b>${batch.guess}</b>? <small>The studio is not sure, so it learns most from these. Click those that are not ${batch.guess}, and give them their class.</small>`;
  }

  function choices() {
    const one = cursor >= 0 ? ids()[cursor] : null;
    const choose = (label) => (one === null ? acceptAs(label) : giveOne(one, asWord(label)));
    const button = (label, place) => html`<button type="button" ?disabled=${isBusy} @click=${() => choose(label)}>${place < MOST_KEYS ? html`<kbd>${(place + 1) % 10}</kbd> ` : nothing}${label}</button>`;
    return html`<div class="choices" role="group" aria-label=${one === null ? "Class of all the rest" : "Class of the marked photo"}>
      <span>${one === null ? "All the rest are:" : "The marked photo is:"}</span>
      ${classes().map(button)}
      ${one === null ? nothing : html`<button type="button" @click=${() => giveOne(one, "drop")}><kbd>D</kbd> Leave it out</button>
        <button type="button" @click=${() => viewer.open(one)}><kbd>O</kbd> Enlarge</button>`}
      ${isNaming ? html`<form class="naming" @submit=${nameClass}><label>New class <input name="label" maxlength="80" required autocomplete="off"></label><button>Add</button></form>`
        : html`<button type="button" @click=${startNaming}>+ New class</button>`}</div>`;
  }

  function startNaming() {
    isNaming = true;
    draw();
    page.querySelector(".naming input")?.focus();
  }

  function buttons() {
    const accepted = rest().length;
    const text = !accepted ? "Next" : batch.guess ? (accepted === 1 ? `This one is ${batch.guess}` : `These ${accepted} are ${batch.guess}`) : "";
    return html`<div class="acts">
      ${text ? html`<button type="button" class="primary" ?disabled=${isBusy} @click=${accept}><kbd>Enter</kbd> ${text}</button>` : nothing}
      <button type="button" ?disabled=${isBusy || !studio.state.decisions?.can_undo} @click=${undo}><kbd>U</kbd> Undo</button>
      <span class="line" role="status">${isBusy ? "…" : line}</span></div>`;
  }

  function howFar() {
    const { num: all = 0, num_labelled: done = 0 } = batch ?? studio.state.labels ?? {};
    return html`<p class="far"><progress .value=${all ? done / all : 0} aria-label="Photos that have a class"></progress>
      <span><b>${done.toLocaleString("en")}</b> of ${count(all, "photo has", "photos have")} a class</span></p>`;
  }

  const tab = (isShown, id, text) => html`<a href=${id ? `#label?mode=${id}` : "#label"} aria-current=${isShown ? "page" : nothing}>${text}</a>`;

  const nameFirst = () => html`<form class="naming" @submit=${nameClass}><label>Name of a class <input name="label" maxlength="80" required autocomplete="off"></label><button>Add</button></form>`;

  function empty() {
    const { project } = studio.state;
    if (problem) return html`<p role="status">${problem}</p>`;
    if (!batch) return html`<p role="status">Choosing photos …</p>`;
    if (!project.num_photos) return html`<h2>No photos here yet</h2><p>Drop files, or take photos with the webcam: <a href="#add">Add photos</a>.</p>`;
    if (batch.mode === "doubted") return html`<h2>No class is in doubt</h2><p>${classes().length < 2 ? "Two classes with photos are needed to tell." : "For every photo that you have not decided about, a classifier that did not see it gives the class that it is in."} <a href="#judge">Train</a> to see how good the classifier is.</p>`;
    return html`<h2>Every photo has a class</h2><p>Photos that lie beside the class folders, or in a folder <code>unlabelled</code>, come here to get one. <a href="#label?mode=doubted">Check classes that are in doubt</a>, or <a href="#judge">train</a>.</p>`;
  }

  function draw() {
    const { project } = studio.state;
    if (!project || isClosed) return;
    const body = !batch?.ids.length || problem
      ? html`<div class="empty">${empty()}</div>`
      : html`<h2 class="question" id="question">${question()}</h2>
        ${classes().length < 2 && !isDoubting() ? html`<div class="first"><p>${classes().length ? "Name another class: two are needed at least." : "Name the classes first: what can be seen on the photos."}</p>${nameFirst()}</div>` : nothing}
        <div class="controls">${buttons()}${classes().length ? choices() : nothing}</div>
        <div class="photos" role="listbox" tabindex="0" aria-multiselectable="true" aria-labelledby="question"
          aria-activedescendant=${cursor >= 0 ? `photo-${ids()[cursor]}` : nothing}>${ids().map(tile)}</div>
        <p class="note"><kbd>Enter</kbd> accepts. Arrow keys mark a photo, <kbd>Space</kbd> clicks it out, figures give a class to the marked photo, or to all the rest if none is marked (<kbd>Esc</kbd>). <kbd>U</kbd> undoes.</p>`;
    render(html`<h1 class="unseen">Label</h1>
      <div class="top"><nav aria-label="What to label">${tab(!isDoubting(), "", "No class yet")}${tab(isDoubting(), "doubted", "Classes in doubt")}</nav>${howFar()}</div>
      ${body}
      ${studio.state.decisions?.num ? studio.command(`candid train ${quote(project.folder)} --decisions ${quote(studio.state.decisions.file)}`) : nothing}`, page);
  }

  const quote = (text) => (/^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  function update({ project }) {
    if (!project) return;
    const isNew = project.num_photos !== num;
    num = project.num_photos;
    recount();
    if (batch === null ? !isBusy && !problem : isNew && !batch.ids.length) load();
    else draw();
  }

  return {
    update,
    close() {
      isClosed = true;
      clearTimeout(waiting);
      document.removeEventListener("keydown", onKey);
      viewer.close();
    },
  };
}
