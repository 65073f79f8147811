// The camera with an answer to each frame, as many a second as the machine gives.
//
//   const live = makeLive(root, { web(), isHeated(), onFreeze(blob), onHeat(), say });
//   await live.start(); live.stop(); live.redraw(); live.isOn

import { answer } from "./answer.js";
import { html, nothing, render } from "./vendor/lit-html.js";

const REASONS = {
  NotAllowedError: "The browser has no permission to use the camera. Allow it, and try again.",
  NotFoundError: "No camera was found.",
  NotReadableError: "The camera is in use by another program.",
};
const WIDTH = 640;
const QUALITY = 0.92;
const OVER_MS = 2000; // what the speed is measured over
const STEADY = 5; // equal answers before they are read aloud

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export function makeLive(root, { web, isHeated, onHeat, onFreeze, say }) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.setAttribute("aria-label", "Picture of the camera");
  let stream = null;
  let item = null;
  let heat = null; // a canvas
  let times = []; // of the last answers
  let spoken = "";
  let numEqual = 0;
  let freezing = 0;

  async function start() {
    try {
      if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(), { name: "NotFoundError" });
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH } } });
      stream.getTracks().forEach((track) => track.addEventListener("ended", stop));
      video.srcObject = stream;
      await video.play();
    } catch (error) {
      stop();
      say(REASONS[error.name] ?? `The camera can’t be used (${error.name}).`);
      return;
    }
    times = [];
    redraw();
    root.querySelector("button")?.focus();
    answerFrames(stream);
  }

  async function answerFrames(asked) {
    while (stream === asked) {
      if (document.hidden || !video.videoWidth) {
        await pause(100);
        continue;
      }
      const tools = web();
      const frame = await createImageBitmap(video, { colorSpaceConversion: "none" });
      try {
        const found = await tools.examine(frame, "camera", { isExplained: isHeated(), isQuick: true });
        if (stream !== asked) return;
        take(found.item, frame, tools);
      } catch (error) {
        say(error.message);
        stop();
      } finally {
        frame.close();
      }
    }
  }

  function take(found, frame, { drawHeat, fit }) {
    const now = performance.now();
    times = [...times.filter((time) => now - time < OVER_MS), now];
    numEqual = found.answer === item?.answer ? numEqual + 1 : 0;
    if (numEqual === STEADY) spoken = found.answer;
    item = found;
    const map = found.explanation?.heat;
    heat = map?.length && isHeated() ? drawHeat(toCanvas(frame, WIDTH / 2), map, fit) : null;
    redraw();
  }

  // Answers a second, over the last two.
  function speed() {
    const taken = (times.at(-1) - times[0]) / 1000;
    return times.length > 2 && taken > 0.5 ? (times.length - 1) / taken : null;
  }

  async function freeze() {
    const canvas = toCanvas(video, video.videoWidth);
    freezing += 1;
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
    onFreeze(new File([blob], `webcam-${Date.now()}-${freezing}.jpg`, { type: "image/jpeg" }));
  }

  function stop() {
    const wasOn = stream !== null;
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = item = heat = null;
    if (wasOn) redraw();
  }

  function redraw() {
    const found = speed();
    if (heat) heat.className = "heat";
    render(stream ? html`<section class="live" aria-label="Camera">
      <div class="view">${video}${heat ?? nothing}</div>
      <div class="said">
        ${item ? answer(item, web().words) : html`<p class="muted">…</p>`}
        <p class="muted speed">${found ? html`<b>${found.toFixed(found < 10 ? 1 : 0)}</b> answers a second.` : "Measuring the speed…"} Each is a quick look; hold a picture for the whole answer.</p>
        <p class="buttons"><button type="button" class="primary" @click=${freeze}>Hold this picture</button>
          <button type="button" aria-pressed=${isHeated()} @click=${onHeat}><kbd>H</kbd> Heat map</button>
          <button type="button" @click=${stop}>Stop the camera</button></p>
      </div>
      <p class="unseen" role="status">${spoken}</p></section>` : nothing, root);
  }

  return { start, stop, redraw, get isOn() { return stream !== null; } };
}

function toCanvas(picture, most) {
  const [width, height] = [picture.videoWidth ?? picture.width, picture.videoHeight ?? picture.height];
  const scale = Math.min(1, most / width);
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas;
}
