// The bar above the photos: what is shown, in what order, how large.
//
//   drawFilters(bar, { query, facets, set(change), clear(), numPhotos, size, resize(size), isMap, toggleMap })
//   emptied() → a change of the query that takes all filters away; isFiltered(query)

import { html, nothing, render } from "./vendor/lit-html.js";

export const SORTS = [
  ["name", "Name", false],
  ["confidence", "Least sure first", false],
  ["disagreement", "Answer against class", true],
  ["strangeness", "Strangest first", true],
  ["similarity", "Most similar first", true],
  ["size", "Largest file first", true],
  ["date", "Newest first", true],
];
export const SIZES = { small: 110, medium: 160, large: 250 };
const VERDICTS = { right: "✓ right", wrong: "✗ wrong", uncertain: "? not sure", unknown: "∅ unlike the others" };
const DECISIONS = { none: "undecided", keep: "✓ keep", drop: "✕ drop", moved: "→ other class" };
const FILTERS = ["label", "unlabelled", "guess", "part", "verdict", "finding", "decision", "name", "like", "copies_of"];
const NO_CLASS = "/none"; // no class has a slash in its name
const SEARCH_MS = 250;

export const emptied = () => Object.fromEntries(FILTERS.map((one) => [one, ""]));
export const isFiltered = (query) => FILTERS.some((one) => query[one]);

let searching = 0;

export function drawFilters(bar, { query, facets, set, clear, numPhotos, size, resize, isMap, toggleMap }) {
  const { labels = [], num_unlabelled = 0, parts = [], verdicts = [], findings = [], decisions = [] } = facets ?? {};
  const option = (value, text, chosen) => html`<option value=${value} ?selected=${value === String(chosen)}>${text}</option>`;
  const counted = (text, num) => `${text} (${num.toLocaleString("en")})`;

  function filter(key, title, all, rows) {
    if (!rows.length && !query[key]) return nothing;
    const isKnown = !query[key] || rows.some(([value]) => value === query[key]);
    return html`<label><span>${title}</span><select .value=${query[key] ?? ""} @change=${(event) => set({ [key]: event.target.value })}>
      ${option("", all, query[key] ?? "")}${(isKnown ? rows : [...rows, [query[key], query[key]]]).map(([value, text]) => option(value, text, query[key]))}</select></label>`;
  }

  const label = query.unlabelled ? NO_CLASS : query.label ?? "";
  const setLabel = ({ target }) => set(target.value === NO_CLASS ? { label: "", unlabelled: true } : { label: target.value, unlabelled: "" });
  const ofClass = html`<label><span>Class</span><select .value=${label} @change=${setLabel}>
    ${option("", "all", label)}${labels.map((one) => option(one.name, counted(one.name, one.num), label))}
    ${num_unlabelled || query.unlabelled ? option(NO_CLASS, counted("no class yet", num_unlabelled), label) : nothing}</select></label>`;

  function search(event) {
    clearTimeout(searching);
    searching = setTimeout(() => set({ name: event.target.value }), SEARCH_MS);
  }

  const isOffered = ([id]) => (id !== "similarity" || query.like) && (!["confidence", "disagreement"].includes(id) || facets?.has_run);
  const sortBy = (event) => set({ sort: event.target.value, descending: SORTS.find(([one]) => one === event.target.value)[2] });
  const hasCopies = facets && facets.num_pictures < numPhotos;
  const fold = (event) => {
    const isOpen = bar.classList.toggle("open");
    event.target.setAttribute("aria-expanded", isOpen);
  };
  render(html`
    <h1 class="unseen">Photos</h1>
    <label class="search"><span>Find</span><input type="search" placeholder="name of a file" .value=${query.name ?? ""} @input=${search}></label>
    <button type="button" class="fold" aria-expanded="false" @click=${fold}>Filters</button>
    <div class="foldable">
      ${ofClass}
      ${filter("guess", "Answer", "any", query.guess ? [[query.guess, query.guess]] : [])}
      ${filter("verdict", "Verdict", "any", verdicts.map((one) => [one.name, counted(VERDICTS[one.name], one.num)]))}
      ${filter("part", "Part", "all", parts.map((one) => [one.name, counted(one.name, one.num)]))}
      ${filter("finding", "Finding", "any", findings.map((one) => [one.name, counted(one.title, one.num)]))}
      ${filter("decision", "Decision", "any", decisions.length > 1 || query.decision ? decisions.map((one) => [one.name, counted(DECISIONS[one.name], one.num)]) : [])}
      <label><span>Order</span><select .value=${query.sort} @change=${sortBy}>
        ${SORTS.filter(isOffered).map(([id, text]) => option(id, text, query.sort))}</select></label>
      <button type="button" aria-label="Turn the order around" aria-pressed=${query.descending !== SORTS.find(([one]) => one === query.sort)[2]} title="Turn the order around" @click=${() => set({ descending: !query.descending })}>⇅</button>
      <label><span>Pictures</span><select @change=${(event) => resize(event.target.value)}>
        ${Object.keys(SIZES).map((one) => option(one, one, size))}</select></label>
      ${hasCopies || query.fold ? html`<label class="check"><input type="checkbox" .checked=${query.fold} @change=${(event) => set({ fold: event.target.checked })}> stack copies</label>` : nothing}
    </div>
    <button type="button" aria-pressed=${isMap} @click=${toggleMap}>Map</button>
    ${isFiltered(query) ? html`<button type="button" @click=${clear}>Show all</button>` : nothing}`, bar);
}

export const stopSearching = () => clearTimeout(searching);
