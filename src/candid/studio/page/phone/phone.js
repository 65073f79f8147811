// Sends photos, one after the other, to the computer that showed the code.

const byId = (id) => document.getElementById(id);
const WORDS = { saved: "✓ sent", copy: "✓ was there already", refused: "✗ not taken" };
const waiting = [];
let isSending = false;
let numSent = 0;

for (const id of ["take", "choose"]) {
  byId(id).addEventListener("change", () => {
    for (const file of byId(id).files) waiting.push({ file, label: byId("label").value, row: show(file) });
    byId(id).value = ""; // so that the same file can be chosen again
    if (!isSending) sendAll();
  });
}

function show(file) {
  const row = document.createElement("li");
  const image = document.createElement("img");
  image.alt = "";
  image.src = URL.createObjectURL(file);
  const note = document.createElement("small");
  note.textContent = "waiting…";
  row.append(image, note);
  byId("shown").prepend(row);
  return row;
}

async function sendAll() {
  isSending = true;
  while (waiting.length) {
    tell(`Sending; ${waiting.length} to go.`);
    const { file, label, row } = waiting.shift();
    const note = row.querySelector("small");
    try {
      const { outcome, reason } = await send(file, label);
      note.textContent = reason ? `${WORDS[outcome]}: ${reason}` : WORDS[outcome];
      row.className = outcome;
      if (outcome === "saved") numSent += 1;
    } catch (error) {
      note.textContent = `✗ ${error.message}`;
      row.className = "refused";
    }
  }
  tell(`${numSent} ${numSent === 1 ? "photo" : "photos"} sent.`);
  isSending = false;
}

async function send(file, label) {
  const form = new FormData();
  form.append("image", file, file.name);
  let response;
  try {
    response = await fetch(`photos?${new URLSearchParams({ label })}`, { method: "POST", body: form });
  } catch {
    throw new Error("the computer no longer listens; press “Allow a phone” there and scan the new code.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Error(body?.error?.message ?? `it answered with ${response.status}.`);
  return body.added[0];
}

const tell = (text) => { byId("told").textContent = text; };
