// Open: recent folders, another folder, a new empty one, or the drawn sample set.

import { get, post } from "../api.js";
import { html, nothing, render } from "../vendor/lit-html.js";

export const name = "Open";

const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function since(text) {
  const hours = (new Date(text) - Date.now()) / 3.6e6;
  if (Math.abs(hours) < 1) return ago.format(Math.round(hours * 60), "minute");
  return Math.abs(hours) < 24 ? ago.format(Math.round(hours), "hour") : ago.format(Math.round(hours / 24), "day");
}

export function open(root, studio) {
  let known = null; // of /api/start
  let listing = null; // of /api/folders
  let at = ""; // what is typed
  let classes = ["", ""];
  let made = { name: "", parent: "" };
  const problems = { open: "", make: "", sample: "" };
  let waiting = ""; // open, make or sample
  let retry = null; // does what a running command forbade

  // Asks the server to open something, and shows it from the beginning: nothing of another project stays.
  async function go(kind, path, body, then) {
    waiting = kind;
    studio.isOpening = true;
    problems[kind] = "";
    retry = null;
    draw();
    try {
      await post(path, body);
      history.replaceState(null, "", then);
      location.reload();
    } catch (error) {
      waiting = "";
      studio.isOpening = false;
      problems[kind] = error.message;
      if (error.code === "busy") retry = () => go(kind, path, { ...body, stop: true }, then);
      draw();
    }
  }

  const openFolder = (folder) => go("open", "open", { folder }, "/#look");

  async function list(folder) {
    try {
      listing = await get("folders", { at: folder });
      at = listing.path;
      problems.open = "";
    } catch (error) {
      problems.open = error.message;
    }
    draw();
  }

  async function forget(folder) {
    try {
      known = await post("forget", { folder });
    } catch (error) {
      studio.say(error.message);
    }
    draw();
  }

  async function load() {
    try {
      known = await get("start");
      made.parent ||= known.parent;
      at ||= known.parent;
    } catch (error) {
      studio.say(error.message);
    }
    draw();
  }

  // --- Drawing ---

  const problem = (kind) => (problems[kind] ? html`<p class="problem" role="alert">${problems[kind]}
    ${retry ? html`<button type="button" @click=${retry}>Stop it, and open</button>` : nothing}</p>` : nothing);

  const drawRecent = () => html`<section aria-labelledby="recent"><h2 id="recent">Recent</h2>
    <ul class="recent">${known.recent.map((one) => html`<li>
      ${one.is_there ? html`<button type="button" class="wide" ?disabled=${waiting} @click=${() => openFolder(one.folder)}><b>${one.name}</b> <small>${one.folder} · ${since(one.opened)}</small></button>`
      : html`<p class="wide missing"><b>${one.name}</b> <small>${one.folder} is not there now. Was it moved, or is its drive not connected?</small></p>
        <button type="button" aria-label=${`Take ${one.name} off this list`} @click=${() => forget(one.folder)}>Take off the list</button>`}</li>`)}</ul></section>`;

  function drawOpen() {
    const isTyped = listing && at !== listing.path;
    return html`<section aria-labelledby="open-one"><h2 id="open-one">Open a folder</h2>
      <p class="note">One that has a sub-folder for each class, such as <code>photos/cat</code> and <code>photos/dog</code>, or photos that have no class yet. Nothing in it is changed unless you ask for it.</p>
      <form @submit=${(event) => { event.preventDefault(); openFolder(at); }}>
        <label for="folder">Folder</label>
        <div class="row"><input id="folder" autocomplete="off" spellcheck="false" .value=${at} @input=${(event) => { at = event.target.value; draw(); }}>
          <button class="first" ?disabled=${waiting || !at.trim()}>${waiting === "open" ? "Opening…" : "Open"}</button>
          <button type="button" @click=${() => list(at)}>${listing && !isTyped ? "Look again" : "Browse…"}</button></div></form>
      ${problem("open")}
      ${listing && !isTyped ? html`<div class="browse">
        ${listing.refusal ? html`<p class="note">${listing.refusal}</p>` : nothing}
        <ul aria-label=${`Folders in ${listing.path}`}>
          ${listing.above ? html`<li><button type="button" @click=${() => list(listing.above)}>↑ <span>up to ${listing.above}</span></button></li>` : nothing}
          ${listing.names.map((one) => html`<li><button type="button" @click=${() => list(`${listing.path.replace(/[\\/]$/, "")}/${one}`)}>${one}</button></li>`)}</ul>
        ${listing.names.length ? nothing : html`<p class="note">There is no folder in it.</p>`}
        ${listing.num_more ? html`<p class="note">${listing.num_more} more are not listed; type the path.</p>` : nothing}</div>` : nothing}
      ${at.trim() ? studio.command(`candid studio ${/^[\w./~-]+$/.test(at) ? at : `'${at.replaceAll("'", "'\\''")}'`}`) : nothing}</section>`;
  }

  const drawMake = () => html`<section aria-labelledby="make-one"><h2 id="make-one">Start empty</h2>
    <p class="note">Name what you want to tell apart; then fill the classes with the webcam, files or a phone.</p>
    <form @submit=${(event) => { event.preventDefault(); go("make", "make", { ...made, classes }, "/#add"); }}>
      <label for="project-name">Name</label><input id="project-name" required maxlength="80" autocomplete="off" placeholder="such as fruit" .value=${made.name} @input=${(event) => { made.name = event.target.value; }}>
      ${classes.map((one, place) => html`<label for=${`class-${place}`}>Class ${place + 1}</label><input id=${`class-${place}`} maxlength="80" autocomplete="off" placeholder=${["such as apple", "such as pear"][place] ?? ""} .value=${one} @input=${(event) => { classes[place] = event.target.value; }}>`)}
      <div class="row"><button type="button" @click=${() => { classes = [...classes, ""]; draw(); root.querySelector(`#class-${classes.length - 1}`).focus(); }}>One more class</button></div>
      <label for="parent">In the folder</label><input id="parent" required autocomplete="off" spellcheck="false" .value=${made.parent} @input=${(event) => { made.parent = event.target.value; }}>
      <div class="row"><button class="first" ?disabled=${waiting}>${waiting === "make" ? "Making…" : "Make it"}</button></div></form>
    ${problem("make")}</section>`;

  const drawSample = () => html`<section aria-labelledby="sample"><h2 id="sample">Try it with drawn faces</h2>
    <p class="note">300 happy and sad faces, some of them wrong on purpose, are drawn into <code>${known.sample}</code>. A tour of five steps shows what there is; leave it whenever you like.</p>
    <div class="row"><button type="button" class="first" ?disabled=${waiting} @click=${() => go("sample", "sample", {}, "/?tour=1#look")}>${waiting === "sample" ? "Drawing the faces…" : "Take the tour"}</button>
      <button type="button" ?disabled=${waiting} @click=${() => go("sample", "sample", {}, "/#look")}>Only open them</button></div>
    ${problem("sample")}</section>`;

  function draw() {
    if (!known) return;
    const { project } = studio.state;
    render(html`<h1>${project ? "Open" : "Welcome to Candid"}</h1>
      <p class="lead">${project ? html`<b>${project.name}</b> is open. Its decisions and runs are kept when you open another one.` : "Teach a computer to tell your photos apart, and learn honestly how well it does. All of it stays on this computer."}</p>
      <div class="cards">${known.recent.length ? drawRecent() : nothing}${drawOpen()}${drawMake()}${known.sample ? drawSample() : nothing}</div>`, root);
  }

  load();
  return { update: draw, close() {} };
}
