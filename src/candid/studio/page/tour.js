// The tour: a card that says what to do on a screen, and leads to the next. Its step is in the address.

import { html, nothing, render } from "./vendor/lit-html.js";

const STEPS = [
  ["look", "Look", "These are 300 drawn faces. Some are wrong on purpose: in the wrong class, there twice, or damaged. Press “Check for problems” below the photos, and wait for it to end; then choose a finding above them."],
  ["look", "Clean", "Click a photo that is wrong. D drops it, a number gives it that class, U undoes. No file is moved: what you decide is kept in a list that the training reads."],
  ["judge", "Train", "Press the button to train. It takes seconds. Read how good it is on faces that it never saw, and move the slider to let it answer only when it is sure."],
  ["try", "Try", "Drop a face, paste one, or draw your own and hold it into the webcam. See where it looked, and which faces it finds similar."],
  ["ship", "Ship", "Take it home: a web page, a file for a phone, or a server. Each is kept only if it answers as the one that you tested."],
];

const stepNow = () => Number(new URLSearchParams(location.search).get("tour")) || 0;

export function makeTour(root) {
  let drawn = 0;

  // A step in the address is a place to go back to, and survives a reload.
  function goTo(step) {
    const [screen] = STEPS[step - 1] ?? [location.hash.slice(1) || "start"];
    const before = location.hash;
    history.pushState(null, "", `${step ? `/?tour=${step}` : "/"}#${screen}`);
    if (location.hash !== before) showScreen();
    draw();
    if (step) root.querySelector("h2").focus();
  }

  const showScreen = () => dispatchEvent(new HashChangeEvent("hashchange"));

  function draw() {
    const step = stepNow();
    drawn = step;
    const [, title, text] = STEPS[step - 1] ?? [];
    root.hidden = !title;
    render(title ? html`<div><h2 tabindex="-1">${step} of ${STEPS.length}: ${title}</h2><p>${text}</p></div>
      <div class="row">${step > 1 ? html`<button type="button" @click=${() => goTo(step - 1)}>Back</button>` : nothing}
        ${step < STEPS.length ? html`<button type="button" class="first" @click=${() => goTo(step + 1)}>Next: ${STEPS[step][1]}</button>` : nothing}
        <button type="button" @click=${() => goTo(0)}>${step < STEPS.length ? "Leave the tour" : "End the tour"}</button></div>` : nothing, root);
  }

  addEventListener("popstate", () => {
    if (drawn !== stepNow()) showScreen(); // browsers tell of a new hash only where nothing else is new
    draw();
  });
  draw();
}
