// Photos: a grid and a map of those that are filtered for, and what is decided about them.

import { get, getBytes, post } from "../api.js";
import { makeViewer } from "../enlarged.js";
import { factsOf, forgetFacts, loadFacts, makeGrid } from "../grid.js";
import { makeMap, markOf } from "../map.js";
import { html, nothing, render } from "../vendor/lit-html.js";

export const name = "Photos";

const SORTS = [
  ["name", "Name", false],
  ["confidence", "Least sure first", false],
  ["disagreement", "Answer against class", true],
  ["strangeness", "Strangest first", true],
  ["similarity", "Most similar first", true],
  ["size", "Largest file first", true],
  ["date", "Newest first", true],
];
const VERDICTS = { right: "✓ right", wrong: "✗ wrong", uncertain: "? not sure", unknown: "∅ unlike the others" };
const DECISIONS = { none: "undecided", keep: "✓ keep", drop: "✕ drop", moved: "→ other class" };
const FILTERS = ["label", "guess", "part", "verdict", "finding", "decision", "name", "like", "copies_of"];
const SIZES = { small: 110, medium: 160, large: 250 };
const SEARCH_MS = 250;

export function open(root, studio) {
  const bar = document.createElement("div");
  bar.className = "filters";
  const sides = document.createElement("div");
  sides.className = "sides";
  const foot = document.createElement("div");
  foot.className = "chosen";
  const [left, right] = [document.createElement("section"), document.createElement("section")];
  left.className = "left";
  right.className = "right";
  right.hidden = true;
  right.setAttribute("aria-label", "Map");
  sides.append(left, right);
  const note = document.createElement("div");
  note.className = "empty";
  left.append(note);
  root.append(bar, sides, foot);

  const query = { sort: "name", descending: false, fold: false, ...Object.fromEntries(studio.query) };
  query.fold = query.fold === "true" || query.fold === true;
  query.descending = query.descending === "true" || query.descending === true;
  let facets = null;
  let stamp = null;
  let isMap = false;
  let isLoading = false;
  let problem = "";
  let size = "medium";
  let searching = 0;
  let map = null;
  let mapped = null; // the features that the map shows

  const classes = () => (studio.state.project?.classes ?? []).map((one) => one.name);
  const grid = makeGrid(left, { label: "Photos; Enter opens, Space selects, figures give a class, D drops, K keeps, U undoes", onSelect, onOpen: (id) => viewer.open(id), onKey });
  const viewer = makeViewer(root, { step: (id, by) => grid.next(id, by), decide, like: (id) => like(id), classes, onKey });

  // --- What is shown ---

  async function load({ fresh = false } = {}) {
    isLoading = true;
    drawBar();
    try {
      if (fresh || !facets) facets = await get("photos/facets");
      await grid.load(asked());
      problem = "";
    } catch (error) {
      problem = error.message;
      if (error.code === "not_ready") stamp = null; // asked for again with the next state
    }
    isLoading = false;
    map?.setShown(isFiltered() || query.fold ? grid.ids : null);
    draw();
  }

  const asked = () => Object.fromEntries(Object.entries(query).filter(([, value]) => value !== "" && value !== false));
  const isFiltered = () => FILTERS.some((one) => query[one]);

  function set(change) {
    Object.assign(query, change);
    if (query.sort === "similarity" && !query.like) query.sort = "name";
    const kept = asked();
    if (kept.sort === "name") delete kept.sort;
    const text = new URLSearchParams(kept).toString();
    history.replaceState(null, "", text ? `#look?${text}` : "#look");
    grid.top();
    load();
  }

  const clear = () => set({ ...Object.fromEntries(FILTERS.map((one) => [one, ""])), sort: "name", descending: false });
  const like = (id) => set({ ...Object.fromEntries(FILTERS.map((one) => [one, ""])), like: id, sort: "similarity", descending: true });
  const sortBy = (id) => set({ sort: id, descending: SORTS.find(([one]) => one === id)[2] });

  // --- What is decided ---

  const targets = () => grid.targets;

  async function decide(ids, word) {
    if (!ids.length) return;
    try {
      const all = query.fold ? (await post("photos/unfold", { ids })).ids : ids;
      await post("decisions", { ids: all, decision: word });
      const told = word === "drop" ? "Dropped" : word === "keep" ? "Kept" : `Class ${word}:`;
      studio.say(`${told} ${all.length === 1 ? (factsOf(all[0])?.path ?? "one photo") : `${all.length.toLocaleString("en")} photos`}.`, { label: "Undo", act: undo });
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  async function undo() {
    try {
      await post("undo");
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  // `word` as decisions.csv has it: a class of the name of a keyword ends in a slash.
  const asWord = (label) => (["keep", "drop"].includes(label.trim().toLowerCase()) ? `${label}/` : label);

  function onKey(event, ids = targets()) {
    const key = event.key.toLowerCase();
    const named = /^[0-9]$/.test(key) ? classes()[(Number(key) + 9) % 10] : undefined;
    if (named !== undefined) decide(ids, asWord(named));
    else if (key === "d") decide(ids, "drop");
    else if (key === "k") decide(ids, "keep");
    else if (key === "u") undo();
    else if (key === "m" && !viewer.isOpen) toggleMap();
    else if (key === "l" && ids.length === 1) like(ids[0]);
    else if (key === "/" && !viewer.isOpen) bar.querySelector("input[type=search]").focus();
    else return false;
    return true;
  }

  // --- Map ---

  async function toggleMap() {
    isMap = !isMap;
    right.hidden = !isMap;
    root.classList.toggle("mapped", isMap);
    if (isMap && !map) map = makeMap(right, { onSelect: (ids) => grid.select(ids), onOpen: (id) => viewer.open(id) });
    draw();
    if (isMap) await loadMap();
  }

  async function loadMap() {
    if (!isMap) return;
    try {
      map.setPoints(new Float32Array(await getBytes("photos/map")));
      map.setShown(isFiltered() || query.fold ? grid.ids : null);
      map.setSelected(grid.selected);
      mapped = "";
    } catch (error) {
      mapped = error.message;
    }
    drawMap();
  }

  function drawMap() {
    let holder = right.querySelector(".legend");
    if (!holder) {
      holder = document.createElement("div");
      holder.className = "legend";
      right.prepend(holder);
    }
    const entry = ({ name: label, num }, i) => html`<li><button type="button" aria-pressed=${query.label === label} @click=${() => set({ label: query.label === label ? "" : label })}>${markOf(i)} ${label} <span>${num.toLocaleString("en")}</span></button></li>`;
    render(html`${mapped ? html`<p role="status">${mapped}</p>` : nothing}
      <ul>${(facets?.labels ?? []).map(entry)}</ul>
      <p class="note">Similar photos are near each other. Draw around some to select them; turn the wheel to zoom.
        <button type="button" @click=${() => map.zoom(1.6)} aria-label="Zoom in">+</button>
        <button type="button" @click=${() => map.zoom(1 / 1.6)} aria-label="Zoom out">−</button></p>`, holder);
  }

  // --- Drawing ---

  const option = (value, text, chosen) => html`<option value=${value} ?selected=${value === String(chosen)}>${text}</option>`;
  const counted = (text, num) => `${text} (${num.toLocaleString("en")})`;

  function filter(key, title, all, rows) {
    if (!rows.length && !query[key]) return nothing;
    const known = rows.some(([value]) => value === query[key]) || !query[key] ? rows : [...rows, [query[key], query[key]]];
    return html`<label><span>${title}</span><select .value=${query[key] ?? ""} @change=${(event) => set({ [key]: event.target.value })}>
      ${option("", all, query[key] ?? "")}${known.map(([value, text]) => option(value, text, query[key]))}</select></label>`;
  }

  function search(event) {
    clearTimeout(searching);
    searching = setTimeout(() => set({ name: event.target.value }), SEARCH_MS);
  }

  function drawBar() {
    const { labels = [], parts = [], verdicts = [], findings = [], decisions = [] } = facets ?? {};
    const isHidden = (id) => (id === "similarity" && !query.like) || (["confidence", "disagreement"].includes(id) && !facets?.has_run);
    const hasCopies = facets && facets.num_pictures < studio.state.project.num_photos;
    render(html`
      <h1 class="unseen">Photos</h1>
      <label class="search"><span>Find</span><input type="search" placeholder="name of a file" .value=${query.name ?? ""} @input=${search}></label>
      ${filter("label", "Class", "all", labels.map((one) => [one.name, counted(one.name, one.num)]))}
      ${filter("guess", "Answer", "any", query.guess ? [[query.guess, query.guess]] : [])}
      ${filter("verdict", "Verdict", "any", verdicts.map((one) => [one.name, counted(VERDICTS[one.name], one.num)]))}
      ${filter("part", "Part", "all", parts.map((one) => [one.name, counted(one.name, one.num)]))}
      ${filter("finding", "Finding", "any", findings.map((one) => [one.name, counted(one.title, one.num)]))}
      ${filter("decision", "Decision", "any", decisions.length > 1 || query.decision ? decisions.map((one) => [one.name, counted(DECISIONS[one.name], one.num)]) : [])}
      <label><span>Order</span><select .value=${query.sort} @change=${(event) => sortBy(event.target.value)}>
        ${SORTS.filter(([id]) => !isHidden(id)).map(([id, text]) => option(id, text, query.sort))}</select></label>
      <button type="button" class="turn" aria-label="Turn the order around" title="Turn the order around" @click=${() => set({ descending: !query.descending })}>⇅</button>
      ${hasCopies || query.fold ? html`<label class="check"><input type="checkbox" .checked=${query.fold} @change=${(event) => set({ fold: event.target.checked })}> stack copies</label>` : nothing}
      <label><span>Pictures</span><select @change=${(event) => { size = event.target.value; grid.resize(SIZES[size]); }}>
        ${Object.keys(SIZES).map((one) => option(one, one, size))}</select></label>
      <button type="button" aria-pressed=${isMap} @click=${toggleMap}>Map</button>
      ${isFiltered() ? html`<button type="button" @click=${clear}>Show all</button>` : nothing}`, bar);
  }

  function sentence() {
    const { project } = studio.state;
    const num = grid.ids.length.toLocaleString("en");
    if (query.like !== undefined && query.like !== "") return `${num} photos, those most like ${factsOf(Number(query.like))?.path ?? "the chosen one"} first`;
    const what = query.fold ? "pictures" : "photos";
    return isFiltered() ? `${num} of ${project.num_photos.toLocaleString("en")} ${what}` : `${num} ${what}`;
  }

  function drawEmpty() {
    const { project } = studio.state;
    note.hidden = grid.ids.length > 0 && !problem;
    if (note.hidden) return;
    if (problem) render(html`<p role="status">${problem}</p>`, note);
    else if (!project.is_listed && project.activity.length) render(html`<p>The folder is being read.</p>`, note);
    else if (!project.num_photos) render(html`<h2>No photos here yet</h2><p>${project.folder} has no photos. Take some with the webcam, or drop files or a whole folder: <a href="#add">Add photos</a>.</p>`, note);
    else render(html`<h2>No photo is like that</h2><p>Nothing passes all filters. <button type="button" @click=${clear}>Show all photos</button></p>`, note);
  }

  function drawFoot() {
    const num = grid.selected.size;
    const { project, job } = studio.state;
    const isChecking = job?.kind === "audit" && job.is_running;
    const buttons = classes().slice(0, 10).map((label, i) => html`<button type="button" @click=${() => decide(targets(), asWord(label))}><kbd>${(i + 1) % 10}</kbd> ${label}</button>`);
    const more = classes().length > 10 ? html`<select aria-label="Another class" @change=${(event) => { if (event.target.value) decide(targets(), asWord(event.target.value)); event.target.value = ""; }}><option value="">another class…</option>${classes().slice(10).map((label) => html`<option>${label}</option>`)}</select>` : nothing;
    render(html`
      <p class="count" role="status">${isLoading ? "…" : sentence()}${num ? html`; <b>${num.toLocaleString("en")} selected</b>` : nothing}</p>
      ${num ? html`<div class="choices" role="group" aria-label="What to do with the selected photos">${buttons}${more}
        <button type="button" @click=${() => decide(targets(), "keep")}><kbd>K</kbd> Keep</button>
        <button type="button" @click=${() => decide(targets(), "drop")}><kbd>D</kbd> Drop</button>
        ${num === 1 ? html`<button type="button" @click=${() => like(targets()[0])}><kbd>L</kbd> More like this</button>` : nothing}
        <button type="button" @click=${() => grid.select([])}>Clear</button></div>`
      : html`<div class="choices"><button type="button" ?disabled=${!grid.ids.length} @click=${() => grid.select(grid.ids)}>Select all</button>
        <button type="button" @click=${undo}><kbd>U</kbd> Undo</button>
        <button type="button" ?disabled=${isChecking || !project?.is_embedded} @click=${check}>${isChecking ? "Checking…" : "Check for problems"}</button>
        ${studio.command(`candid audit ${quote(project?.folder ?? "")}`)}</div>`}`, foot);
  }

  const quote = (text) => (/^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  async function check() {
    try {
      await post("audit");
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  function draw() {
    if (!studio.state.project) return;
    drawBar();
    drawEmpty();
    drawFoot();
    if (isMap) drawMap();
  }

  function onSelect(ids) {
    map?.setSelected(ids);
    drawFoot();
  }

  async function update({ project, look }) {
    if (!project) return;
    if (look !== stamp) {
      const isFirst = stamp === null;
      stamp = look;
      forgetFacts();
      await load({ fresh: true });
      grid.refresh();
      if (viewer.isOpen) viewer.update();
      if (isMap && !isFirst) loadMap();
      if (query.like && !factsOf(Number(query.like))) loadFacts([Number(query.like)]).then(drawFoot, () => {});
    } else draw();
  }

  return { update, close() { grid.close(); map?.close(); viewer.close(); clearTimeout(searching); } };
}
