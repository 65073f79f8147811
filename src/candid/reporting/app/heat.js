// Draws the heat map over the photo, as candid/runs/explaining/picture.py does: the photo in grey,
// so that its colours are not taken for heat; the heat in vermilion, more opaque the hotter it is.

import { trace } from "./outline.js";

const FOR = [213, 94, 0]; // Okabe and Ito's palette, which all kinds of colour vision tell apart
const DARK = 40;
const LIGHT = 235;
const STRONGEST = 0.8; // opacity of the colour
const EDGE = 0.5; // of the highest heat: level of the outline
const SHARPNESS = -0.75; // of cubic interpolation, as in OpenCV
const OUTSIDE = 0.45; // brightness of the parts outside the network's input

// Returns a canvas of the photo's size; `heat` is a list of rows, `fit` that of the pixel contract.
export function drawHeat(photo, heat, fit) {
  const { width, height } = photo;
  const input = inputArea(width, height, fit);
  const strength = enlarge(heat, width, height, input);
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = photo.getContext("2d").getImageData(0, 0, width, height);
  paint(image.data, strength, width, input);
  context.putImageData(image, 0, 0);
  trace(context, strength, width, height, EDGE);
  return canvas;
}

// The part of a picture that is the network's input, and so has heat.
export function inputArea(width, height, fit) {
  if (fit !== "crop" && fit !== "pad") return { x: 0, y: 0, width, height };
  const side = fit === "crop" ? Math.min(width, height) : Math.max(width, height);
  return { x: (width - side) / 2, y: (height - side) / 2, width: side, height: side };
}

// 0 to 1 for each pixel; 0 without evidence for the answer, and outside the input.
function enlarge(heat, width, height, input) {
  const across = taps(width, input.x, input.width, heat[0].length);
  const down = taps(height, input.y, input.height, heat.length);
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

// For each pixel along a side, four places of the heat map and their weights; null outside.
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

function paint(data, strength, width, input) {
  for (let pixel = 0; pixel < strength.length; pixel++) {
    const at = 4 * pixel;
    const luma = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    const x = pixel % width;
    const y = Math.floor(pixel / width);
    const isInside = x + 0.5 >= input.x && x + 0.5 <= input.x + input.width &&
      y + 0.5 >= input.y && y + 0.5 <= input.y + input.height;
    const grey = (DARK + luma * ((LIGHT - DARK) / 255)) * (isInside ? 1 : OUTSIDE);
    const opacity = STRONGEST * Math.min(1, strength[pixel]);
    for (let channel = 0; channel < 3; channel++) {
      data[at + channel] = Math.round(grey + opacity * (FOR[channel] - grey));
    }
    data[at + 3] = 255;
  }
}
