// The training photos that pulled an answer, and the answer without those that are ticked.
//
//   const panel = makeCulprits(root, { run, embedding, item, answered, against, own, percent, studio });
//   panel.against(label); panel.close()

import { pictureOf, post } from "./api.js";
import { html, nothing, render, svg } from "./vendor/lit-html.js";
import { toBase64 } from "./web_engine.js";

const asWord = (ids) => (ids.length === 1 ? "it" : "them");

export function makeCulprits(root, { run, embedding, item, answered, against, own = null, percent, studio }) {
  const others = Object.keys(item.probabilities).filter((name) => name !== answered);
  let other = others.includes(against) ? against : likeliest();
  let found = null;
  let without = new Set(); // the first number of each group
  let failure = "";
  let isAsking = false;
  let isClosed = false;

  function likeliest() {
    return others.reduce((best, name) => (item.probabilities[name] > item.probabilities[best] ? name : best), others[0]);
  }

  async function ask() {
    isAsking = true;
    draw();
    try {
      found = await post("trying/culprits", { run, embedding: toBase64(embedding), answered, against: other, without: [...without], own });
      failure = "";
    } catch (error) {
      failure = error.message;
    }
    isAsking = false;
    if (!isClosed) draw();
  }

  function turn(id) {
    if (!without.delete(id)) without.add(id);
    ask();
  }

  function compareWith(name) {
    other = name;
    without = new Set();
    found = null;
    ask();
  }

  async function drop(ids) {
    try {
      await post("decisions", { ids, decision: "drop" });
      studio.say(ids.length === 1 ? "One photo is left out of the next training." : `${ids.length} photos are left out of the next training.`, { label: "Undo", act: () => post("undo").then(studio.refresh, (error) => studio.say(error.message)) });
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  const best = (probabilities) => Object.entries(probabilities).reduce((a, b) => (b[1] > a[1] ? b : a));

  function verdict() {
    const [name, share] = best(found.after);
    const [before] = best(found.before);
    if (!without.size) return html`<b>${before}</b>, ${percent(found.before[before])}`;
    const turned = name === before ? "still" : "it changes to";
    return html`${turned} <b>${name}</b>, ${percent(share)} <span class="muted">(with all photos: ${before}, ${percent(found.before[before])})</span>`;
  }

  function row(pull, most) {
    const [id] = pull.ids;
    const copies = pull.num > 1 ? `, and ${pull.num - 1} more of the same picture or group` : "";
    return html`<li class=${without.has(id) ? "out" : ""}>
      <a href="#look?like=${id}&sort=similarity"><img src=${pictureOf(id)} alt="training photo of class ${pull.label}${copies}" loading="lazy" width="96" height="96"></a>
      <div><p><b>${pull.label}</b>${copies}</p>
        <svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">${svg`<rect class="track" width="100" height="4"/><rect class="value" width=${(100 * pull.nats) / most} height="4"/>`}</svg>
        <p class="muted">without ${asWord(pull.ids)}: ${percent(pull.alone[answered])} ${answered}</p>
        <p class="buttons"><label class="check"><input type="checkbox" .checked=${without.has(id)} @change=${() => turn(id)}> without ${pull.num > 1 ? "these" : "this one"}</label>
          <button type="button" class="small" @click=${() => drop(pull.ids)}>Drop from training</button></p></div></li>`;
  }

  function draw() {
    const pulls = found?.pulls.filter((pull) => pull.ids.length) ?? [];
    const most = Math.max(...pulls.map((pull) => pull.nats), 1e-9);
    render(html`<section class="culprits" aria-label="Photos that pulled the answer"><h4>Which training photos pulled it to “${answered}”?</h4>
      ${others.length > 1 ? html`<label class="field"><span>rather than</span> <select @change=${(event) => compareWith(event.target.value)}>${others.map((name) => html`<option ?selected=${name === other}>${name}</option>`)}</select></label>` : nothing}
      ${failure ? html`<p class="problem" role="alert">${failure}</p>` : nothing}
      ${!found && isAsking ? html`<p role="status">Asking the training photos…</p>` : nothing}
      ${found ? html`<p class="now" role="status" aria-busy=${isAsking}>${without.size ? `Without ${without.size === 1 ? "the ticked one" : `the ${without.size} ticked ones`}: ` : found.is_own ? "Without this photo itself: " : "With all photos: "}${verdict()}</p>
        ${pulls.length ? html`<ol>${pulls.map((pull) => row(pull, most))}</ol>` : html`<p>No single photo pulled it there: it is what all of them say together.</p>`}
        <p class="muted">The last layer is fitted again without the ticked photos. How strongly it is held back, and its calibration, stay as they were in the training.</p>` : nothing}
    </section>`, root);
  }

  ask();
  return {
    against: (name) => { if (others.includes(name) && name !== other) compareWith(name); },
    close() { isClosed = true; render(nothing, root); },
  };
}
