// Three ways through the studio, from the start to an export. Each gives what it has seen.

const NUM_BURSTS = 10; // a class: as the screen asks for

export const ways = { teacher, biologist, engineer };

// Starts empty, records two classes with the webcam, trains, tries live and ships a page.
async function teacher(person, { folder }) {
  await person.type("#project-name", "shapes");
  await person.type("#class-0", "circle");
  await person.type("#class-1", "stripes");
  await person.type("#parent", folder);
  await person.click("Make it");
  await person.click("Turn the camera on");
  await person.page.waitForSelector(".record");
  for (const [number, shape] of ["circle", "stripes"].entries()) {
    await person.press(String(number + 1));
    await person.read(`Hold to record into ${shape}`);
    for (let burst = 0; burst < NUM_BURSTS; burst++) {
      await person.show({ shape, scene: burst * 2 + number });
      await person.page.waitForSelector(".record[aria-pressed=false]"); // the last one has ended
      await person.hold(" ", 350);
    }
  }
  const recorded = await person.read(/\d+ photos added\./);
  await person.goTo("Train", "judge");
  await person.click("Train", ".training");
  const judged = await person.read(/How good it is[^]*of 100/);
  await person.goTo("Try", "try");
  await person.click("Camera");
  await person.show({ shape: "stripes", scene: 99 });
  const speed = await person.read(/[\d.]+ answers a second/);
  const answer = await person.read(/stripes|circle|unlike|not sure/i);
  await person.goTo("Ship", "ship");
  const gate = await person.read("Answers the same");
  return { recorded, judged, speed, answer, gate, export: await download(person, "The web") };
}

// Opens a folder most of whose photos have no class, gives them one, trains and judges.
async function biologist(person, { truth }) {
  const { page } = person;
  await person.goTo("Label", "label");
  let batches = 0;
  for (; batches < 40; batches++) {
    await person.read(/(Are these all|Which of these are|What are these|Every photo has a class)/);
    if (await page.$$eval(".empty", (all) => all.length)) break;
    await labelBatch(person, truth);
  }
  const told = await person.read(/[\d,]+ of [\d,]+ photos have a class/);
  await person.goTo("Train", "judge");
  await person.click("Train", ".training");
  const judged = await person.read(/How good it is[^]*of 100/);
  await page.$eval(".answering input[type=range], .slider input", (slider) => {
    slider.value = slider.max;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await person.clickAt(".confusion td a");
  await page.waitForSelector(".screen.look");
  const cell = await person.read(/\d+ of \d+ photos/);
  await person.goTo("Ship", "ship");
  await person.click("Export: ONNX");
  const gate = await person.read("Answers the same");
  return { batches, told, judged, cell, gate, export: await download(person, "ONNX") };
}

// Clicks out what is wrongly guessed, and accepts the rest; without a guess, gives each its class.
async function labelBatch(person, truth) {
  const { page } = person;
  await page.waitForFunction(() => document.querySelectorAll(".photos [role=option]").length > 0);
  await page.waitForFunction(() => [...document.querySelectorAll(".photos [role=option]")].every((one) => /\.\w{3}/.test(one.getAttribute("aria-label"))));
  const before = await page.$eval(".photos", (list) => list.innerHTML);
  const guess = await page.$eval("#question", (one) => one.querySelector("b")?.innerText ?? "");
  const tiles = await page.$$eval(".photos [role=option]", (all) => all.map((one) => ({ id: one.id, label: one.getAttribute("aria-label") })));
  const classes = [...new Set(Object.values(truth))].sort();
  const classOf = ({ label }) => truth[Object.keys(truth).find((name) => label.includes(name))];
  if (guess) {
    for (const tile of tiles.filter((one) => classOf(one) !== guess)) await person.clickAt(`#${tile.id}`);
    await person.press("Escape");
    await person.press("Enter");
  } else {
    for (const tile of tiles) await giveByKey(person, tile, classes.indexOf(classOf(tile)) + 1);
  }
  await page.waitForFunction((before) => document.querySelector(".photos")?.innerHTML !== before && !document.querySelector(".acts button:disabled.primary"), {}, before);
}

// Without a guess the marked photo goes on by itself, from the first.
async function giveByKey(person, tile, key) {
  const { page } = person;
  await page.waitForFunction((id) => {
    const list = document.querySelector(".photos");
    return !list || list.getAttribute("aria-activedescendant") === id || !document.getElementById(id);
  }, {}, tile.id);
  if (await page.$(`#${tile.id}`)) await person.press(String(key));
}

// Looks at the findings, drops a photo, trains again, compares, and ships with the gate's word.
async function engineer(person) {
  const { page } = person;
  await person.goTo("Photos", "look");
  await person.click("Check for problems");
  await page.waitForFunction(() => [...document.querySelectorAll("select")].some((one) => [...one.options].some((option) => /wrong class|label/i.test(option.text))), { polling: 200 });
  const finding = await page.evaluate(() => {
    const select = [...document.querySelectorAll("label")].find((one) => one.innerText.startsWith("Finding")).querySelector("select");
    select.value = [...select.options].find((one) => /class|label/i.test(one.text) && one.value).value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    return select.selectedOptions[0].text;
  });
  await person.read(/\d+ of \d+ photos/);
  await page.focus("[role=listbox]");
  await person.press("Home");
  await person.press(" ");
  await person.press("d");
  const dropped = await person.read(/Dropped \S+/);
  await person.goTo("Train", "judge");
  await person.read("Since this training");
  await person.click("Train again");
  await person.read(/Stop|Starting/);
  const compared = await person.read(/[\d,]+ newly wrong, [\d,]+ newly right/);
  await person.goTo("Ship", "ship");
  await person.click("Export: ONNX");
  const gate = await person.read("Answers the same");
  const serve = await person.read(/candid serve \S+/);
  await person.click("Read it");
  await person.read("How to Get Started with the Model");
  return { finding, dropped, compared, gate, serve, export: await download(person, "ONNX") };
}

// What the link for downloading gives: its size, and the first two letters of an archive.
async function download({ page }, title) {
  return page.evaluate(async (title) => {
    const part = document.querySelector(`section.format[aria-label="${title}" i]`);
    const answer = await fetch(part.querySelector("a[download]").href);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return { status: answer.status, size: bytes.length, begins: String.fromCharCode(...bytes.slice(0, 2)) };
  }, title);
}
