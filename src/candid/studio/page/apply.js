// "Apply to folder…": lists what would be moved, moves it, and moves it back.
//
//   const apply = makeApply(root, studio); apply.button() → template; apply.close()

import { get, pictureOf, post } from "./api.js";
import { html, nothing, render } from "./vendor/lit-html.js";

const MOST_SHOWN = 200;
const counted = (num, what = "photo") => `${num.toLocaleString("en")} ${num === 1 ? what : `${what}s`}`;

export function makeApply(root, studio) {
  const dialog = document.createElement("dialog");
  dialog.className = "apply";
  dialog.setAttribute("aria-labelledby", "apply-title");
  root.append(dialog);
  let plan = null;
  let problem = "";
  let isWorking = false;

  // There is something to apply, or to move back.
  const isOffered = ({ decisions, applied }) => decisions?.num_dropped || decisions?.num_relabelled || applied;

  async function open() {
    [plan, problem] = [null, ""];
    draw();
    dialog.showModal();
    await look();
  }

  async function look() {
    try {
      plan = await get("apply");
    } catch (error) {
      problem = error.message;
    }
    draw();
  }

  async function work(path, body, told) {
    isWorking = true;
    draw();
    try {
      const { num, num_left } = await post(path, body);
      studio.say(`${told(counted(num))}${num_left ? `; ${counted(num_left)} stayed, as they were changed or removed meanwhile` : ""}.`);
      dialog.close();
      await studio.refresh();
    } catch (error) {
      problem = error.message;
      await look();
    }
    isWorking = false;
    draw();
  }

  const apply = () => work("apply", { key: plan.key }, (photos) => `Moved ${photos}`);
  const moveBack = () => work("apply/back", {}, (photos) => `Moved ${photos} back`);

  const row = ({ id, path, target }) => html`<li><img src=${pictureOf(id)} alt="" loading="lazy"><span>${path} <b>→ ${target}</b></span></li>`;

  function ofPlan() {
    if (!plan) return problem ? nothing : html`<p>Looking at what was decided…</p>`;
    if (!plan.num && !plan.left.length) return html`<p>Every photo lies where you decided that it should. Drop some, or give them another class, and come back.</p>`;
    const num_moved = plan.num - plan.num_removed;
    return html`
      ${plan.num_removed ? html`<p><b>${counted(plan.num_removed)}</b> that you dropped ${plan.num_removed === 1 ? "goes" : "go"} to <code>${plan.removed}</code>. Nothing is deleted.</p>` : nothing}
      ${num_moved ? html`<p><b>${counted(num_moved)}</b> ${num_moved === 1 ? "goes" : "go"} to the folder of ${num_moved === 1 ? "its" : "their"} class. Nothing is overwritten.</p>` : nothing}
      <ul class="moves" tabindex="0" aria-label="What is moved">${plan.moves.slice(0, MOST_SHOWN).map(row)}</ul>
      ${plan.num > MOST_SHOWN ? html`<p class="note">and ${(plan.num - MOST_SHOWN).toLocaleString("en")} more</p>` : nothing}
      ${plan.left.length ? html`<p><b>${counted(plan.left.length)}</b> can't be moved:</p><ul class="moves" tabindex="0" aria-label="What can't be moved">${plan.left.slice(0, MOST_SHOWN).map(({ path, reason }) => html`<li><span>${path}: ${reason}</span></li>`)}</ul>` : nothing}`;
  }

  function draw() {
    const { applied } = studio.state;
    render(html`
      <h2 id="apply-title">Apply to the folder</h2>
      <p>So far your decisions are only written down, and the folder is as it was. Commands and training follow them either way. Here the files themselves are moved.</p>
      ${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}
      ${ofPlan()}
      ${applied ? html`<p>${counted(applied.num)} ${applied.num === 1 ? "was" : "were"} moved on ${new Date(applied.time_s * 1000).toLocaleString()}. <button type="button" ?disabled=${isWorking} @click=${moveBack}>Move ${applied.num === 1 ? "it" : "them"} back</button></p>` : nothing}
      <div class="bar">
        ${plan?.num ? html`<button type="button" class="main" ?disabled=${isWorking} @click=${apply}>${isWorking ? "Moving…" : `Move ${counted(plan.num)}`}</button>` : nothing}
        <button type="button" @click=${() => dialog.close()}>${plan?.num ? "Leave the folder as it is" : "Close"}</button>
      </div>`, dialog);
  }

  return {
    button: () => (isOffered(studio.state) ? html`<button type="button" @click=${open}>Apply to folder…</button>` : nothing),
    close() { dialog.close(); dialog.remove(); },
  };
}
