// Draws what spoke for an answer over the photo, as candid/runs/explaining/picture.py does: the photo in
// grey, so that no colour of its own is taken for heat; the heat in vermilion, stronger the hotter.

import { trace } from "./outline.js";

const FOR = [213, 94, 0]; // Okabe and Ito's palette, which all kinds of colour vision tell apart
const DARK = 40;
const LIGHT = 235;
const STRONGEST = 0.8; // of the colour; what it lies on shows through
const EDGE = 0.5; // of the hottest place's heat: what is hotter has a line around it
const SHARPNESS = -0.75; // of cubic interpolation, OpenCV's
const UNSEEN = 0.45; // how bright the parts are that the network did not see

// A canvas of the photo's size; `heat` is a list of rows, `fit` as the pixel contract has it.
export function drawHeat(photo, heat, fit) {
  const { width, height } = photo;
  const seen = seenOf(width, height, fit);
  const strength = enlarge(heat, width, height, seen);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = photo.getContext("2d").getImageData(0, 0, width, height);
  paint(image.data, strength, width, seen);
  context.putImageData(image, 0, 0);
  trace(context, strength, width, height, EDGE);
  return canvas;
}

// Which part of a picture the network saw: the heat lies over all of it, and only there.
export function seenOf(width, height, fit) {
  if (fit !== "crop" && fit !== "pad") return { x: 0, y: 0, width, height };
  const side = fit === "crop" ? Math.min(width, height) : Math.max(width, height);
  return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
}

// 0 to 1 for each pixel; 0 where nothing speaks for the answer, and where nothing was seen.
function enlarge(heat, width, height, seen) {
  const across = taps(width, seen.x, seen.width, heat[0].length);
  const down = taps(height, seen.y, seen.height, heat.length);
  const rows = heat.map((row) => across.map((tap) => (tap ? sum(tap, (place) => row[place]) : 0)));
  const values = new Float32Array(width * height);
  let hottest = 0;
  for (let y = 0; y < height; y++) {
    if (!down[y]) continue;
    for (let x = 0; x < width; x++) {
      if (!across[x]) continue;
      const value = Math.max(0, sum(down[y], (place) => rows[place][x]));
      values[y * width + x] = value;
      if (value > hottest) hottest = value;
    }
  }
  return hottest ? values.map((value) => value / hottest) : values;
}

// For each pixel along a side four places of the heat and their weights; null outside.
function taps(size, start, length, count) {
  return Array.from({ length: size }, (_, pixel) => {
    const share = (pixel + 0.5 - start) / length;
    if (share < 0 || share > 1) return null;
    const at = share * count - 0.5;
    const first = Math.floor(at);
    const places = [-1, 0, 1, 2].map((step) => Math.min(Math.max(first + step, 0), count - 1));
    return [places, weights(at - first)];
  });
}

function weights(t) {
  const near = (d) => ((SHARPNESS + 2) * d - (SHARPNESS + 3)) * d * d + 1;
  const far = (d) => ((SHARPNESS * d - 5 * SHARPNESS) * d + 8 * SHARPNESS) * d - 4 * SHARPNESS;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}

const sum = ([places, weighted], value) =>
  weighted[0] * value(places[0]) + weighted[1] * value(places[1]) +
  weighted[2] * value(places[2]) + weighted[3] * value(places[3]);

function paint(data, strength, width, seen) {
  for (let pixel = 0; pixel < strength.length; pixel++) {
    const at = 4 * pixel;
    const luma = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    const x = pixel % width;
    const y = Math.floor(pixel / width);
    const isSeen = x + 0.5 >= seen.x && x + 0.5 <= seen.x + seen.width &&
      y + 0.5 >= seen.y && y + 0.5 <= seen.y + seen.height;
    const grey = (DARK + luma * ((LIGHT - DARK) / 255)) * (isSeen ? 1 : UNSEEN);
    const opacity = STRONGEST * Math.min(1, strength[pixel]);
    for (let channel = 0; channel < 3; channel++) {
      data[at + channel] = Math.round(grey + opacity * (FOR[channel] - grey));
    }
    data[at + 3] = 255;
  }
}
