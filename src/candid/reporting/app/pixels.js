// Decodes and resizes a photo to a network's input, as candid.data.images does. The browser decodes;
// everything after is computed as in OpenCV and Pillow, so that the same decoded picture gives the
// same pixels.

import { isDeepPng, readDeepPng } from "./deep.js";
import {
  chunksOf,
  identify,
  jpegEnds,
  MIME,
  orientationOf,
  refusal,
  sizeOf,
  withoutMetadata,
} from "./files.js";
import { fitSquare, reduce, upright } from "./resize.js";
import { scansOf } from "./scans.js";

const OVERSAMPLING = 2; // as candid.data.images.decode: large pictures are first reduced by block averaging
const MAX_PIXELS = 178956970;
const MAX_SIDE = 65535; // of a canvas; beyond, Chromium draws nothing and reports no error
const STRIP_PIXELS = 4_000_000; // read at a time, as the size of a canvas is limited
const TRUNCATED = "truncated: the data end before the picture does";
const END = Uint8Array.of(0xff, 0xd9); // JPEG's marker EOI
// The first bytes of the noise of candid.data.images.jpeg, so that very short missing parts, which may
// equal the noise by chance, give the same result.
const NOISE =
  "5e81c1d8ceea0ea220d6d881f7bc0f44b7e7cc4da83c7c09" +
  "1cef4112b5263a033a50dd2b777931cf4d1b3fa57858a9e8";

/**
 * Decode a photo's file to pixels.
 *
 * @param {Blob} blob The file.
 * @param {{size_px: number, fit: string, sample_range: ?[number, number]}} contract The size, squash,
 *   crop or pad, and the range of samples of more than 8 bits.
 * @returns {Promise<Uint8Array>} (size_px, size_px, 3) RGB.
 * @throws {Error} The reason why it can't be decoded, in a line.
 */
export async function decode(blob, { size_px: size, fit, sample_range: range }) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const format = identify(bytes);
  if (!format) throw new Error(refusal(bytes));
  requireSize(sizeOf(bytes, format));
  if (range && format === "TIFF") throw new Error("this page can't read TIFF");
  const stored =
    range && isDeepPng(bytes, format)
      ? overWhite(await readDeepPng(bytes, range), [])
      : await read(bytes, format, size);
  return fitSquare(upright(stored, orientationOf(bytes, format)), size, fit);
}

/**
 * Pixels of a picture that is decoded already, as those of a file of it without loss.
 *
 * @param {ImageBitmap} bitmap Upright; not closed.
 * @param {{size_px: number, fit: string}} contract
 * @returns {Uint8Array} (size_px, size_px, 3) RGB.
 */
export function pixelsOf(bitmap, { size_px: size, fit }) {
  requireSize(bitmap);
  const blocks = blocksOf(bitmap, null, "BMP", size);
  return fitSquare(readBitmap(bitmap, blocks), size, fit);
}

function requireSize(size) {
  if (!size) return; // known only after decoding
  const { width, height } = size;
  const limit =
    width * height > MAX_PIXELS
      ? `${MAX_PIXELS} in all`
      : Math.max(width, height) > MAX_SIDE && `${MAX_SIDE} a side in a browser`;
  if (limit) throw new Error(`too large: ${width} x ${height} pixels, limit ${limit}`);
}

/** Decode a picture as stored; truncated files are refused, unlike in browsers. */
async function read(bytes, format, size) {
  const load = (parts) => loadParts(parts, bytes, format, size);
  const parts = withoutMetadata(bytes, format);
  if (format === "JPEG") return readJpeg(bytes, parts, load);
  const isCut = format === "PNG" && !chunksOf(bytes).some(({ name }) => name === "IEND");
  if (isCut) throw new Error(TRUNCATED);
  return load(parts);
}

/**
 * Decode a JPEG as candid.data.images does: all scans must be there, and one that lacks its end marker
 * or may be cut is complete if noise after its data changes no pixel.
 */
async function readJpeg(bytes, parts, load) {
  const scans = scansOf(bytes);
  if (scans.isLossless) throw new Error("this browser can't read lossless JPEG");
  const hasEnd = jpegEnds(bytes);
  if (!scans.isWhole || (!hasEnd && scans.isProgressive)) throw new Error(TRUNCATED);
  const body = withoutEnd(parts, hasEnd);
  const stored = await load(hasEnd ? parts : [...body, END]);
  if (!hasEnd || scans.endsInFirstPass || endsInMidGrey(stored, scans.components)) {
    const filled = await load([...body, filler(), END]);
    if (!stored.data.every((value, at) => value === filled.data[at])) throw new Error(TRUNCATED);
  }
  return stored;
}

/** The data up to the last end marker; without one, all of them. */
function withoutEnd(parts, hasEnd) {
  const last = parts.at(-1);
  let end = last.length - (last.at(-1) === 0xff ? 1 : 0);
  if (hasEnd) for (end = last.length - 2; last[end] !== 0xff || last[end + 1] !== 0xd9; ) end -= 1;
  return [...parts.slice(0, -1), last.subarray(0, end)];
}

