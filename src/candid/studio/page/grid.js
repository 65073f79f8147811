// A grid of photos that stays smooth with 100,000 of them: only the cells in sight exist, and they are
// used again while scrolling. Photos are numbers in one array; what is written below them and their
// pictures are asked for where the scrolling comes to rest, or nearly.
//
//   const grid = makeGrid(root, { label, onSelect(ids), onOpen(id), onStack(id), onKey(event) → handled });
//     onStack: the number of copies was clicked; without it, it is only shown
//   await grid.load(query)      photos of a query of /api/photos/ids; or grid.setIds(numbers)
//   grid.selected, grid.select(ids), grid.targets, grid.refresh(), grid.close()

import { get, getBytes, pictureOf } from "./api.js";
import { html, nothing } from "./vendor/lit-html.js";

const GAP = 8;
const CAPTION = 44;
const MOST_KEPT = 1500; // pictures
const MOST_ROWS = 400; // of facts in one request
const AT_ONCE = 6;
const REST_MS = 90;
const OVERSCAN = 1; // rows above and below

// --- Pictures and facts, shared by all grids ------------------------------------------------------

const pictures = new Map(); // "id:size" → address of a blob; the last used are last
const facts = new Map(); // id → row of /api/photos/rows

const old = new Set(); // those of them that may have changed

// Facts change with decisions, runs and audits.
export const forgetFacts = () => facts.forEach((_, id) => old.add(id));
export const factsOf = (id) => facts.get(id);
const isNew = (id) => !facts.has(id) || old.has(id);

export async function loadFacts(ids) {
  const missing = ids.filter(isNew);
  for (let start = 0; start < missing.length; start += MOST_ROWS) {
    const { rows } = await get("photos/rows", { ids: missing.slice(start, start + MOST_ROWS).join() });
    for (const row of rows) {
      facts.set(row.id, row);
      old.delete(row.id);
    }
  }
  return ids.map((id) => facts.get(id));
}

function keep(key, address) {
  pictures.set(key, address);
  if (pictures.size > MOST_KEPT) {
    const [oldest, gone] = pictures.entries().next().value;
    pictures.delete(oldest);
    if (gone) URL.revokeObjectURL(gone);
  }
}

// Small pictures of photos, for a line of similar ones: a template for lit-html.
export const thumbs = (ids, { onOpen = null, size = 160, text = (id) => facts.get(id)?.path ?? `photo ${id}` } = {}) => html`
  <ul class="thumbs">${ids.map((id) => html`<li>${onOpen
    ? html`<button type="button" class="tile" @click=${() => onOpen(id)}><img src=${pictureOf(id, size)} alt=${text(id)} loading="lazy"></button>`
    : html`<span class="tile"><img src=${pictureOf(id, size)} alt=${text(id)} loading="lazy"></span>`}</li>`)}</ul>`;

// --- The grid -------------------------------------------------------------------------------------

const SHOWN = { right: "✓", wrong: "✗", uncertain: "?", unknown: "∅" };
export const percent = (share) => `${share > 0.995 && share < 1 ? ">99" : Math.round(100 * share)} %`;

export function describe(row) {
  if (!row) return "";
  const guess = row.guess ? `, answered ${row.guess} ${percent(row.probability)}${row.verdict ? `, ${row.verdict}` : ""}` : "";
  const decided = row.decision ? `, decided: ${row.decision}` : "";
  const copies = row.num_copies > 1 ? `, ${row.num_copies} copies` : "";
  return `${row.path}, class ${row.label || "none"}${guess}${copies}${decided}`;
}

let numGrids = 0;

