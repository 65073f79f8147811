// One photo, enlarged, with what is known of it.
//
//   const viewer = makeViewer(root, { step(id, by) → id, decide(ids, word), like(id), classes() });
//   viewer.open(id); viewer.shut(); viewer.update(); viewer.isOpen; viewer.close()

import { get, pictureOf } from "./api.js";
import { choices } from "./deciding.js";
import { describe, loadFacts, percent, thumbs } from "./grid.js";
import { html, nothing, render } from "./vendor/lit-html.js";

const VERDICTS = { right: "right", wrong: "wrong", uncertain: "not sure", unknown: "unlike what it learned" };

export function sizeOf(bytes) {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return bytes >= 1000 ? `${Math.round(bytes / 1000)} kB` : `${bytes} bytes`;
}

export function makeViewer(root, { step, decide, like, classes, onKey }) {
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.setAttribute("aria-label", "Photo");
  root.append(dialog);
  let id = -1;
  let row = null;

  async function open(number) {
    id = number;
    row = null;
    draw();
    if (!dialog.open) dialog.showModal();
    await update();
  }

  async function update() {
    if (id < 0) return;
    const asked = id;
    try {
      const found = await get(`photos/${asked}`);
      if (asked !== id) return;
      row = found;
      await loadFacts([...row.similar, ...row.copies]);
    } catch (error) {
      row = { problem: error.message, path: "", notes: [], similar: [], copies: [], label: "" };
    }
    if (asked === id) draw();
  }

  const fact = (title, value) => (value ? html`<div><dt>${title}</dt><dd>${value}</dd></div>` : nothing);

  function describeDecision() {
    if (!row.decision) return "none yet";
    if (row.decision === "drop") return "drop: left out of training";
    return row.decision === "keep" ? "keep as it is" : `class ${row.label}`;
  }

  const facts = () => html`<dl>
    ${fact("Class", row.label || "none yet")}
    ${row.folder_label && row.folder_label !== row.label ? fact("In the folder of", row.folder_label) : nothing}
    ${row.guess ? fact("The classifier answered", `${row.guess}, ${percent(row.probability)}${row.verdict ? `: ${VERDICTS[row.verdict]}` : ""}`) : nothing}
    ${fact("Part", row.part)}
    ${fact("Decision", describeDecision())}
    ${fact("Size", row.width && `${row.width} × ${row.height} pixels, ${sizeOf(row.num_bytes)}, ${row.format.toUpperCase()}`)}
    ${fact("Last changed", row.changed && new Date(row.changed).toLocaleString())}
    ${row.notes.map((note) => fact(note.title, note.note))}
  </dl>`;

  const strip = (title, ids) => (ids.length ? html`<h3>${title}</h3>${thumbs(ids, { onOpen: open })}` : nothing);

  function draw() {
    render(html`
      <div class="bar">
        <button type="button" @click=${() => move(-1)} aria-label="Previous photo">←</button>
        <button type="button" @click=${() => move(1)} aria-label="Next photo">→</button>
        <output>${row?.path ?? ""}</output>
        <button type="button" @click=${() => dialog.close()}>Close</button>
      </div>
      <div class="sides">
        <img src=${pictureOf(id, 1280)} alt=${row?.path ? describe(row) : "the photo"}>
        <div>
          ${row?.problem ? html`<p class="problem">${row.problem}</p>` : nothing}
          ${row ? facts() : html`<p>…</p>`}
          ${choices({ classes: classes(), choose, label: row?.label ?? "", decision: row?.decision ?? "" })}
          ${row && !row.problem ? html`<p><button type="button" @click=${() => { dialog.close(); like(id); }}>More like this one</button>
            ${row.guess ? html`<a href="#try?photo=${id}">Why did it answer ${row.guess}?</a>` : nothing}</p>` : nothing}
        </div>
      </div>
      ${row ? html`${strip("Copies of the same picture", row.copies)}${strip("The most similar photos", row.similar)}` : nothing}`, dialog);
  }

  async function choose(word) {
    await decide([id], row?.decision === word ? "" : word);
    await update();
  }

  function move(by) {
    const next = step(id, by);
    if (next !== undefined && next !== id) open(next);
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowLeft") move(-1);
    else if (event.key === "ArrowRight") move(1);
    else if (!onKey(event, [id])) return;
    event.preventDefault();
  });
  dialog.addEventListener("close", () => { id = -1; });

  return { open, update, shut: () => dialog.close(), get isOpen() { return dialog.open; }, close() { dialog.close(); dialog.remove(); } };
}
