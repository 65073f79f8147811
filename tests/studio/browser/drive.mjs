// Goes one of the ways in ways.mjs through the studio, in Chromium or in Firefox.
//
//   node drive.mjs '{"browser": "firefox", "executable": …, "address": …, "way": "teacher", "shots": …}'
//
// Prints one line of JSON: what was seen, the clicks and keys, the seconds. On failure, a picture of
// the page and what it said lie in the folder `shots`, and the exit status is 1.

import { writeFile } from "node:fs/promises";
import path from "node:path";
import puppeteer from "puppeteer-core";

import { Person } from "./person.mjs";
import { ways } from "./ways.mjs";

const wish = JSON.parse(process.argv[2]);
const isFirefox = wish.browser === "firefox";
const CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-sync", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];
// A camera that shows changing colours, and nobody who has to allow it.
const FIREFOX = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.getusermedia.insecure.enabled": true,
};

const browser = await puppeteer.launch({
  browser: wish.browser,
  executablePath: wish.executable,
  headless: true,
  args: isFirefox ? [] : CHROMIUM,
  ...(isFirefox ? { extraPrefsFirefox: FIREFOX } : {}),
});
const [page] = await browser.pages();
const person = new Person(page);
const began = performance.now();
let status = 0;
try {
  await page.setViewport({ width: 1280, height: 900 });
  await person.heldBeforeTheCamera();
  await page.goto(wish.address);
  const seen = await ways[wish.way](person, wish);
  const { acts, complaints } = person;
  process.stdout.write(`${JSON.stringify({ ...seen, acts, complaints, seconds: (performance.now() - began) / 1000 })}\n`);
} catch (error) {
  status = 1;
  process.stderr.write(`${error.stack}\n${person.complaints.join("\n")}\n`);
  await page.screenshot({ path: path.join(wish.shots, `${wish.way}-${wish.browser}.png`), fullPage: true }).catch(() => {});
  const said = await page.evaluate(() => `${location.href}\n${document.body.innerText}`).catch(() => "");
  await writeFile(path.join(wish.shots, `${wish.way}-${wish.browser}.txt`), said);
  process.stderr.write(`${said.slice(0, 4000)}\n`);
}
await browser.close();
process.exit(status);