export function makeGrid(root, { label = "Photos", size = 160, onSelect = () => {}, onOpen = () => {}, onStack = null, onKey = () => false } = {}) {
  const name = `grid${numGrids++}`;
  const box = document.createElement("div");
  box.className = "grid";
  box.tabIndex = 0;
  box.setAttribute("role", "listbox");
  box.setAttribute("aria-multiselectable", "true");
  box.setAttribute("aria-label", label);
  const sheet = document.createElement("div");
  sheet.className = "sheet";
  sheet.setAttribute("role", "presentation");
  box.append(sheet);
  root.append(box);

  let ids = new Int32Array();
  let places = null; // id → index, made when it is needed
  let selected = new Set();
  let active = 0;
  let anchor = 0;
  let side = size;
  let columns = 1;
  let width = 0;
  let pool = [];
  let frame = 0;
  let resting = 0;
  let asked = 0; // number of the last load
  const waiting = new Map(); // "id:size" → AbortController of a picture on its way
  const tall = () => Math.round(width * 0.8) + CAPTION + GAP;
  const numRows = () => Math.ceil(ids.length / columns);
  const indexOf = (id) => {
    places ??= new Map(Array.from(ids, (one, index) => [one, index]));
    return places.get(id) ?? -1;
  };

  // --- Cells ---

  function makeCell() {
    const element = document.createElement("div");
    element.className = "cell";
    element.setAttribute("role", "option");
    const image = document.createElement("img");
    image.alt = "";
    image.decoding = "async";
    const mark = document.createElement("b");
    const stack = document.createElement("i");
    const first = document.createElement("span");
    const second = document.createElement("small");
    element.append(image, mark, " ", stack, " ", first, " ", second); // words of a name have spaces between them
    sheet.append(element);
    return { element, image, mark, stack, first, second, index: -1, id: -1, picture: "" };
  }

  function arrange() {
    const inner = box.clientWidth;
    if (!inner) return;
    columns = Math.max(1, Math.floor((inner + GAP) / (side + GAP)));
    if (inner < 480) columns = Math.max(columns, side > 200 ? 2 : 3);
    width = Math.floor((inner - GAP * (columns - 1)) / columns);
    sheet.style.height = `${numRows() * tall()}px`;
    const needed = columns * (Math.ceil(box.clientHeight / tall()) + 1 + 2 * OVERSCAN);
    while (pool.length < needed) pool.push(makeCell());
    while (pool.length > needed) pool.pop().element.remove();
    for (const cell of pool) {
      cell.index = -1;
      cell.element.style.width = `${width}px`;
      cell.element.style.height = `${tall() - GAP}px`;
      cell.image.style.height = `${tall() - GAP - CAPTION}px`;
    }
    draw();
    rest();
  }

  function draw() {
    frame = 0;
    const top = Math.max(0, Math.floor(box.scrollTop / tall()) - OVERSCAN);
    const start = top * columns;
    for (let index = start; index < start + pool.length; index++) {
      const cell = pool[index % pool.length];
      if (cell.index !== index || cell.id !== (ids[index] ?? -1)) put(cell, index);
    }
    point();
  }

  function put(cell, index) {
    cell.index = index;
    cell.id = ids[index] ?? -1;
    cell.element.hidden = cell.id < 0;
    if (cell.id < 0) return;
    const x = (index % columns) * (width + GAP);
    cell.element.style.transform = `translate(${x}px, ${Math.floor(index / columns) * tall()}px)`;
    cell.element.id = `${name}-${index}`;
    cell.element.setAttribute("aria-posinset", index + 1);
    cell.element.setAttribute("aria-setsize", ids.length);
    write(cell);
    show(cell);
  }

  // What is written on a cell.
  function write(cell) {
    const row = facts.get(cell.id);
    const { classList } = cell.element;
    cell.element.setAttribute("aria-selected", selected.has(cell.id));
    classList.toggle("selected", selected.has(cell.id));
    classList.toggle("dropped", row?.decision === "drop");
    const moved = row && row.decision && row.label !== row.folder_label;
    cell.mark.textContent = !row?.decision ? "" : row.decision === "drop" ? "✕ drop" : row.decision === "keep" ? "✓ keep" : moved ? `→ ${row.label}` : `= ${row.label}`;
    cell.stack.textContent = row?.num_copies > 1 ? `${row.num_copies} copies` : "";
    cell.first.textContent = row ? row.label || "no class yet" : "";
    cell.second.textContent = !row ? "" : row.guess ? `${SHOWN[row.verdict] ?? ""} ${row.guess} ${percent(row.probability)}` : row.path.slice(row.path.lastIndexOf("/") + 1);
    cell.second.className = row?.verdict ?? "";
    // What is seen has to be a part of what is said.
    const seen = [cell.mark, cell.stack, cell.first, cell.second].map((one) => one.textContent).filter(Boolean).join(" ");
    cell.element.setAttribute("aria-label", row ? `${seen}, ${row.verdict ? `${row.verdict}, ` : ""}${row.path}` : `photo ${cell.index + 1}`);
  }

  // Its picture, if it is known; an empty address of one that can't be read.
  function show(cell) {
    const key = `${cell.id}:${pixels()}`;
    if (cell.picture === key) return;
    const address = pictures.get(key);
    cell.picture = address === undefined ? "" : key;
    cell.element.classList.toggle("broken", address === "");
    cell.image.hidden = !address;
    if (address) {
      cell.image.src = address;
      keep(key, (pictures.delete(key), address));
    }
  }

  const pixels = () => (width * devicePixelRatio > 200 ? 320 : 160);

  function point() {
    const cell = pool.find((one) => one.index === active && one.id >= 0);
    for (const one of pool) one.element.classList.toggle("active", one === cell);
    if (cell) box.setAttribute("aria-activedescendant", cell.element.id);
    else box.removeAttribute("aria-activedescendant");
  }

  // --- Where scrolling comes to rest, or is slow enough to see something ---

  function rest() {
    if (resting) return;
    const before = box.scrollTop;
    resting = setTimeout(() => {
      resting = 0;
      if (Math.abs(box.scrollTop - before) > box.clientHeight) rest();
      else fill();
    }, REST_MS);
  }

  const inSight = () => pool.filter(({ id }) => id >= 0).sort((one, other) => one.index - other.index);

  async function fill() {
    const cells = inSight();
    const wanted = new Set(cells.map(({ id }) => `${id}:${pixels()}`));
    for (const [key, stop] of waiting) if (!wanted.has(key)) stop.abort();
    fetchNext();
    if (cells.some(({ id }) => isNew(id))) {
      await loadFacts(cells.map(({ id }) => id)).catch(() => {});
      for (const cell of pool) if (cell.id >= 0) write(cell);
    }
  }

  function fetchNext() {
    const next = inSight().find(({ id }) => !pictures.has(`${id}:${pixels()}`) && !waiting.has(`${id}:${pixels()}`));
    if (!next || waiting.size >= AT_ONCE) return;
    fetchPicture(next.id, pixels());
    fetchNext();
  }

  async function fetchPicture(id, size) {
    const key = `${id}:${size}`;
    const stop = new AbortController();
    waiting.set(key, stop);
    try {
      const response = await fetch(pictureOf(id, size), { signal: stop.signal });
      keep(key, response.ok ? URL.createObjectURL(await response.blob()) : "");
    } catch {
      // stopped, or the studio is gone: it is asked for again at the next rest
    }
    waiting.delete(key);
    for (const cell of pool) if (cell.id === id) show(cell);
    if (pictures.has(key)) fetchNext();
  }

  // --- Selection ---

  function changed() {
    for (const cell of pool) if (cell.id >= 0) write(cell);
    point();
    onSelect([...selected]);
  }

  function goTo(index, { extend = false, toggle = false, only = false } = {}) {
    if (!ids.length) return;
    active = Math.max(0, Math.min(ids.length - 1, index));
    if (extend) {
      const [low, high] = anchor < active ? [anchor, active] : [active, anchor];
      selected = new Set(ids.subarray(low, high + 1));
    } else {
      anchor = active;
      if (only) selected = new Set([ids[active]]);
      if (toggle && !selected.delete(ids[active])) selected.add(ids[active]);
    }
    const top = Math.floor(active / columns) * tall();
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + tall() > box.scrollTop + box.clientHeight) box.scrollTop = top + tall() - box.clientHeight;
    draw();
    if (extend || toggle || only) changed();
  }

  const cellOf = (event) => pool.find(({ element }) => element.contains(event.target));
  box.addEventListener("click", (event) => {
    const cell = cellOf(event);
    if (cell && onStack && event.target === cell.stack) return onStack(cell.id);
    const isPlain = !event.shiftKey && !event.ctrlKey && !event.metaKey;
    if (cell) goTo(cell.index, { extend: event.shiftKey, toggle: !event.shiftKey && (!isPlain || isCoarse()), only: isPlain && !isCoarse() });
  });
  box.addEventListener("dblclick", (event) => {
    const cell = cellOf(event);
    if (cell && event.target !== cell.stack) onOpen(cell.id);
  });
  const isCoarse = () => matchMedia("(pointer: coarse)").matches; // fingers have no Ctrl key

  box.addEventListener("keydown", (event) => {
    const page = columns * Math.max(1, Math.floor(box.clientHeight / tall()));
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page, Home: -ids.length, End: ids.length };
    const isAlone = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (event.key in steps) goTo(active + steps[event.key], { extend: event.shiftKey });
    else if (event.key === " ") goTo(active, { toggle: true });
    else if (event.key === "Enter" && ids.length) onOpen(ids[active]);
    else if (event.key === "Escape" && selected.size) select([]);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey)) select(ids);
    else if (!isAlone || !onKey(event)) return;
    event.preventDefault();
  });

  function select(some) {
    selected = new Set(some);
    changed();
  }

  // --- What it shows ---

  function setIds(numbers) {
    const before = ids[active];
    ids = Int32Array.from(numbers);
    places = null;
    const index = before === undefined ? 0 : indexOf(before);
    active = index >= 0 ? index : Math.max(0, Math.min(active, ids.length - 1));
    anchor = active;
    const here = new Set(ids);
    const kept = [...selected].filter((id) => here.has(id));
    const isLess = kept.length < selected.size;
    selected = new Set(kept);
    box.hidden = !ids.length;
    arrange();
    if (isLess) onSelect(kept);
  }

  async function load(query) {
    const number = ++asked;
    const bytes = await getBytes("photos/ids", query);
    if (number === asked) setIds(new Int32Array(bytes));
    return ids.length;
  }

  box.addEventListener("scroll", () => {
    frame ||= requestAnimationFrame(draw);
    rest();
  }, { passive: true });
  const watcher = new ResizeObserver(arrange);
  watcher.observe(box);

  return {
    element: box,
    load,
    setIds,
    select,
    get ids() { return ids; },
    get selected() { return selected; },
    // Those that a key is for: the selected ones, or the one with the cursor.
    get targets() { return selected.size ? [...selected] : ids.length ? [ids[active]] : []; },
    get active() { return ids[active]; },
    goTo: (id) => { if (indexOf(id) >= 0) goTo(indexOf(id)); },
    next: (id, step) => ids[Math.max(0, Math.min(ids.length - 1, indexOf(id) + step))],
    top: () => { box.scrollTop = 0; active = anchor = 0; draw(); },
    resize: (pixelsWide) => { side = pixelsWide; arrange(); },
    // Facts may have changed.
    refresh: () => { for (const cell of pool) if (cell.id >= 0) write(cell); rest(); },
    focus: () => box.focus(),
    close() {
      watcher.disconnect();
      clearTimeout(resting);
      for (const stop of waiting.values()) stop.abort();
      box.remove();
    },
  };
}
