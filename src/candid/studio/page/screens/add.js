// Add photos: into a class, from the webcam, files, folders, the clipboard or a phone.

import { get, post, remove } from "../api.js";
import { filesOf, filesOfInput, sortOut } from "../dropped.js";
import { again, forgetBurst, giveUp, onChange, send, sent, startAnew } from "../sending.js";
import { html, nothing, render } from "../vendor/lit-html.js";
import { cameras, makeCamera } from "../webcam.js";

export const name = "Add photos";

const ENOUGH = 10; // different recordings or photos of a class
const NUM_SHOWN = 24;
const NEW = "\0new"; // in the dialog of folders
const NO_CLASS = "\0none";
const LEAVE_OUT = "\0out";
const OUTCOMES = { saved: "✓ added", copy: "= there already", refused: "✗ not added" };

const plural = (num, one) => `${num.toLocaleString("en")} ${one}${num === 1 ? "" : "s"}`;
const classNamed = (label) => (label ? html`<b>${label}</b>` : html`<b>no class yet</b>`);
const stampOf = (now) => now.toISOString().replace(/[-:Z]/g, "").replace("T", "-").replace(".", "-");

export function open(root, studio) {
  const page = document.createElement("div");
  page.className = "adding";
  const video = document.createElement("video");
  Object.assign(video, { muted: true, playsInline: true });
  video.setAttribute("aria-label", "What the camera sees");
  const dialog = document.createElement("dialog");
  root.append(page, dialog);

  let label = studio.query.get("label"); // null: not chosen yet
  let facts = null; // of /api/intake
  let seen = null; // state that they belong to
  let devices = [];
  let device = "";
  let cameraProblem = "";
  let classProblem = "";
  let recording = null;
  let numFrames = 0;
  let isStarting = false;
  let isOver = false;
  let sorting = null; // folders that were dropped, in the dialog
  let isClosed = false;
  const pictures = new Map(); // file → address

  const camera = makeCamera(video, { onEnd: () => { cameraProblem = "The camera was taken away."; draw(); } });
  const classes = () => (studio.state.project?.classes ?? []).filter((one) => one.name);

  // --- Class ---

  function choose(next) {
    label = next;
    history.replaceState(null, "", `#add?${new URLSearchParams({ label })}`);
    draw();
  }

  async function makeClass(event) {
    event.preventDefault();
    const input = event.target.elements.name;
    try {
      const made = await post("classes", { name: input.value });
      classProblem = "";
      input.value = "";
      await studio.refresh();
      choose(made.name);
    } catch (error) {
      classProblem = error.message;
      draw();
    }
  }

  // --- Webcam ---

  async function turnOn(id = device) {
    isStarting = true;
    cameraProblem = "";
    draw();
    try {
      device = await camera.start(id);
      devices = await cameras();
      if (isClosed) camera.stop();
    } catch (error) {
      cameraProblem = error.message;
      camera.stop();
    }
    isStarting = false;
    draw();
  }

  function turnOff() {
    stop();
    camera.stop();
    draw();
  }

  function start() {
    if (recording || !camera.isOn) return;
    const burst = `webcam-${stampOf(new Date())}`;
    const into = label;
    numFrames = 0;
    recording = camera.record((blob, number) => {
      numFrames = number;
      send([new File([blob], `${burst}-${String(number).padStart(3, "0")}.jpg`, { type: "image/jpeg" })], { label: into, burst });
    });
    recording.done.then(() => { recording = null; draw(); });
    draw();
  }

  const stop = () => recording?.stop();

  const isSpace = (event) => event.key === " " && !event.ctrlKey && !event.metaKey && !event.altKey;
  const isTyping = (event) => event.target.closest?.("input:not([type=radio]), select, textarea, summary, a, dialog, button:not(.record)");

  function onKeyDown(event) {
    if (dialog.open || isTyping(event)) return;
    if (isSpace(event) && camera.isOn) {
      event.preventDefault();
      if (!event.repeat) start();
    } else if (/^[1-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const one = classes()[Number(event.key) - 1];
      if (one) choose(one.name);
    }
  }

  function onKeyUp(event) {
    if (!isSpace(event)) return;
    if (recording || event.target.closest?.(".record")) event.preventDefault(); // no click of the button
    stop();
  }

  function onPress(event) {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    start();
  }

  // Enter, and what helps people use a mouse, only click: the first click begins, the next one ends.
  const onClick = (event) => { if (event.detail === 0) (recording ? stop() : start()); };

  async function takeBack(burst) {
    try {
      const { num, folder } = await remove("intake", { burst });
      forgetBurst(burst);
      studio.say(`${plural(num, "photo")} taken back; they lie in ${folder}.`);
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  // --- Files ---

  function take(found) {
    const { loose, folders } = sortOut(found, classes().map((one) => one.name));
    if (loose.length) send(loose, { label });
    if (!folders.length) return;
    if (folders.every((one) => one.label !== null)) {
      for (const one of folders) send(one.files, { label: one.label });
      return;
    }
    sorting = folders.map((one) => ({ ...one, choice: one.label === null ? NEW : one.label || NO_CLASS }));
    drawDialog();
    dialog.showModal();
  }

  function takeSorted(event) {
    event.preventDefault();
    for (const { name: folder, files, choice } of sorting) {
      if (choice !== LEAVE_OUT) send(files, { label: choice === NEW ? folder : choice === NO_CLASS ? "" : choice });
    }
    dialog.close();
  }

  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");

  function onDragOver(event) {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = canAdd() ? "copy" : "none";
    if (!isOver) { isOver = true; draw(); }
  }

  function onDragLeave(event) {
    if (event.relatedTarget === null) { isOver = false; draw(); }
  }

  async function onDrop(event) {
    if (!hasFiles(event)) return;
    event.preventDefault();
    isOver = false;
    draw();
    if (!canAdd()) return;
    const found = await filesOf(event.dataTransfer);
    if (found.length) take(found);
    else studio.say("There is no file in what was dropped.");
  }

  function onPaste(event) {
    const files = [...event.clipboardData.files];
    if (!files.length || !canAdd()) return;
    event.preventDefault();
    const stamp = stampOf(new Date());
    send(files.map((file, place) => new File([file], `pasted-${stamp}-${place + 1}${file.name.match(/\.\w+$/)?.[0] ?? ".png"}`, { type: file.type })), { label });
  }

  function onChosen(event) {
    take(filesOfInput(event.target));
    event.target.value = ""; // so that the same can be chosen again
  }

  const canAdd = () => facts !== null && !facts.refusal && label !== null;

  // --- Phone ---

  async function letPhone(isIn) {
    try {
      await (isIn ? post("phone") : remove("phone"));
      await studio.refresh();
    } catch (error) {
      studio.say(error.message);
    }
  }

  // --- Drawing ---

  function drawClasses() {
    const advice = (one) => {
      const { bursts = 0, groups = 0 } = facts?.counts.find(({ name: label }) => label === one.name) ?? {};
      const recorded = bursts ? ` in ${plural(bursts, "recording")}` : "";
      const lacking = one.num > 0 && groups > 0 && groups < ENOUGH;
      return html`<small>${plural(one.num, "photo")}${groups === bursts ? recorded : bursts ? ` (${plural(bursts, "recording")})` : ""}${lacking ? html`; <span class="lacking">${ENOUGH - groups} more ${bursts ? "recordings" : "photos"} for a fair test</span>` : nothing}</small>`;
    };
    const row = (one, place) => html`<label><input type="radio" name="label" value=${one.name} .checked=${label === one.name} @change=${() => choose(one.name)}>
      <span><b>${one.name}</b> ${place < 9 ? html`<kbd>${place + 1}</kbd>` : nothing}${advice(one)}</span></label>`;
    const counts = facts?.counts.filter((one) => one.name) ?? [];
    const isEnough = counts.length > 1 && counts.length === classes().length && counts.every((one) => one.groups >= ENOUGH);
    const none = studio.state.project.classes.find((one) => !one.name)?.num ?? 0;
    return html`<section class="classes" aria-labelledby="into"><h2 id="into">Into which class?</h2>
      <div class="into" role="radiogroup" aria-labelledby="into">${classes().map(row)}
        <label><input type="radio" name="label" value="" .checked=${label === ""} @change=${() => choose("")}>
          <span><b>No class yet</b><small>${plural(none, "photo")}; they wait in the folder unlabelled, and you sort them in Label</small></span></label></div>
      <form @submit=${makeClass}><label for="new-class">New class</label>
        <div class="row"><input id="new-class" name="name" autocomplete="off" maxlength="80" placeholder="such as happy" aria-describedby=${classProblem ? "class-problem" : nothing}><button>Make it</button></div>
        ${classProblem ? html`<p class="problem" id="class-problem" role="alert">${classProblem}</p>` : nothing}</form>
      ${isEnough ? html`<p>Enough for a fair test: <a href="#judge">Train</a></p>` : nothing}
      ${facts?.problem ? html`<p class="problem" role="alert">${facts.problem}</p>` : nothing}</section>`;
  }

  function drawCamera() {
    const on = camera.isOn;
    return html`<section class="camera" aria-labelledby="webcam"><h2 id="webcam">Webcam</h2>
      <div class="view" ?hidden=${!on}>${video}${recording ? html`<b class="count">● ${numFrames}</b>` : nothing}</div>
      ${on ? html`<button type="button" class="record" aria-pressed=${recording !== null} aria-describedby="how"
          @pointerdown=${onPress} @pointerup=${stop} @pointercancel=${stop} @click=${onClick} @contextmenu=${(event) => event.preventDefault()}>
          ${recording ? html`Recording into ${classNamed(label)}…` : html`Hold to record into ${classNamed(label)}`}</button>
        <p class="note" id="how">Hold the button or <kbd>Space</kbd>: ten photos a second. What one press records stays together when Candid tests itself, so press at least ${ENOUGH} times for each class, each time a bit different: another place, light or person.</p>
        <div class="row">${devices.length > 1 ? html`<label>Camera <select @change=${(event) => turnOn(event.target.value)}>${devices.map((one) => html`<option value=${one.id} ?selected=${one.id === device}>${one.name}</option>`)}</select></label>` : nothing}
          <button type="button" @click=${turnOff}>Turn the camera off</button></div>`
      : html`<p class="note">Photos stay on this computer.</p><button type="button" ?disabled=${isStarting} @click=${() => turnOn()}>${isStarting ? "Waiting for the camera…" : "Turn the camera on"}</button>`}
      ${cameraProblem ? html`<p class="problem" role="alert">${cameraProblem}</p>` : nothing}</section>`;
  }

  const drawFiles = () => html`<section class="files" aria-labelledby="from-files"><h2 id="from-files">Files</h2>
    <div class="drop ${isOver ? "over" : ""}"><p>Drop photos or folders anywhere on this page, or paste a picture.</p>
      <div class="row"><label class="button">Choose photos…<input class="unseen" type="file" multiple accept="image/*,.dcm,.dicom,.heic,.heif,.avif,.jp2,.tif,.tiff,.ppm,.pgm" @change=${onChosen}></label>
        <label class="button">Choose a folder…<input class="unseen" type="file" webkitdirectory @change=${onChosen}></label></div>
      <p class="note">Photos go into ${classNamed(label)}. In a folder, the names of the sub-folders are the classes.</p></div></section>`;

  function drawPhone() {
    const { address = "", num = 0, was_idle: wasIdle = false } = studio.state.phone ?? {};
    return html`<section class="phone" aria-labelledby="a-phone"><h2 id="a-phone">Phone</h2>
      ${address ? html`<div class="let-in"><img src=${`/api/phone/code.svg?${encodeURIComponent(address.split("/").at(-2))}`} width="246" height="246" alt="QR code of the address for the phone">
          <div><p>Scan the code with the phone’s camera. The phone must be in the same Wi-Fi.</p>
          <p>${plural(num, "photo")} came in.</p>
          <details><summary>The page does not open?</summary><p class="note">Some networks keep devices apart, as those for guests do, and a firewall on this computer may refuse the phone. The address is <code>${address}</code></p></details>
          <button type="button" @click=${() => letPhone(false)}>Close it</button></div></div>`
      : html`<p class="note">Opens a page in your network, for the phone that scans a code. Photos can only go in; nothing of yours can be seen there but the names of the classes. They travel unencrypted, so use a network that you trust. It closes when you say so, after 15 minutes without a phone, and with the studio.</p>
        ${wasIdle ? html`<p role="status">It was closed, as no phone was there for 15 minutes.</p>` : nothing}
        <button type="button" @click=${() => letPhone(true)}>Allow a phone</button>`}</section>`;
  }

  function pictureOf(file) {
    if (!pictures.has(file)) pictures.set(file, URL.createObjectURL(file));
    return pictures.get(file);
  }

  function drawSent() {
    const { num, rows, numWaiting, problem } = sent;
    if (!rows.length && !numWaiting && !problem) return nothing;
    const shown = rows.filter((row) => row.outcome !== "refused").slice(0, NUM_SHOWN);
    for (const [file, address] of pictures) {
      if (!shown.some((row) => row.file === file)) {
        URL.revokeObjectURL(address);
        pictures.delete(file);
      }
    }
    const burst = rows.find((row) => row.burst)?.burst;
    const refused = rows.filter((row) => row.outcome === "refused");
    const told = [num.saved ? `${plural(num.saved, "photo")} added` : "", num.copy ? `${num.copy} there already` : "", num.refused ? `${num.refused} not added` : "", numWaiting ? `${numWaiting} waiting` : ""].filter(Boolean).join(", ");
    return html`<section class="sent" aria-labelledby="added"><h2 id="added">Added now</h2>
      <p role="status">${told}.</p>
      ${problem ? html`<p class="problem" role="alert">${problem} ${numWaiting} are kept here until you go on.
        <button type="button" @click=${again}>Try again</button> <button type="button" @click=${giveUp}>Leave them out</button></p>` : nothing}
      ${refused.length ? html`<details open><summary>Not added</summary><ul class="refused">${refused.slice(0, 20).map((row) => html`<li><b>${row.name}</b>: ${row.reason}</li>`)}</ul></details>` : nothing}
      <ul class="shown">${shown.map((row) => html`<li class=${row.outcome}><img src=${pictureOf(row.file)} alt=${row.name} loading="lazy"><small>${OUTCOMES[row.outcome]}${row.outcome === "copy" ? html`: ${row.path}` : row.outcome === "saved" ? html` · ${row.label || "no class yet"}` : nothing}</small></li>`)}</ul>
      <div class="row">${burst ? html`<button type="button" ?disabled=${numWaiting > 0 || recording !== null} @click=${() => takeBack(burst)}>Take the last recording back</button>
          <a href=${`#look?${new URLSearchParams({ name: burst })}`}>Look at it</a>` : nothing}
        <a href="#look?sort=date&descending=true">See all photos</a> <button type="button" @click=${startAnew}>Clear this list</button></div></section>`;
  }

  function draw() {
    if (!studio.state.project || isClosed) return;
    if (label === null && facts) label = classes()[0]?.name ?? (studio.state.project.num_photos ? "" : null);
    if (facts?.refusal) {
      render(html`<h1>Add photos</h1><p class="problem" role="status">${facts.refusal}</p>
        <p>You can look, decide and train all the same: <a href="#look">Photos</a>.</p>`, page);
      return;
    }
    const isFirst = label === null;
    render(html`<h1>Add photos</h1>
      ${isFirst ? html`<p>First name a class: what the photos show, such as <i>happy</i>. Two or more are needed; you can also add photos without a class, and sort them later.</p>` : nothing}
      <div class="columns">${drawClasses()}
        ${isFirst ? nothing : html`<div class="ways">${drawCamera()}${drawFiles()}${drawPhone()}</div>`}</div>
      ${drawSent()}`, page);
  }

  function drawDialog() {
    const names = classes().map((one) => one.name);
    const option = (value, text, row) => html`<option value=${value} ?selected=${value === row.choice}>${text}</option>`;
    const num = sorting.reduce((sum, row) => sum + (row.choice === LEAVE_OUT ? 0 : row.files.length), 0);
    const choices = (row) => html`${names.includes(row.name) ? nothing : option(NEW, `new class ${row.name}`, row)}${names.map((one) => option(one, `class ${one}`, row))}${option(NO_CLASS, "no class yet", row)}${option(LEAVE_OUT, "leave out", row)}`;
    render(html`<form class="sorting" @submit=${takeSorted}><h2>Which class is which folder?</h2>
      <table><thead><tr><th scope="col">Folder</th><th scope="col">Files</th><th scope="col">go into</th></tr></thead>
        <tbody>${sorting.map((row) => html`<tr><th scope="row">${row.name}</th><td>${row.files.length.toLocaleString("en")}</td>
          <td><select aria-label=${`Class of the folder ${row.name}`} @change=${(event) => { row.choice = event.target.value; drawDialog(); }}>${choices(row)}</select></td></tr>`)}</tbody></table>
      <div class="row"><button class="first" ?disabled=${!num}>Add ${plural(num, "file")}</button><button type="button" @click=${() => dialog.close()}>Cancel</button></div></form>`, dialog);
  }

  // --- State ---

  async function update({ project, version }) {
    if (!project) return;
    if (seen !== version) {
      seen = version;
      try {
        facts = await get("intake");
      } catch (error) {
        studio.say(error.message);
      }
    }
    draw();
  }

  const stopWatching = onChange(() => {
    draw();
    if (!sent.numWaiting) studio.refresh();
  });
  const global = { keydown: onKeyDown, keyup: onKeyUp, blur: stop, dragover: onDragOver, dragleave: onDragLeave, drop: onDrop, paste: onPaste };
  for (const [event, listener] of Object.entries(global)) addEventListener(event, listener);

  return {
    update,
    close() {
      isClosed = true;
      stop();
      camera.stop();
      stopWatching();
      dialog.close();
      for (const [event, listener] of Object.entries(global)) removeEventListener(event, listener);
      for (const address of pictures.values()) URL.revokeObjectURL(address);
    },
  };
}
