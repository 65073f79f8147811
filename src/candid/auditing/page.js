"use strict";
// What the page can do beyond showing everything: move by keys, filter, enlarge, change colours.
(() => {
  const byId = (id) => document.getElementById(id);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const filter = byId("filter");
  const viewer = byId("viewer");
  const help = document.querySelector(".keys");
  const findings = all(".finding");
  const rows = [...findings, ...all(".row")];
  const sections = all("#findings .check");
  document.querySelector(".tools").hidden = false;

  // Colours: the system's, until somebody says otherwise. Nothing is stored.
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => { byId("theme").textContent = isDark() ? "Light" : "Dark"; };
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();

  // Filter: every word has to be in the finding, its files or its notes.
  const texts = new Map();
  const textOf = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const opened = new Set();
  const openMatches = (words) => {
    for (const details of opened) details.open = false;
    opened.clear();
    if (!words.length) return;
    for (const details of all(".listed")) {
      if (!details.open && details.querySelector(".row:not([hidden])")) {
        details.open = true;
        opened.add(details);
      }
    }
  };
  const applyFilter = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => textOf(row).includes(word));
      shown += !row.hidden;
    }
    for (const section of sections) {
      section.hidden = words.length > 0 && !section.querySelector(".finding:not([hidden]), .row:not([hidden])");
    }
    openMatches(words);
    if (byId("nothing")) byId("nothing").hidden = shown > 0 || !words.length;
    byId("count").textContent = words.length
      ? `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`
      : `${rows.length.toLocaleString("en")} finding${rows.length === 1 ? "" : "s"} on this page`;
  };
  filter.addEventListener("input", applyFilter);
  applyFilter();

  // The enlarged picture, and those beside it in its finding.
  let beside = [];
  let at = 0;
  const show = (next) => {
    at = (next + beside.length) % beside.length;
    const picture = beside[at].querySelector("img");
    const caption = beside[at].parentElement.querySelector("figcaption");
    byId("large").src = picture.src;
    byId("large").alt = picture.alt;
    byId("caption").replaceChildren(...caption.cloneNode(true).childNodes);
    byId("place").textContent = beside.length > 1 ? `${at + 1} of ${beside.length}` : "";
  };
  const enlarge = (thumb) => {
    beside = all("button.thumb", thumb.closest(".finding"));
    for (const id of ["before", "after"]) byId(id).hidden = beside.length < 2;
    show(beside.indexOf(thumb));
    viewer.showModal();
    byId("close").focus();
  };
  for (const thumb of all("button.thumb")) {
    thumb.disabled = false;
    thumb.setAttribute("aria-haspopup", "dialog");
  }
  document.addEventListener("click", (event) => {
    const thumb = event.target.closest("button.thumb");
    if (thumb) enlarge(thumb);
    if (event.target === viewer) viewer.close();
    if (!help.contains(event.target)) help.open = false;
  });
  byId("before").addEventListener("click", () => show(at - 1));
  byId("after").addEventListener("click", () => show(at + 1));
  byId("close").addEventListener("click", () => viewer.close());

  // Keys.
  const move = (step) => {
    const visible = findings.filter((finding) => !finding.hidden);
    if (!visible.length) return;
    const now = visible.indexOf(document.activeElement.closest(".finding"));
    const next = now < 0 ? 0 : Math.min(Math.max(now + step, 0), visible.length - 1);
    visible[next].focus();
  };
  const keys = {
    n: () => move(1), j: () => move(1),
    p: () => move(-1), k: () => move(-1),
    "/": () => { filter.focus(); filter.select(); },
  };
  const pressInViewer = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && beside.length > 1) show(at + step);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (viewer.open) return pressInViewer(event);
    if (event.key === "Escape" && help.open) {
      const inside = help.contains(document.activeElement);
      help.open = false;
      if (inside) help.querySelector("summary").focus();
    }
    if (event.target === filter) {
      if (event.key !== "Escape") return;
      filter.value = "";
      applyFilter();
      filter.blur();
    } else if (event.key === "Enter" && event.target.matches(".finding")) {
      const thumb = event.target.querySelector("button.thumb");
      if (thumb) { event.preventDefault(); enlarge(thumb); }
    } else if (byId("keys").checked && Object.hasOwn(keys, event.key)) {
      event.preventDefault();
      keys[event.key]();
    }
  });
})();
