// Photos: a grid and a map of those that are filtered for, and what is decided about them.

import { get, getBytes, post } from "../api.js";
import { makeApply } from "../apply.js";
import { choices, wordOf } from "../deciding.js";
import { makeViewer } from "../enlarged.js";
import { SIZES, SORTS, drawFilters, emptied, isFiltered, stopSearching } from "../filters.js";
import { factsOf, forgetFacts, loadFacts, makeGrid } from "../grid.js";
import { makeMap, markOf } from "../map.js";
import { html, nothing, render } from "../vendor/lit-html.js";

export const name = "Photos";

const HELP = "Photos. Enter opens, Space selects, figures give a class, D drops, K keeps, U undoes, L shows more like this, A selects all like this, S opens a stack of copies, M opens the map";
const ALIKE_PERCENT = 50; // at first
const NOT_READY_MS = 700;

export function open(root, studio) {
  const part = (kind, name) => Object.assign(document.createElement(kind), { className: name });
  const [bar, sides, foot] = [part("div", "filters"), part("div", "sides"), part("div", "chosen")];
  const [left, right, note] = [part("section", "pile"), part("section", "atlas"), part("div", "empty")];
  left.setAttribute("aria-label", "Grid");
  right.setAttribute("aria-label", "Map");
  right.hidden = true;
  sides.append(left, right);
  left.append(note);
  root.append(bar, sides, foot);

  const query = { sort: "name", descending: false, fold: false, ...Object.fromEntries(studio.query) };
  for (const one of ["fold", "descending", "unlabelled"]) query[one] = String(query[one]) === "true";
  if (!SORTS.some(([one]) => one === query.sort)) query.sort = "name";
  let facets = null;
  let stamp = null;
  let isMap = false;
  let isLoading = false;
  let problem = "";
  let again = 0;
  let size = "medium";
  let map = null;
  let mapProblem = "";
  let alike = null; // { id, photos: their numbers and similarities, percent }
  let isTaking = false; // the slider selects; by any other way of selecting, it goes
  let back = null; // the query before a stack was opened

  const classes = () => (studio.state.project?.classes ?? []).map((one) => one.name).filter(Boolean);
  const grid = makeGrid(left, { label: HELP, onSelect, onOpen: (id) => viewer.open(id), onStack: openStack, onKey });
  const viewer = makeViewer(root, { step: (id, by) => grid.next(id, by), decide, like: (id) => like(id), classes, onKey });
  const apply = makeApply(root, studio);
  const theme = matchMedia("(prefers-color-scheme: dark)"); // of the marks in the legend
  theme.addEventListener("change", draw);

  // --- What is shown ---

  async function load({ fresh = false } = {}) {
    isLoading = true;
    clearTimeout(again);
    draw();
    try {
      if (fresh || !facets) facets = await get("photos/facets");
      await grid.load(asked());
      problem = "";
    } catch (error) {
      problem = error.message;
      if (error.code === "not_ready") again = setTimeout(load, NOT_READY_MS);
    }
    isLoading = false;
    map?.setShown(isFiltered(query) || query.fold ? grid.ids : null);
    draw();
  }

  const asked = () => Object.fromEntries(Object.entries(query).filter(([, value]) => value !== "" && value !== false));

  async function set(change) {
    Object.assign(query, change);
    if (query.sort === "similarity" && !query.like) query.sort = "name";
    const { sort, ...others } = asked();
    const text = new URLSearchParams(sort === "name" ? others : { sort, ...others }).toString();
    history.replaceState(null, "", text ? `#look?${text}` : "#look");
    grid.top();
    await load();
  }

  const clear = () => set({ ...emptied(), sort: "name", descending: false });
  const like = (id) => set({ ...emptied(), like: String(id), sort: "similarity", descending: true });

  function openStack(id) {
    back ??= { ...query };
    return set({ ...emptied(), copies_of: String(id), fold: false, sort: "name", descending: false });
  }

  function closeStack() {
    const before = back ?? { fold: true };
    back = null;
    return set({ ...emptied(), ...before });
  }

  // --- What is decided ---

  async function decide(ids, word) {
    if (!ids.length) return;
    try {
      const all = query.fold ? (await post("photos/unfold", { ids })).ids : ids;
      await post("decisions", { ids: all, decision: word });
      const told = { drop: "Dropped", keep: "Kept", "": "Undecided:" }[word] ?? `Class ${word.replace(/\/$/, "")}:`;
      studio.say(`${told} ${all.length === 1 ? (factsOf(all[0])?.path ?? "one photo") : `${all.length.toLocaleString("en")} photos`}.`, { label: "Undo", act: undo });
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  async function undo() {
    try {
      const last = studio.state.decisions?.last;
      const { is_undone } = await post("undo");
      studio.say(is_undone ? `Undone${last ? `: ${last}` : ""}.` : "There is nothing left to undo.");
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  function onKey(event, ids = grid.targets) {
    const key = event.key.toLowerCase();
    const word = wordOf(key, classes());
    if (word !== undefined) decide(ids, word);
    else if (key === "u") undo();
    else if (key === "l" && ids.length === 1) { viewer.shut(); like(ids[0]); }
    else if (key === "a" && ids.length === 1) { viewer.shut(); selectAlike(ids[0]); }
    else if (key === "s" && !viewer.isOpen && ids.length === 1) query.copies_of ? closeStack() : openStack(ids[0]);
    else if (key === "m" && !viewer.isOpen) toggleMap();
    else if (key === "/" && !viewer.isOpen) bar.querySelector("input[type=search]").focus();
    else return false;
    return true;
  }

  // --- All like this ---

  async function selectAlike(id) {
    try {
      const photos = new Float32Array(await getBytes(`photos/${id}/alike`));
      await like(id);
      alike = { id, photos, percent: ALIKE_PERCENT };
      takeAlike();
    } catch (error) {
      studio.say(error.message);
    }
  }

  function takeAlike() {
    const { photos, percent } = alike;
    const here = new Set(grid.ids);
    const found = [];
    for (let at = 0; at < photos.length && 100 * photos[at + 1] >= percent; at += 2) if (here.has(photos[at])) found.push(photos[at]);
    isTaking = true;
    grid.select(found);
    isTaking = false;
  }

  const slider = () => html`<label class="alike">At least this alike
    <input type="range" min="0" max="100" .value=${String(alike.percent)} aria-valuetext="${alike.percent} %" @input=${(event) => { alike.percent = Number(event.target.value); takeAlike(); }}>
    <output>${alike.percent} %</output></label>`;

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
    mapProblem = "Drawing the map…";
    drawMap();
    try {
      map.setPoints(new Float32Array(await getBytes("photos/map")));
      map.setShown(isFiltered(query) || query.fold ? grid.ids : null);
      map.setSelected(grid.selected);
      mapProblem = "";
    } catch (error) {
      mapProblem = error.message;
      if (error.code === "not_ready") setTimeout(loadMap, NOT_READY_MS);
    }
    drawMap();
  }

  function drawMap() {
    let holder = right.querySelector(".legend");
    if (!holder) right.prepend((holder = part("div", "legend")));
    const entry = (place, text, num, isOn, change) => html`<li><button type="button" aria-pressed=${isOn} @click=${() => set(change)}>${markOf(place)} ${text} <span>${num.toLocaleString("en")}</span></button></li>`;
    const ofClass = ({ name, num }, i) => entry(i, name, num, query.label === name, { label: query.label === name ? "" : name, unlabelled: false });
    render(html`${mapProblem ? html`<p role="status">${mapProblem}</p>` : nothing}
      <ul>${(facets?.labels ?? []).map(ofClass)}
        ${facets?.num_unlabelled ? entry(-1, "no class yet", facets.num_unlabelled, query.unlabelled, { label: "", unlabelled: !query.unlabelled }) : nothing}</ul>
      <p class="note"><span>Similar photos are near each other. Draw around some to select them; turn the wheel to zoom.</span>
        <button type="button" @click=${() => map.zoom(1.6)} aria-label="Zoom in">+</button>
        <button type="button" @click=${() => map.zoom(1 / 1.6)} aria-label="Zoom out">−</button></p>`, holder);
  }

  // --- Drawing ---

  function drawBar() {
    drawFilters(bar, { query, facets, set, clear, numPhotos: studio.state.project.num_photos, size, resize, isMap, toggleMap });
  }

  function resize(chosen) {
    size = chosen;
    grid.resize(SIZES[size]);
  }

  function sentence() {
    const num = grid.ids.length.toLocaleString("en");
    const called = (id) => factsOf(Number(id))?.path ?? "the chosen photo";
    if (query.copies_of) return `${num} ${grid.ids.length === 1 ? "photo shows" : "photos show"} the picture of ${called(query.copies_of)}`;
    if (query.like && query.sort === "similarity") return `${num} photos, those most like ${called(query.like)} first`;
    const what = query.fold ? "pictures" : "photos";
    return isFiltered({ ...query, like: "" }) ? `${num} of ${(query.fold ? facets?.num_pictures ?? 0 : studio.state.project.num_photos).toLocaleString("en")} ${what}` : `${num} ${what}`;
  }

  function drawEmpty() {
    const { project } = studio.state;
    note.hidden = grid.ids.length > 0 && !problem;
    if (note.hidden) return;
    if (problem) render(html`<p role="status">${problem}</p>`, note);
    else if (isLoading || (!project.is_listed && project.activity.length)) render(html`<p>The folder is being read.</p>`, note);
    else if (!project.num_photos) render(html`<h2>No photos here yet</h2><p>${project.folder} has no photos. Take some with the webcam, or drop files or a whole folder: <a href="#add">Add photos</a>.</p>`, note);
    else render(html`<h2>No photo is like that</h2><p>Nothing passes all filters. <button type="button" @click=${clear}>Show all photos</button></p>`, note);
  }

  function forSelected(num) {
    const more = html`
      ${num === 1 ? html`<button type="button" @click=${() => like(grid.targets[0])}><kbd>L</kbd> More like this</button>
        <button type="button" @click=${() => selectAlike(grid.targets[0])}><kbd>A</kbd> All like this</button>` : nothing}
      <button type="button" @click=${() => grid.select([])}>Clear</button>`;
    return html`${choices({ classes: classes(), choose: (word) => decide(grid.targets, word), more })}`;
  }

  function forNone() {
    const { project, job, decisions } = studio.state;
    const isChecking = job?.kind === "audit" && job.is_running;
    const given = decisions?.num ? ` --decisions ${quote(decisions.file)}` : "";
    return html`<div class="choices"><button type="button" ?disabled=${!grid.ids.length} @click=${() => grid.select(grid.ids)}>Select all</button>
      <button type="button" ?disabled=${!decisions?.can_undo} @click=${undo}><kbd>U</kbd> Undo</button>
      <button type="button" ?disabled=${isChecking || !project.is_embedded} @click=${check}>${isChecking ? "Checking…" : "Check for problems"}</button>
      ${apply.button()}
      ${studio.command(`candid audit ${quote(project.folder)}${given}`)}</div>`;
  }

  function drawFoot() {
    const num = grid.selected.size;
    render(html`
      <p class="count" role="status">${isLoading ? "…" : sentence()}${num ? html`; <b>${num.toLocaleString("en")} selected</b>` : nothing}</p>
      ${query.copies_of ? html`<button type="button" @click=${closeStack}><kbd>S</kbd> Close the stack</button>` : nothing}
      ${alike ? slider() : nothing}
      ${num ? forSelected(num) : forNone()}`, foot);
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
    if (!isTaking) alike = null;
    map?.setSelected(ids);
    drawFoot();
  }

  async function update({ project, look }) {
    if (!project) return;
    if (look === stamp) return draw();
    const isFirst = stamp === null;
    stamp = look;
    forgetFacts();
    await load({ fresh: true });
    grid.refresh();
    if (viewer.isOpen) viewer.update();
    if (isMap && !isFirst) loadMap();
    const named = [query.like, query.copies_of].filter(Boolean).map(Number);
    if (named.length) loadFacts(named).then(drawFoot, () => {});
  }

  return { update, close() { theme.removeEventListener("change", draw); clearTimeout(again); stopSearching(); apply.close(); grid.close(); map?.close(); viewer.close(); } };
}
