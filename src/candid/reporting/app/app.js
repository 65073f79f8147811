// The prediction page. ./engine.js runs the model; see README.md.

import { ask } from "./asking.js";
import * as camera from "./camera.js";
import { Card } from "./card.js";
import { byId, make } from "./dom.js";
import { createEngine } from "./engine.js";
import * as intake from "./intake.js";
import { draw } from "./picture.js";
import { VERDICTS, spoken } from "./words.js";

const MOST_AT_ONCE = 100;

let cards = []; // the newest first
let isHeated = false;
let model = null; // of about.models
let starting = null;
let answering = Promise.resolve();
let drawing = Promise.resolve();

function start() {
  starting ??= createEngine({ ask, say }).then(introduce, (error) => {
    starting = null;
    say("");
    tell(error.message, () => start().catch(() => {}));
    throw error;
  });
  return starting;
}

// --- Messages and model ---------------------------------------------------------------------

const say = (text) => { byId("state").textContent = text; };

function tell(message, again) {
  const retry = () => { byId("line").hidden = true; again(); };
  byId("line-text").textContent = message;
  byId("line-again").hidden = !again;
  byId("line-again").onclick = retry;
  byId("line").hidden = false;
}

function introduce(engine) {
  const { about } = engine;
  say("");
  byId("privacy").textContent = about.private
    ? "Photos stay on this machine"
    : `Photos are sent to the server at ${about.host} and not stored`;
  byId("links").replaceChildren(...(about.links ?? []).map(({ name, url }) => make("a", { href: url }, name)));
  byId("model").replaceChildren(...about.models.map(({ name }) => make("option", {}, name)));
  byId("choice").hidden = about.models.length < 2;
  byId("model").onchange = () => present(engine, about.models[byId("model").selectedIndex]);
  present(engine, about.models[0]);
  return engine;
}

function present(engine, chosen) {
  const { about } = engine;
  model = { ...about, ...chosen };
  byId("title").textContent = model.title;
  document.title = `${model.title} · Candid`;
  byId("sentence").textContent = model.sentence;
  showSamples(engine, model).catch(() => { byId("samples").hidden = true; });
}

async function showSamples(engine, { name, samples }) {
  byId("samples").hidden = true;
  const read = engine.read ?? (async ({ url }) => (await fetch(url)).blob());
  const blobs = await Promise.all(samples.map(read));
  const photos = await Promise.all(blobs.map(draw));
  if (name !== model.name || !samples.length) return;
  byId("samples-list").replaceChildren(...samples.map((sample, number) => {
    const label = `Try ${sample.name.replace(/\.[a-z]+$/, "")}`;
    const click = () => take([new File([blobs[number]], sample.name, { type: blobs[number].type })]);
    return make("li", {}, make("button", { type: "button", "aria-label": label, click }, photos[number]));
  }));
  byId("samples").hidden = false;
}

// --- Answers --------------------------------------------------------------------------------

function take(files) {
  byId("line").hidden = true;
  if (files.length > MOST_AT_ONCE) tell(`Only the first ${MOST_AT_ONCE} of ${files.length} photos are used.`);
  const taken = files.slice(0, MOST_AT_ONCE);
  const batch = taken.map((file) => {
    return new Card(file.name, { onOpen: unfold, onHeat: () => heat(!isHeated) });
  });
  cards.forEach((card) => card.open(false));
  cards = [...batch, ...cards];
  byId("list").prepend(...batch.map((card) => card.element));
  batch.forEach((card, number) => {
    card.heat(isHeated);
    drawing = drawing.then(async () => card.isGone || card.showPhoto(await draw(taken[number])));
    enqueue(card, taken[number], model);
  });
  batch[0].open(true);
  const focused = document.activeElement;
  document.body.classList.add("has-answers");
  byId("answers").hidden = false;
  bringIntoSight(batch[0]);
  // On a phone the samples disappear; move the focus of a pressed one to the answer.
  if (focused?.closest("#samples") && !focused.checkVisibility()) batch[0].focus();
}

// `requested` is the model chosen when the photo was added; null before one was loaded.
function enqueue(card, file, requested) {
  answering = answering.then(() => card.isGone || answer(card, file, requested));
}

async function answer(card, file, requested) {
  card.showAsking();
  try {
    const engine = await start();
    const chosen = requested ?? model;
    if (engine.about.models.length > 1) card.nameModel(chosen.name);
    const item = await engine.predict(file, card.name, { model: chosen.name });
    if (item.label == null) card.showFailure("unreadable", capitalised(item.reason ?? "The file can’t be read."));
    else card.showAnswer(item, chosen.fit);
    if (item.verdict in VERDICTS) byId("verdicts").hidden = false;
    report(spoken(card.name, item));
    if (card === cards[0] && card.isOpen) bringIntoSight(card); // its height has changed
  } catch (error) {
    card.showFailure("No answer", error.message, error.again && (() => enqueue(card, file, requested)));
    report(`${card.name}: ${error.message}`);
  }
}

const report = (text) => { byId("status").textContent = text; };
const capitalised = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function unfold(card) {
  card.open(!card.isOpen);
}

function heat(isOn) {
  isHeated = isOn;
  cards.forEach((card) => card.heat(isOn));
}

function clear() {
  cards.forEach((card) => { card.isGone = true; });
  cards = [];
  byId("list").replaceChildren();
  byId("answers").hidden = true;
  document.body.classList.remove("has-answers");
  report("");
  byId("choose").focus();
}

function bringIntoSight({ element }) {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "nearest", behavior: isCalm ? "auto" : "smooth" });
}

// --- Start ----------------------------------------------------------------------------------

intake.listen({ take, tell });
camera.listen({ take, tell });
byId("clear").addEventListener("click", clear);
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "h" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.isComposing || event.target.closest("input, select, textarea, dialog")) return;
  heat(!isHeated);
});
say("Loading …");
start().catch(() => {});
