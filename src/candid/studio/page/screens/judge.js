// Train, and see how good the result is; runs are listed, and two of them compared.

import { get, post, remove } from "../api.js";
import { changes, runs, sideBySide } from "../compared.js";
import { wordOf } from "../deciding.js";
import { makeViewer } from "../enlarged.js";
import { forgetFacts, loadFacts } from "../grid.js";
import { answer, answering, confusion, count, percent, shownOf, sidesOf, steps } from "../judged.js";
import { html, nothing, render } from "../vendor/lit-html.js";

export const name = "Train";

const EFFORTS = {
  fast: "Fast: learns what distinguishes the classes",
  good: "Good: also tries to adapt the network",
  best: "Best: adapts the network for as long as it helps",
  unmeasured: "Untested: learns from all photos, and nobody knows how good it is",
};
// What the command's steps mean.
const MEANINGS = {
  "Fitting the classifier": "Learning what distinguishes the classes",
  "Grouped cross-validation": "Testing it on photos that it did not learn from",
  "Looking for copies": "Looking for copies of one picture, to keep them together",
  "Loading the backbone": "Loading the network that sees",
};
const LEAST_PHOTOS = 2; // of a class; what else is missing, the command says
const LEAST_CLASSES = 2;

const stepOf = ({ step }) => (step ? MEANINGS[step.title] ?? step.title : "Starting");
const duration = (s) => (s < 60 ? `${Math.max(1, Math.round(s))} s` : s < 90 ? "a minute" : `${Math.round(s / 60)} minutes`);

