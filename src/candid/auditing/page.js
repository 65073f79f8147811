// Filter and keyboard navigation.
(() => {
  const filter = byId("filter");
  const help = document.querySelector(".keys");
  const findings = all(".finding");
  const rows = [...findings, ...all(".row")];
  const sections = all("#findings .check");

  // Filter: a finding, with its files and notes, must contain every word.
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
      if (!details.open && details.querySelector(".row:not([hidden]), .finding:not([hidden])")) {
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
    document.body.classList.toggle("filtered", words.length > 0);
    if (byId("nothing")) byId("nothing").hidden = shown > 0 || !words.length;
    byId("count").textContent = words.length
      ? `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")}`
      : `${rows.length.toLocaleString("en")} finding${rows.length === 1 ? "" : "s"} on this page`;
  };
  filter.addEventListener("input", applyFilter);
  applyFilter();

  document.addEventListener("click", (event) => {
    if (!help.contains(event.target)) help.open = false;
  });

  // Keys.
  const move = (step) => {
    const visible = findings.filter((finding) => finding.checkVisibility());
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
  const decideKeys = !decide ? {} : {
    u: decide.undo, s: decide.download,
    ...Object.fromEntries([..."0123456789"].map((digit) => [digit, () => decide.press(digit)])),
  };
  const areKeysOn = (event) => byId("keys").checked && !event.target.matches("input, select");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (areKeysOn(event) && Object.hasOwn(decideKeys, event.key)) {
      event.preventDefault();
      decideKeys[event.key]();
      return;
    }
    if (viewer.isOpen()) return;
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
      if (thumb) { event.preventDefault(); viewer.enlarge(thumb); }
    } else if (areKeysOn(event) && Object.hasOwn(keys, event.key)) {
      event.preventDefault();
      keys[event.key]();
    }
  });
})();
