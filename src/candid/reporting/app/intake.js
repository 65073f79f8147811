// Photos from the person: chosen, dropped, pasted, or taken with a phone.

import { byId } from "./dom.js";

// Calls `take` with files, and `tell` with a line where something else was brought.
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
    byId(input).value = ""; // the same file may be chosen again
    if (files.length) take(files);
  });
}

// Anywhere on the page: who misses the box should not lose the page to the photo.
function drop(take, tell) {
  let inside = 0; // elements of the page that the pointer is in
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
    else tell("That is no file. Drop photos from a folder, or choose them.");
  });
}