export function open(root, studio) {
  const page = document.createElement("div");
  page.className = "page";
  root.append(page);
  let state = studio.state;
  let list = null; // of /api/runs
  let run = null; // of /api/runs/<number>
  let compared = null; // of /api/runs/<a>/against/<b>
  let against = null; // the number of the run to compare with; null for the one before
  let effort = "fast";
  let step = 0;
  let loaded = "";
  let looked = null; // the stamp of what is known of photos
  let line = []; // the photos among which the enlarged one is
  let failure = "";
  let loads = 0;
  let isOld = false; // what is known is of before a training
  let isClosed = false;

  const viewer = makeViewer(root, { step: next, decide, like: (id) => studio.go("look", `like=${id}&sort=similarity&descending=true`), classes, onKey });
  const isTraining = () => state.job?.is_running && state.job.kind === "train";
  const isWaiting = () => state.training?.is_waiting;
  const key = () => JSON.stringify([state.runs?.stamp, state.runs?.chosen, state.look, against, state.project?.num_photos, state.project?.is_embedded, state.project?.classes]);

  async function load() {
    loaded = key();
    const mine = ++loads;
    try {
      const found = await get("runs");
      const number = state.runs?.chosen;
      const judged = number == null ? null : await get(`runs/${number}`);
      if (isClosed || mine !== loads) return;
      [list, run, failure, isOld] = [found, judged, "", false];
      step = Math.max(0, Math.min(step, (run?.answering.steps.length ?? 1) - 1));
      if (compared?.run !== run?.number) compared = null;
      draw();
      await compare();
    } catch (error) {
      [failure, isOld] = [error.message, false];
    }
    if (isClosed || mine !== loads) return;
    draw();
    describe();
  }

  // How long it takes is known before there is a result.
  async function expect() {
    loads += 1;
    list = await get("runs").catch(() => list);
    if (!isClosed) draw();
  }

  // The run before the shown one, unless another was chosen.
  async function compare() {
    if (!run || list.runs.length < 2) {
      compared = null;
      return;
    }
    const place = list.runs.findIndex((one) => one.number === run.number);
    const other = list.runs.find((one) => one.number === against && against !== run.number) ?? list.runs[place + 1] ?? list.runs[place - 1];
    const of = `${state.runs?.stamp} ${other.number} ${run.number} ${state.project?.num_photos}`;
    if (compared?.of === of) return;
    try {
      compared = { of, run: run.number, other, ...(await get(`runs/${other.number}/against/${run.number}`)) };
    } catch (error) {
      compared = { of, run: run.number, other, failure: error.message };
    }
  }

  // The texts of the photos that are shown.
  async function describe() {
    if (!run) return;
    const { answered, silent } = sidesOf(run, step);
    const lines = [answered.wrong, answered.right, silent.wrong, silent.right, compared?.newly_wrong ?? [], compared?.newly_right ?? []];
    await loadFacts([...new Set(lines.flatMap(shownOf))]).catch(() => {});
    if (!isClosed) draw();
  }

  async function train() {
    try {
      await post("runs", { effort });
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

  const stop = (what) => remove(what).then(studio.refresh, (error) => studio.say(error.message));

  // --- Photos -----------------------------------------------------------------------------------

  function classes() {
    return (state.project?.classes ?? []).map((one) => one.name).filter(Boolean);
  }

  function onOpen(id, ids) {
    line = ids;
    viewer.open(id);
  }

  function next(id, by) {
    return line[Math.max(0, Math.min(line.length - 1, line.indexOf(id) + by))];
  }

  async function decide(ids, decision) {
    await post("decisions", { ids, decision }).catch((error) => studio.say(error.message));
    await studio.refresh();
  }

  function onKey(event, ids) {
    const pressed = event.key.toLowerCase();
    const word = wordOf(pressed, classes());
    if (word) decide(ids, word).then(viewer.update);
    else if (pressed === "u") post("undo").then(studio.refresh).then(viewer.update, (error) => studio.say(error.message));
    else return false;
    return true;
  }

  // --- Training ---------------------------------------------------------------------------------

  function progress(job) {
    const now = job.step;
    const expected = list?.efforts.find((one) => one.name === state.training?.effort);
    const left = Math.max(now?.left_s ?? 0, (expected?.seconds ?? 0) - job.seconds);
    const counted = now?.total > 1 ? `${count(now.done)} of ${count(now.total)}. ` : "";
    return html`<div class="working"><p><b>${stepOf(job)}</b></p>
      <progress aria-label="Training" .value=${Math.min(0.98, job.seconds / (job.seconds + Math.max(left, 0.5)))}></progress>
      <p class="muted">${counted}${left > 1 ? `About ${duration(left)} left.` : "Almost done."} ${duration(job.seconds)} so far.</p>
      <button type="button" @click=${() => stop("jobs")}>Stop</button>${studio.command(job.command)}</div>`;
  }

  function missing() {
    if (!list) return nothing;
    const filled = list.classes.filter((one) => one.num >= LEAST_PHOTOS);
    if (filled.length >= LEAST_CLASSES || !state.project.is_listed && state.project.activity.length) return null;
    const named = filled.length === 1 ? html`There is only <b>${filled[0].name}</b> so far.` : "No class has two photos yet.";
    const isUnlabelled = state.project.classes.some((one) => !one.name && one.num);
    return html`<p>Training needs photos of at least two classes, such as “cat” and “dog”. ${named}</p>
      <p class="jumps"><a class="button primary" href="#add">Add photos</a>${isUnlabelled ? html`<a class="button" href="#label">Give photos a class</a>` : nothing}</p>`;
  }

  function ended(job) {
    if (state.training?.problem) return html`<p class="problem" role="alert">Training did not start: ${state.training.problem}</p>`;
    if (!job || job.kind !== "train" || job.is_running || job.code === 0) return nothing;
    if (job.is_cancelled) return html`<p class="muted">Training was stopped; nothing was lost.</p>`;
    const last = job.lines.filter((one) => one.trim()).at(-1) ?? "the command failed without a word.";
    const [why, isOffered] = last.replace(/^candid: (error: )?/i, "").split(" Or pass --no-figures");
    return html`<p class="problem" role="alert">Training did not work: ${why}</p>
      ${isOffered ? html`<p>Or let it learn from all photos and try it out: then it can't be said how good it is.</p>
        <p><button type="button" @click=${() => { effort = "unmeasured"; train(); }}>Train without a test</button></p>` : nothing}`;
  }

  function since() {
    if (!run) return html`<p class="muted">The computer learns from most photos, and is tested on the others, which it has not seen. Copies of one picture are never on both sides.</p>`;
    const told = changes(run.since);
    return told ? html`<p class="since">Since this training: ${told}. Train again to take that in.</p>` : nothing;
  }

  function wish() {
    return html`<div class="working"><p><b>Training starts when the photos are read.</b></p>
      <p class="muted">You may go to other screens meanwhile.</p><button type="button" @click=${() => stop("runs")}>Don't train</button></div>`;
  }

  function training() {
    if (isTraining()) return progress(state.job);
    if (isWaiting()) return wish();
    const lack = missing();
    if (lack) return lack;
    const isBusy = state.job?.is_running;
    const chosen = list?.efforts.find((one) => one.name === effort);
    const option = (one) => html`<option value=${one.name} ?selected=${one.name === effort}>${EFFORTS[one.name]}, about ${duration(one.seconds)}</option>`;
    return html`<div class="start"><button type="button" class="primary" ?disabled=${isBusy} @click=${train}>${run ? "Train again" : "Train"}</button>
      <label>How thorough <select @change=${(event) => { effort = event.target.value; draw(); }}>${(list?.efforts ?? []).map(option)}</select></label></div>
      ${isBusy ? html`<p class="muted">Another command is running: ${state.job.kind}.</p>` : nothing}
      ${since()}${ended(state.job)}${chosen ? studio.command(chosen.command) : nothing}`;
  }

  function slide(to) {
    step = to;
    draw();
    describe();
  }

  function versus(number) {
    against = number;
    load();
  }

  // What a screen reader says without being asked.
  function spoken() {
    if (isTraining()) return stepOf(state.job);
    if (isWaiting()) return "Training starts when the photos are read.";
    if (state.job?.kind === "train" && state.job.is_cancelled) return "Training was stopped.";
    return run?.accuracy && !isOld ? `${run.name}: right on ${percent(run.accuracy.value)} of photos that it had not seen.` : "";
  }

  function draw() {
    const isJudged = run && !isOld;
    const judged = () => html`${answer(run)}${confusion(run)}${answering(run, step, slide, onOpen)}
      ${sideBySide({ run, all: list.runs, compared, versus, onOpen, command: studio.command })}${steps(run, studio.command)}`;
    const hadFocus = page.querySelector(".training")?.contains(document.activeElement);
    render(html`<h1>${isJudged ? (run.accuracy ? "How good it is" : "Trained, not tested") : "Train"}</h1><p class="unseen" role="status">${spoken()}</p>
      <section class="training" aria-label="Training" tabindex="-1">${training()}${failure ? html`<p class="problem" role="alert">${failure}</p>` : nothing}</section>
      ${isJudged ? judged() : nothing}${list ? runs(list.runs, run?.number, choose) : nothing}`, page);
    if (hadFocus && document.activeElement === document.body) page.querySelector(".training").focus({ preventScroll: true });
  }

  function update(next) {
    state = next;
    if (!state.project) return;
    if (isTraining()) {
      [isOld, loaded] = [true, ""];
      if (!list && !loads) expect();
    }
    if (looked !== state.look) {
      looked = state.look;
      forgetFacts();
    }
    if (loaded !== key() && !isTraining()) load();
    draw();
  }

  return { update, close() { isClosed = true; viewer.close(); } };
}