/** Whether the last pixel has libjpeg's filling, of which CMYK makes a darker grey. */
const endsInMidGrey = ({ data }, components) =>
  data.subarray(-3).every((value) => (components === 4 ? [63, 64, 65] : [127, 128]).includes(value));

/** Entropy-coded noise with every restart marker, so that it is decoded in any restart interval. */
function filler() {
  const filled = new Uint8Array(8 * 4098);
  const noise = NOISE.match(/../g).map((code) => parseInt(code, 16));
  for (let row = 0; row < 8; row++) {
    for (let at = 0; at < 4096; at++) filled[row * 4098 + at] = noise[at % noise.length];
    filled.set([0xff, 0xd0 + row], row * 4098 + 4096);
  }
  return filled;
}

async function loadParts(parts, bytes, format, size) {
  const bitmap = await open(parts, format);
  try {
    requireSize(bitmap);
    return readBitmap(bitmap, blocksOf(bitmap, bytes, format, size));
  } finally {
    bitmap.close();
  }
}

async function open(parts, format) {
  const blob = new Blob(parts, { type: MIME[format] });
  const options = {
    imageOrientation: "from-image", // of the container; EXIF was removed
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  };
  try {
    return await createImageBitmap(blob, options);
  } catch {
    const foreign = ["TIFF", "HEIF", "AVIF", "JPEG2000", "PPM", "DICOM"].includes(format);
    throw new Error(
      foreign ? `this browser can't read ${format}` : "damaged or unsupported (it can't be decoded)",
    );
  }
}

/** Sides of the blocks of each averaging step before the picture is fitted. */
function blocksOf({ width, height }, bytes, format, size) {
  const least = size * OVERSAMPLING;
  const steps = [];
  let shorter = Math.min(width, height);
  if (format === "JPEG") {
    // As libjpeg scales while decoding.
    const scale = [8, 4, 2].find((some) => Math.floor(shorter / least) >= some);
    if (scale) steps.push(scale);
    shorter = Math.ceil(shorter / (scale ?? 1));
  }
  const block = Math.floor(shorter / least);
  if (block > 1 && isAveraged(bytes, format)) steps.push(block);
  return steps;
}

/** Whether Pillow's reduce averages it: not with a palette, transparent colour, or 1 or 16 bit grey. */
function isAveraged(bytes, format) {
  if (format === "GIF") return false;
  if (format !== "PNG") return true;
  const [depth, kind] = [bytes[24], bytes[25]];
  if (kind === 3 || (kind === 0 && (depth === 16 || depth === 1))) return false;
  return !chunksOf(bytes).some(({ name }) => name === "tRNS");
}

/** Read a bitmap over white in strips, averaging blocks. */
function readBitmap(bitmap, blocks) {
  const block = blocks.reduce((product, side) => product * side, 1);
  const least = Math.floor(STRIP_PIXELS / bitmap.width / block) * block;
  const strip = Math.min(bitmap.height, Math.max(block, least));
  const canvas = new OffscreenCanvas(bitmap.width, strip);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const parts = [];
  for (let top = 0; top < bitmap.height; top += strip) {
    const height = Math.min(strip, bitmap.height - top);
    context.clearRect(0, 0, bitmap.width, strip);
    context.drawImage(bitmap, 0, top, bitmap.width, height, 0, 0, bitmap.width, height);
    parts.push(overWhite(context.getImageData(0, 0, bitmap.width, height), blocks));
  }
  return stack(parts);
}

/** Put a picture on white; blocks are averaged before, weighted by alpha, as Pillow does. */
function overWhite(picture, blocks) {
  if (isOpaque(picture)) return blocks.reduce(reduce, withoutAlpha(picture));
  let averaged = picture;
  if (blocks.length) {
    const { data } = picture; // a canvas' array, which rounds
    for (let at = 0; at < data.length; at++) if (at % 4 < 3) data[at] *= data[at | 3] / 255;
    averaged = blocks.reduce(reduce, picture);
  }
  const { data } = averaged;
  for (let at = 0; at < data.length; at++) {
    const alpha = data[at | 3];
    if (at % 4 === 3) continue;
    if (blocks.length && alpha) data[at] = Math.min(255, Math.floor((data[at] * 255) / alpha));
    data[at] = Math.floor((data[at] * alpha) / 255 + 255.5 - alpha);
  }
  return withoutAlpha(averaged);
}

function isOpaque({ data }) {
  for (let at = 3; at < data.length; at += 4) if (data[at] !== 255) return false;
  return true;
}

function withoutAlpha({ width, height, data: rgba }) {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    data[to] = rgba[from];
    data[to + 1] = rgba[from + 1];
    data[to + 2] = rgba[from + 2];
  }
  return { width, height, data };
}

function stack(parts) {
  const { width } = parts[0];
  const height = parts.reduce((sum, part) => sum + part.height, 0);
  const data = new Uint8Array(width * height * 3);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { width, height, data };
}
