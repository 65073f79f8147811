// The frame: the state that is polled, the bar of screens, keys, and lines that pass.
//
// A screen is a module in screens/ with
//   export const name = "Look";
//   export function open(root, studio) → { update(state), close() }
// `open` draws into `root`; `update` is called with every new state, `close` before another screen.

import { get } from "./api.js";
import { makeTour } from "./tour.js";
import { html, nothing, render } from "./vendor/lit-html.js";

const SCREENS = [
  ["start", "Open"],
  ["add", "Add photos"],
  ["look", "Photos"],
  ["label", "Label"],
  ["judge", "Train"],
  ["try", "Try"],
  ["ship", "Ship"],
];
const POLL_MS = 1000;
const FAST_MS = 300;
const TOAST_MS = 6000;

const byId = (id) => document.getElementById(id);
let state = { version: 0, project: null };
let shown = null; // { id, screen }
let isKnown = false; // whether the first state has arrived
let polling = 0;
let routing = 0;

export const studio = {
  // Whether this tab opens another folder, and shows it itself.
  isOpening: false,
  // The last state of /api/state.
  get state() { return state; },
  refresh,
  say,
  go: (id, query = "") => { location.hash = query ? `${id}?${query}` : id; },
  // What follows "?" in the hash.
  get query() { return new URLSearchParams(location.hash.split("?")[1] ?? ""); },
  // A button that copies the command that does the same.
  command: (text) => html`<details class="command"><summary>As a command</summary><code>${text}</code>
    <button type="button" @click=${() => copy(text)}>Copy as command</button></details>`,
};

export async function refresh() {
  clearTimeout(polling);
  try {
    const next = await get("state");
    if (state.project && next.project?.folder !== state.project.folder && !studio.isOpening) location.reload(); // opened in another tab
    const isNew = JSON.stringify(next) !== JSON.stringify(state);
    tellOfEnd(state.job, next.job);
    state = next;
    const isFirst = !isKnown;
    isKnown = true;
    if (isNew || isFirst) draw();
    document.body.classList.remove("lost");
  } catch (error) {
    document.body.classList.add("lost");
    drawActivity(error.message);
  }
  const isBusy = state.project?.activity.length || state.job?.is_running;
  polling = setTimeout(refresh, isBusy ? FAST_MS : POLL_MS);
}

// A line that passes; `undo` is { label, act } of a button in it.
export function say(text, button = null) {
  const line = document.createElement("p");
  render(html`${text} ${button ? html`<button type="button" @click=${() => { line.remove(); button.act(); }}>${button.label}</button>` : nothing}`, line);
  byId("toasts").append(line);
  setTimeout(() => line.remove(), TOAST_MS);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    say("The browser refused to copy; mark the text and copy it.");
  }
}

function draw() {
  drawTop();
  drawActivity(state.project?.problem ?? "");
  if (!shown) return route();
  shown.screen.update?.(state);
}

// A training that ended while another screen was looked at.
function tellOfEnd(before, after) {
  const isOver = before?.is_running && after && !after.is_running && before.number === after.number;
  if (!isOver || after.kind !== "train" || after.is_cancelled || shown?.id === "judge") return;
  say(after.code === 0 ? "Training is done." : "Training did not work.", { label: after.code === 0 ? "How good is it?" : "Why?", act: () => studio.go("judge") });
}

function drawTop() {
  const { project } = state;
  document.title = project ? `${project.name} · Candid studio` : "Candid studio";
  const link = ([id, name]) => html`<li><a href="#${id}" aria-current=${shown?.id === id ? "page" : nothing}>${name}</a></li>`;
  const screens = project ? SCREENS : SCREENS.slice(0, 1);
  render(html`<div class="brand"><b>Candid</b> <span>${project ? project.name : "studio"}</span></div>
    <nav aria-label="Screens"><ul>${screens.map(link)}</ul></nav>`, byId("top"));
}

const seconds = (left) => (left == null ? "" : left > 90 ? `, about ${Math.round(left / 60)} minutes left` : `, about ${Math.ceil(left)} s left`);

function drawActivity(problem) {
  const step = state.project?.activity[0];
  const counted = step?.total ? `: ${step.done.toLocaleString("en")} of ${step.total.toLocaleString("en")}` : "";
  const job = state.job?.is_running && (state.job.kind !== "train" || shown?.id !== "judge") ? state.job : null;
  const link = job?.kind === "train" ? html`<a href="#judge">Training</a>` : html`<code>candid ${job?.kind}</code>`;
  render(html`
    ${job ? html`<p><progress aria-label="A command runs"></progress> ${link}: ${job.step?.title ?? "starting"}</p>` : nothing}
    ${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}
    ${step ? html`<p><progress .value=${step.total ? step.done / step.total : 0} aria-label=${step.title}></progress> ${step.title}${counted}${seconds(step.left_s)}</p>` : nothing}`, byId("activity"));
}

async function route() {
  if (!isKnown) return;
  const number = ++routing;
  const id = location.hash.slice(1).split("?")[0];
  const known = SCREENS.some(([one]) => one === id);
  const wanted = known && (state.project || id === "start") ? id : state.project ? "look" : "start";
  const module = await import(`./screens/${wanted}.js`);
  if (number !== routing) return; // another one was asked for meanwhile
  if (shown) shown.screen.close?.();
  const root = document.createElement("div");
  root.className = `screen ${wanted}`;
  byId("main").replaceChildren(root);
  shown = { id: wanted, screen: module.open(root, studio) };
  drawTop();
  shown.screen.update?.(state);
}

addEventListener("hashchange", () => (location.hash === "#main" ? byId("main").focus() : route()));
// Else the browser would open a photo dropped on a screen that takes none.
addEventListener("dragover", (event) => {
  if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "none";
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
makeTour(byId("tour"));
refresh();
