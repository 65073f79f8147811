// Photo input: chosen, dropped, pasted, or taken with a phone.

import { byId } from "./dom.js";

// Calls `take` with files, and `tell` with a message for anything else.
export function listen({ take, tell }) {
  choose("choose", "files", take);
  choose("photograph", "snapshot", take);
  drop(take, tell);
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
}

function choose(button, input, take) {
  byId(button).addEventListener("click", () => byId(input).click());
  byId(input).addEventListener("change", () => {
    const files = [...byId(input).files];
    byId(input).value = ""; // so that the same file can be chosen again
    if (files.length) take(files);
  });
}

// Anywhere on the page, as the browser would open a photo dropped beside the box.
function drop(take, tell) {
  let inside = 0; // nested elements that the pointer is in
  const light = (change) => {
    inside = change ? inside + change : 0;
    document.body.classList.toggle("dragging", inside > 0);
  };
  const mayDrop = (event) => event.dataTransfer.types.includes("Files");
  addEventListener("dragenter", (event) => mayDrop(event) && light(1));
  addEventListener("dragleave", (event) => mayDrop(event) && light(-1));
  addEventListener("dragover", (event) => {
    event.preventDefault();
    event.dataTransfer.dropEffect = mayDrop(event) ? "copy" : "none";
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    light(0);
    const files = [...event.dataTransfer.files];
    if (files.length) take(files);
    else tell("That is not a file. Drop photos from a folder, or choose them.");
  });
}
