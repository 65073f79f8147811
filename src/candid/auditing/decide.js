// Decisions: taken by buttons and keys, kept in the browser, downloaded as decisions.csv.
const decide = (() => {
  const { key, rows, classes } = JSON.parse(byId("rows").textContent);
  const [PATH, CONTENT, FINDING, SUGGESTION, DECISION, LABEL] = [0, 1, 2, 3, 4, 5];
  const COLUMNS = ["path", "content", "finding", "suggestion", "decision"];
  const MOST_KEYS = 7; // classes with a key of their own: 3 to 9
  const units = all(".choices[data-rows]");
  const desk = byId("choices");
  const rowsOf = new Map(units.map((unit) => [unit, unit.dataset.rows.split(" ").map(Number)]));
  const unitsOf = new Map();
  for (const [unit, numbers] of rowsOf) {
    for (const row of numbers) unitsOf.set(row, [...(unitsOf.get(row) ?? []), unit]);
  }
  const files = new Map();
  // The rows about the file of each row.
  const alike = rows.map((row, number) => {
    const file = JSON.stringify([row[PATH], row[CONTENT]]);
    if (!files.has(file)) files.set(file, []);
    files.get(file).push(number);
    return files.get(file);
  });
  const names = new Map(classes);

  // State: the decisions of the rows, and the steps that led there: row, decision, that before.
  const now = rows.map((row) => row[DECISION]);
  let steps = [];
  let isDownloaded = true;
  const isClass = (word) => word !== "" && !["keep", "drop"].includes(word.toLowerCase());
  const isAboutAll = (row) => rows[row][CONTENT] === "" && rows[row][PATH].startsWith("*: ");
  // The class of its folder, which is what keep means; none where an applied decision gave the label.
  const isRelabelled = (row) => alike[row].some((other) => isClass(rows[other][DECISION]));
  const ownClass = (row) => (isRelabelled(row) ? undefined : classes[rows[row][LABEL]]?.[0]);
  const allows = (row, word) =>
    ["", "keep"].includes(word) || (!isAboutAll(row) && (word === "drop" || names.has(word) || word === rows[row][SUGGESTION]));
  // To move a photo to the class that it has is to keep it.
  const meant = (row, word) => (isClass(word) && word === ownClass(row) ? "keep" : word);
  const contradicts = (row, word) =>
    isClass(word) && alike[row].some((other) => other !== row && isClass(now[other]) && now[other] !== word);

  // Storage: pages from disk may have none, or it may be full.
  let isKept = true;
  const keepSteps = () => {
    isDownloaded = false;
    const short = steps.map((step) => step.map(([row, word]) => [row, word]));
    try { localStorage.setItem(key, JSON.stringify(short)); isKept = true; } catch { isKept = false; }
  };
  const readSteps = () => {
    try {
      const read = JSON.parse(localStorage.getItem(key) ?? "[]");
      const isValid = ([row, word]) => Number.isInteger(row) && row in rows && allows(row, word);
      return read.every((step) => step.every(isValid)) ? read : [];
    } catch { return []; }
  };
  // The same page in another tab: the last decisions hold in both.
  addEventListener("storage", (event) => {
    if (event.key !== key) return;
    rows.forEach((row, number) => { now[number] = row[DECISION]; });
    steps = [];
    for (const step of readSteps()) apply(step);
    isDownloaded = !steps.length;
    update([...rows.keys()]);
  });
  addEventListener("beforeunload", (event) => {
    if (!isKept && !isDownloaded) event.preventDefault();
  });

  // Taking and undoing.
  const apply = (entries) => {
    const step = entries.map(([row, word]) => [row, word, now[row]]);
    for (const [row, word] of step) now[row] = word;
    steps.push(step);
  };
  const take = (entries) => {
    const changed = new Map(entries.filter(([row, word]) => now[row] !== word));
    // A file can't have two classes: the last one holds for all its rows.
    for (const [row, word] of [...changed]) {
      if (!isClass(word)) continue;
      for (const other of alike[row]) if (isClass(now[other])) changed.set(other, word);
    }
    if (!changed.size) return;
    apply([...changed]);
    keepSteps();
    say(describe(steps.at(-1)));
    update([...changed.keys()]);
  };
  const undo = () => {
    const step = steps.pop();
    if (!step) return say("Nothing to undo");
    for (const [row, , before] of step) now[row] = before;
    keepSteps();
    say(`Undone: ${describe(step)}`);
    update(step.map(([row]) => row));
    const unit = unitsOf.get(step[0][0])?.[0];
    if (unit) goTo(unit);
  };
  const describe = (step) => {
    const [row, word] = step[0];
    const name = rows[row][PATH].split("/").at(-1);
    const shown = word === "" ? "undecided" : nameOf(word);
    return step.length > 1 ? `${name} and ${step.length - 1} more: ${shown}` : `${name}: ${shown}`;
  };
  const nameOf = (word) => names.get(word) ?? word;

  // Buttons.
  const isUndecided = (unit) => rowsOf.get(unit).some((row) => now[row] === "");
  const choicesFor = (numbers) => {
    if (isAboutAll(numbers[0])) return [["1", "keep", "That is my class"]];
    const suggestion = numbers.map((row) => rows[row][SUGGESTION]).find(isClass);
    const own = numbers.map(ownClass);
    const moves = classes.map(([word, shown], at) => [String(at + 3), word, shown]);
    const few = classes.length <= MOST_KEYS ? moves : suggestion ? [["3", suggestion, nameOf(suggestion)]] : [];
    const others = few.filter(([, word]) => !own.every((name) => name === word));
    return [["1", "keep", "keep"], ["2", "drop", "drop"], ...others];
  };
  const makeButton = ([digit, word, shown], numbers) => {
    const button = document.createElement("button");
    const [mark, name] = ["kbd", "bdi"].map((tag) => document.createElement(tag));
    mark.textContent = digit;
    name.textContent = shown;
    button.type = "button";
    button.dataset.word = word;
    button.dataset.digit = digit;
    button.classList.toggle("suggested", numbers.some((row) => rows[row][SUGGESTION] === word));
    button.append(mark, " ", name);
    return button;
  };
  const makeSelect = (numbers) => {
    const select = document.createElement("select");
    select.setAttribute("aria-label", "Move to another class");
    select.add(new Option("4 Move to…", ""));
    select.dataset.digit = "4";
    // Thousands of photos times a thousand classes: the options are made when they are asked for.
    let isFilled = false;
    const fill = () => {
      if (isFilled) return;
      isFilled = true;
      const chosen = select.selectedOptions[0];
      select.length = 1;
      for (const [word, shown] of classes) select.add(new Option(shown, word));
      select.value = chosen.value;
      if (select.selectedIndex < 0) select.add(chosen);
    };
    for (const name of ["focus", "pointerdown"]) select.addEventListener(name, fill, { once: true });
    select.addEventListener("blur", () => select.isConnected && renderUnit(select.parentElement));
    return select;
  };
  const build = (unit) => {
    const numbers = rowsOf.get(unit);
    unit.replaceChildren(...choicesFor(numbers).map((choice) => makeButton(choice, numbers)));
    if (classes.length > MOST_KEYS && !isAboutAll(numbers[0])) unit.append(makeSelect(numbers));
    renderUnit(unit);
  };
  const renderUnit = (unit) => {
    const numbers = rowsOf.get(unit);
    const has = (word) => numbers.every((row) => now[row].toLowerCase() === meant(row, word).toLowerCase());
    for (const button of all("button", unit)) button.setAttribute("aria-pressed", has(button.dataset.word));
    const select = unit.querySelector("select");
    const moved = select && now[numbers[0]];
    if (select && select !== document.activeElement) { // arrow keys go on from where they are
      const shown = isClass(moved) && has(moved) && !unit.querySelector("[aria-pressed=true]") ? moved : "";
      if (![...select.options].some(({ value }) => value === shown)) select.add(new Option(nameOf(shown), shown));
      select.value = shown;
    }
    holderOf(unit)?.classList.toggle("decided", !isUndecided(unit));
  };
  // A class given elsewhere to a file would win over keep: that of the folder takes its place too.
  const entriesOf = (row, word) => {
    const meaning = meant(row, word);
    const others = isClass(word) && meaning === "keep" ? alike[row].filter((other) => isClass(now[other])) : [];
    return [row, ...others].map((each) => [each, meaning]);
  };
  const choose = (unit, word) => {
    const numbers = rowsOf.get(unit);
    const isTaken = numbers.every((row) => now[row] === meant(row, word));
    take(numbers.flatMap((row) => (isTaken ? [[row, ""]] : entriesOf(row, word))));
  };

  // Focus.
  const holderOf = (unit) => unit.closest(".item, .names li, .row, .finding");
  const isThere = (unit) => !unit.closest("[hidden]");
  const thumbOf = (unit) => holderOf(unit).querySelector("button.thumb");
  const unitOf = (element) => {
    const own = element.closest(".item, .names li, .row")?.querySelector(".choices[data-rows]");
    if (own) return own;
    const within = all(".choices[data-rows]", element.closest(".finding, .row") ?? document.createElement("i"));
    return within.find(isUndecided) ?? within[0];
  };
  const goTo = (unit) => {
    for (let at = unit.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
    const thumb = thumbOf(unit);
    if (viewer.isOpen()) return thumb && viewer.enlarge(thumb);
    const finding = unit.closest(".finding");
    const holder = finding?.querySelectorAll(".choices").length === 1 ? finding : holderOf(unit);
    holder.tabIndex = -1;
    holder.focus();
  };
  const goOn = (unit) => {
    const at = units.indexOf(unit);
    const isNext = (other) => isUndecided(other) && isThere(other) && (!viewer.isOpen() || thumbOf(other));
    const next = [...units.slice(at + 1), ...units.slice(0, at)].find(isNext);
    if (!isUndecided(unit) && next) goTo(next);
  };
  const current = () => (viewer.isOpen() ? deskUnit : unitOf(document.activeElement));
  const press = (digit) => {
    const unit = current();
    if (!unit) return;
    if (digit === "0") return take(rowsOf.get(unit).map((row) => [row, ""]));
    const control = (viewer.isOpen() ? desk : unit).querySelector(`[data-digit="${digit}"]`);
    if (control?.matches("select")) return control.focus();
    const own = classes.length <= MOST_KEYS ? classes[digit - 3]?.[0] : undefined;
    const word = control?.dataset.word ?? own;
    if (!word || !allows(rowsOf.get(unit)[0], word)) return;
    choose(unit, word);
    goOn(unit);
  };

  // The enlarged picture, with typical photos of the classes beside it.
  let deskUnit = null;
  const showBeside = (numbers) => {
    const { [LABEL]: label, [SUGGESTION]: suggestion } = rows[numbers[0]];
    const suggested = classes.findIndex(([word]) => word === suggestion);
    const asked = classes.length === 2 ? [0, 1] : [...new Set([label, suggested])];
    const strips = asked.flatMap((number) => all(`details.typical [data-number="${number}"]`));
    byId("beside").replaceChildren(...strips.map((strip) => {
      const copy = strip.cloneNode(true);
      for (const thumb of all("button.thumb", copy)) thumb.replaceWith(thumb.firstElementChild);
      copy.classList.remove("gallery");
      return copy;
    }));
  };
  viewer.dialog.addEventListener("show", () => {
    const thumb = viewer.shown();
    deskUnit = thumb.closest(".finding") && unitOf(thumb);
    byId("desk").hidden = !deskUnit;
    viewer.dialog.classList.toggle("wide", Boolean(deskUnit?.closest(".by-picture")));
    if (!deskUnit) return rowsOf.delete(desk);
    rowsOf.set(desk, rowsOf.get(deskUnit));
    if (deskUnit.closest(".by-picture")) showBeside(rowsOf.get(desk)); else byId("beside").replaceChildren();
    build(desk);
  });
  viewer.dialog.addEventListener("close", () => {
    viewer.shown().focus();
    if (deskUnit) holderOf(deskUnit).scrollIntoView({ block: "nearest" });
  });

  // What is said.
  const say = (text) => { if (byId("said")) byId("said").textContent = text; };
  const suggestionsOf = (finding) =>
    rows.flatMap(({ [FINDING]: code, [SUGGESTION]: word }, row) => {
      const isOpen = code === finding && word && !now[row];
      return isOpen && allows(row, word) && !contradicts(row, word) ? [[row, word]] : [];
    });
  const count = () => {
    const num = now.filter(Boolean).length;
    const text = `${num.toLocaleString("en")} of ${rows.length.toLocaleString("en")} decided`;
    const where = !steps.length || isKept ? "" : ", kept nowhere: download them before you leave";
    byId("decided").textContent = `${text}${where}`;
    byId("decided-here").textContent = text;
    for (const button of all("button.undo")) button.disabled = !steps.length;
    byId("download").classList.toggle("ready", num > 0 && !isDownloaded);
    for (const line of all(".accept")) {
      const left = suggestionsOf(line.dataset.finding).length;
      line.hidden = !left;
      line.firstElementChild.textContent = left === 1 ? "Accept the suggestion" : `Accept all ${left.toLocaleString("en")} suggestions`;
    }
  };
  const update = (changed) => {
    for (const unit of new Set(changed.flatMap((row) => unitsOf.get(row) ?? []))) renderUnit(unit);
    if (rowsOf.has(desk)) renderUnit(desk);
    count();
  };

  // The table, byte for byte as `to_csv` in candid.data.decisions writes it.
  const toCsv = () => {
    const table = [COLUMNS, ...rows.map((row, number) => [...row.slice(0, DECISION), now[number]])];
    const cells = table.map((row) => row.map((cell) => (/^[=+\-@]/.test(cell) ? `./${cell}` : cell)));
    const isQuoted = cells.some((row) => row.some((cell) => cell.includes("\r"))) ? /^/ : /[",\n]/;
    const toCell = (cell) => (isQuoted.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
    return cells.map((row) => `${row.map(toCell).join(",")}\n`).join("");
  };
  // Bytes of names that are not UTF-8 are lone surrogates, and become bytes again.
  const toBytes = (text) => {
    const encoder = new TextEncoder();
    const toByte = (surrogate) => Uint8Array.of(surrogate.charCodeAt(0) & 0xff);
    const parts = text.split(/([\udc80-\udcff])/u);
    return parts.map((part, at) => (at % 2 ? toByte(part) : encoder.encode(part)));
  };
  const download = () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(toBytes(`\ufeff${toCsv()}`), { type: "text/csv" }));
    link.download = "decisions.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    isDownloaded = true;
    byId("then").hidden = false;
    say("Downloaded");
    count();
  };

  if (!rows.length) return null;
  for (const step of readSteps()) apply(step);
  if (steps.length) isDownloaded = false;
  for (const unit of units) build(unit);
  document.querySelector(".decide").hidden = false;
  count();
  if (steps.length) say("Decisions that this browser kept are back");
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches(".undo")) return undo();
    if (button.matches("#download")) return download();
    if (button.matches(".accept button")) return take(suggestionsOf(button.parentElement.dataset.finding));
    const unit = button.closest(".choices");
    if (!unit) return;
    choose(unit === desk ? deskUnit : unit, button.dataset.word);
    if (unit !== desk) return;
    goOn(deskUnit);
    desk.querySelector("button").focus();
  });
  document.addEventListener("change", (event) => {
    const unit = event.target.closest(".choices");
    const word = event.target.value;
    if (unit && word) take(rowsOf.get(unit).flatMap((row) => entriesOf(row, word)));
  });
  return { press, undo, download };
})();
