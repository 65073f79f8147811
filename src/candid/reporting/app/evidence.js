// Heat maps, and where the evidence is in words, as in candid.runs.explaining.heat_map.

import { roundHalfEven } from "./resize.js";

const DECIMALS = 4;
const MOSTLY = 0.55; // of all mass in a quarter of the picture
const ALMOST_ALL = 0.75; // in a quarter or a half of it
const QUARTERS = [
  ["upper left", "top", "upper right"],
  ["left", "middle", "right"],
  ["lower left", "bottom", "lower right"],
];
const CELLS = 8;
const WINDOW = 2; // side of a window in cells; neighbouring windows overlap
const LEAST = 2 ** -23; // float32's epsilon; probabilities are clipped to it

/**
 * A heat map as JSON.
 *
 * @param {number[][]} heat Rows, in nats, positive where a place supports the answer.
 * @returns {{heat: number[][], where: string, similar: object[]}}
 */
export function explanationOf(heat) {
  const scale = 10 ** DECIMALS;
  const rounded = heat.map((row) => row.map((value) => roundHalfEven(value * scale) / scale + 0));
  return { heat: rounded, where: where(heat), similar: [] };
}

/**
 * What each place adds to the score of the answered class, minus those of the others.
 *
 * @param {Float32Array} maps (k, h, w).
 * @param {number[]} shape [k, h, w].
 * @param {number} answered The answered class.
 * @returns {number[][]} (h, w).
 */
export function contrast(maps, [numClasses, height, width], answered) {
  const area = height * width;
  const weights = weightsOfOthers(maps, numClasses, area, answered);
  const entropy = -weights.reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0);
  return grid(height, width, (row, column) => {
    const place = row * width + column;
    const others = weights.reduce((sum, w, number) => sum + w * maps[number * area + place], 0);
    return Math.fround(maps[answered * area + place] - others - entropy);
  });
}

function weightsOfOthers(maps, numClasses, area, answered) {
  const scores = Array.from({ length: numClasses }, (_, number) => {
    if (number === answered) return -Infinity;
    let sum = 0;
    for (let place = 0; place < area; place++) sum += maps[number * area + place];
    return sum / area;
  });
  const highest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = sumOf(weights);
  return weights.map((weight) => weight / total);
}

/** Where the evidence for an answer is, in words. */
export function where(heat) {
  const highest = Math.max(...heat.flat(), 0);
  if (highest === 0) return "nowhere";
  const squares = heat.map((row) => row.map((value) => (Math.max(value, 0) / highest) ** 2));
  const total = sumOf(squares.map(sumOf));
  const mass = squares.map((row) => row.map((value) => value / total));
  const [quarter, inQuarter] = quarterAround(mass);
  if (inQuarter >= ALMOST_ALL) return `the ${quarter}`;
  if (inQuarter >= MOSTLY) return `mostly the ${quarter}`;
  const [half, inHalf] = halves(mass).reduce((best, other) => (other[1] > best[1] ? other : best));
  if (inHalf >= ALMOST_ALL) return `the ${half} half`;
  return inHottestQuarter(mass) >= ALMOST_ALL ? "in several places" : "all over";
}

function quarterAround(mass) {
  const centre = (sums) => sumOf(sums.map((sum, at) => sum * (at + 0.5))) / sums.length;
  const windowOf = (at) => Math.min(2, Math.max(0, roundHalfEven(4 * at - 1)));
  const row = windowOf(centre(mass.map(sumOf)));
  const column = windowOf(centre(mass[0].map((_, at) => sumOf(mass.map((line) => line[at])))));
  const inside = massWithin(mass, row / 4, row / 4 + 0.5, column / 4, column / 4 + 0.5);
  return [QUARTERS[row][column], inside];
}

function halves(mass) {
  return [
    ["upper", massWithin(mass, 0, 0.5, 0, 1)],
    ["lower", massWithin(mass, 0.5, 1, 0, 1)],
    ["left", massWithin(mass, 0, 1, 0, 0.5)],
    ["right", massWithin(mass, 0, 1, 0.5, 1)],
  ];
}

function massWithin(mass, top, bottom, left, right) {
  const rows = overlap(mass.length, top, bottom);
  const columns = overlap(mass[0].length, left, right);
  return sumOf(mass.map((line, row) => rows[row] * sumOf(line.map((m, at) => m * columns[at]))));
}

/** The share of each place along a side that lies between two points. */
function overlap(numPlaces, start, end) {
  const edge = (at) => Math.min(end, Math.max(start, at / numPlaces));
  return Array.from({ length: numPlaces }, (_, at) => (edge(at + 1) - edge(at)) * numPlaces);
}

function inHottestQuarter(mass) {
  const ranked = mass.flat().sort((one, other) => other - one);
  return ranked.length > 1 ? sumOf(ranked.slice(0, Math.max(1, ranked.length >> 2))) : 0;
}

/**
 * Occlusion map, for a network without a heat map: what covering each place costs the answer.
 *
 * @param {Uint8Array} pixels (s, s, 3).
 * @param {number} size s.
 * @param {function(Uint8Array): Promise<Float32Array>} ask From pixels to probabilities (k,).
 * @param {number} answered The answered class.
 * @returns {Promise<number[][]>} (8, 8).
 */
export async function occlude(pixels, size, ask, answered) {
  const spans = spansOf(size);
  const colour = meanColour(pixels);
  const whole = logOdds(await ask(pixels), answered);
  const drops = [];
  for (const rows of spans) {
    const line = [];
    for (const columns of spans) {
      const covered = cover(pixels, size, rows, columns, colour);
      line.push(whole - logOdds(await ask(covered), answered));
    }
    drops.push(line);
  }
  return grid(CELLS, CELLS, (row, column) => {
    const [upper, lower] = [drops[row], drops[row + 1]];
    const sum = upper[column] + upper[column + 1] + lower[column] + lower[column + 1];
    return Math.fround(sum / WINDOW ** 2);
  });
}

function spansOf(size) {
  const edges = Array.from({ length: CELLS + 1 }, (_, at) => roundHalfEven((at * size) / CELLS));
  return Array.from({ length: CELLS + 1 }, (_, at) => {
    const start = at + 1 - WINDOW;
    return [edges[Math.max(0, start)], edges[Math.min(CELLS, start + WINDOW)]];
  });
}

function meanColour(pixels) {
  const sums = [0, 0, 0];
  pixels.forEach((value, at) => (sums[at % 3] += value));
  return sums.map((sum) => roundHalfEven(sum / (pixels.length / 3)));
}

function cover(pixels, size, [top, bottom], [left, right], colour) {
  const covered = pixels.slice();
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) covered.set(colour, (row * size + column) * 3);
  }
  return covered;
}

function logOdds(probabilities, answered) {
  let others = 0;
  probabilities.forEach((share, number) => (others += number === answered ? 0 : share));
  return Math.log(Math.max(probabilities[answered], LEAST)) - Math.log(Math.max(others, LEAST));
}

function grid(height, width, valueAt) {
  return Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (__, column) => valueAt(row, column)),
  );
}

function sumOf(values) {
  return values.reduce((sum, value) => sum + value, 0);
}
