// Photos on their way into the project: a queue that outlives the screen it was filled from.
//
//   send(files, { label, burst })    files of a class; those of one burst stay together
//   onChange(listener) → stop        called when anything of `sent` changed

import { get, post } from "./api.js";

const AT_ONCE = 8; // files in one request
const MOST_BYTES = 12e6; // of one request, unless a file alone is larger
const NUM_TRIES = 5;
const WAIT_MS = 1000;
const MOST_ROWS = 400; // more than a burst has
const OWN_SUFFIXES = /\.(dcm|dicom|heic|heif|hif|avif|jp2|j2k|jpx|ppm|pgm|pbm|pnm|tiff?)$/i; // not known to all browsers

export const sent = {
  numWaiting: 0,
  num: { saved: 0, copy: 0, refused: 0 },
  rows: [], // of the last photos, the newest first: { name, label, outcome, path, reason, file }
  problem: "", // why it stopped; `again` goes on
};

const queue = [];
const listeners = new Set();
let isRunning = false;
let limits = null;

export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

const tell = () => listeners.forEach((listener) => listener());

export function send(files, { label, burst = "" }) {
  for (const file of files) queue.push({ file, label, burst });
  run();
}

export function again() {
  sent.problem = "";
  run();
}

export function giveUp() {
  queue.length = 0;
  sent.problem = "";
  sent.numWaiting = 0;
  tell();
}

export function startAnew() {
  sent.num = { saved: 0, copy: 0, refused: 0 };
  sent.rows = [];
  tell();
}

// The frames of a burst were taken back.
export function forgetBurst(burst) {
  sent.num.saved -= sent.rows.filter((row) => row.burst === burst && row.outcome === "saved").length;
  sent.rows = sent.rows.filter((row) => row.burst !== burst);
  tell();
}

async function run() {
  sent.numWaiting = queue.length;
  tell();
  if (isRunning || sent.problem) return;
  isRunning = true;
  try {
    limits ??= await get("intake");
    while (queue.length) await sendNext();
  } catch (error) {
    sent.problem = error.message;
  }
  isRunning = false;
  sent.numWaiting = queue.length;
  tell();
}

async function sendNext() {
  const reason = refusal(queue[0].file);
  if (reason) return keep(queue.shift(), { outcome: "refused", reason });
  const { label, burst } = queue[0];
  const batch = [];
  let numBytes = 0;
  for (const one of queue) {
    numBytes += one.file.size;
    const isFull = batch.length === Math.min(AT_ONCE, limits.max_images) || (batch.length && numBytes > MOST_BYTES);
    if (isFull || one.label !== label || one.burst !== burst || refusal(one.file)) break;
    batch.push(one);
  }
  const added = await sendBatch(batch, label, burst);
  queue.splice(0, batch.length);
  batch.forEach((one, place) => keep(one, added[place]));
}

async function sendBatch(batch, label, burst) {
  for (let tries = 1; ; tries++) {
    try {
      const form = new FormData();
      for (const { file } of batch) form.append("image", file, file.name || "photo");
      return (await post(`intake?${new URLSearchParams({ label, burst })}`, form)).added;
    } catch (error) {
      if (error.code !== "busy" && !(error instanceof TypeError)) throw error;
      if (tries === NUM_TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS * tries));
    }
  }
}

function refusal({ name, type, size }) {
  if (type && !type.startsWith("image/") && !OWN_SUFFIXES.test(name)) return `it is no picture (${type})`;
  const most = limits.max_bytes - 10_000;
  return size > most ? `it is larger than ${Math.floor(most / 1e6)} MB; copy it into the folder yourself` : "";
}

function keep({ file, label, burst }, { outcome, path = "", reason = "" }) {
  sent.numWaiting = queue.length;
  if (burst && outcome === "copy") return; // a camera that is slower than the recording
  sent.num[outcome] += 1;
  sent.rows.unshift({ name: file.name, label, burst, outcome, path, reason, file });
  sent.rows.length = Math.min(sent.rows.length, MOST_ROWS);
  tell();
}

addEventListener("beforeunload", (event) => queue.length && event.preventDefault());
