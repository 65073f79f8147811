// Decodes PNG files of 16 bits a sample, of which a browser keeps the upper 8: by the range of samples
// that the run's photos have, as candid.data.images.samples does.

import { chunksOf } from "./files.js";
import { roundHalfEven } from "./resize.js";

const CHANNELS = { 0: 1, 2: 3, 4: 2, 6: 4 }; // by colour type: grey, RGB, grey and alpha, RGB and alpha
const DAMAGED = "damaged or unsupported (it can't be decoded)";

/** Whether a file is a PNG of 16 bits a sample. */
export const isDeepPng = (bytes, format) => format === "PNG" && bytes[24] === 16;

/**
 * Decode a PNG of 16 bits a sample.
 *
 * @param {Uint8Array} bytes The file.
 * @param {[number, number]} range The samples that become 0 and 255.
 * @returns {Promise<{width: number, height: number, data: Uint8Array}>} RGB and alpha.
 * @throws {Error} The reason why it can't be decoded, in a line.
 */
export async function readDeepPng(bytes, range) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const channels = CHANNELS[bytes[25]];
  if (!channels) throw new Error(DAMAGED);
  const filtered = await inflate(bytes);
  const step = channels * 2;
  const rows = bytes[28]
    ? deinterlace(filtered, width, height, step)
    : unfilter(filtered, width * step, height, step);
  return { width, height, data: toRgba(rows, width * height, channels, range, transparent(bytes, view)) };
}

async function inflate(bytes) {
  const parts = chunksOf(bytes)
    .filter(({ name }) => name === "IDAT")
    .map(({ start, end }) => bytes.subarray(start + 8, end - 4));
  const stream = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate"));
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new Error(DAMAGED);
  }
}

// First column, first row, and distances of each pass (PNG, section 8.2).
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

function deinterlace(filtered, width, height, step) {
  const rows = new Uint8Array(width * height * step);
  let from = 0;
  for (const [left, top, across, down] of PASSES) {
    const columns = Math.ceil((width - left) / across);
    const lines = Math.ceil((height - top) / down);
    if (columns < 1 || lines < 1) continue;
    const part = unfilter(filtered.subarray(from), columns * step, lines, step);
    from += (columns * step + 1) * lines;
    for (let line = 0; line < lines; line++) {
      for (let column = 0; column < columns; column++) {
        const to = ((top + line * down) * width + left + column * across) * step;
        const at = (line * columns + column) * step;
        rows.set(part.subarray(at, at + step), to);
      }
    }
  }
  return rows;
}

/** Undo the filter of each row (PNG, section 9). */
function unfilter(filtered, stride, height, step) {
  if (filtered.length < (stride + 1) * height) throw new Error(DAMAGED);
  const rows = new Uint8Array(stride * height);
  for (let row = 0; row < height; row++) {
    const kind = filtered[row * (stride + 1)];
    if (kind > 4) throw new Error(DAMAGED);
    const from = row * (stride + 1) + 1;
    const to = row * stride;
    for (let at = 0; at < stride; at++) {
      const left = at < step ? 0 : rows[to + at - step];
      const above = row ? rows[to + at - stride] : 0;
      const corner = row && at >= step ? rows[to + at - stride - step] : 0;
      rows[to + at] = filtered[from + at] + guess(kind, left, above, corner);
    }
  }
  return rows;
}

function guess(kind, left, above, corner) {
  if (kind === 4) return paeth(left, above, corner);
  return [0, left, above, (left + above) >> 1][kind];
}

function paeth(left, above, corner) {
  const sum = left + above - corner;
  const [a, b, c] = [left, above, corner].map((value) => Math.abs(sum - value));
  if (a <= b && a <= c) return left;
  return b <= c ? above : corner;
}

/** The samples that stand for transparent; null without such. */
function transparent(bytes, view) {
  const found = chunksOf(bytes).find(({ name }) => name === "tRNS");
  if (!found) return null;
  const count = (found.end - found.start - 12) >> 1;
  return Array.from({ length: count }, (_, at) => view.getUint16(found.start + 8 + at * 2));
}

function toRgba(rows, count, channels, [low, high], hidden) {
  const data = new Uint8Array(count * 4);
  const colours = channels < 3 ? 1 : 3;
  // In float32, as NumPy computes samples of 16 bits.
  const [least, scale] = [low, 255 / (high - low)].map(Math.fround);
  for (let pixel = 0; pixel < count; pixel++) {
    const sample = (band) => {
      const at = (pixel * channels + band) * 2;
      return rows[at] * 256 + rows[at + 1];
    };
    const isHidden = hidden?.every((value, band) => sample(band) === value);
    for (let band = 0; band < 3; band++) {
      const scaled = Math.fround(Math.fround(sample(Math.min(band, colours - 1)) - least) * scale);
      data[pixel * 4 + band] = roundHalfEven(Math.min(255, Math.max(0, scaled)));
    }
    data[pixel * 4 + 3] = isHidden ? 0 : channels % 2 ? 255 : sample(channels - 1) >> 8;
  }
  return data;
}
