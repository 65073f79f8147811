// From a photo's file to the pixels that a network sees, as candid.images does it. The browser
// decodes; all that comes after it is computed here as OpenCV and Pillow compute it, so that the
// same decoded picture gives the same pixels.

import { fitSquare, reduce } from "./resize.js";

const OVERSAMPLING = 2; // as candid.images.decode: large pictures are first averaged over blocks
const MAX_PIXELS = 178956970;
const STRIP_PIXELS = 4_000_000; // read from the browser at a time: a canvas may not be much larger

const MIME = {
  JPEG: "image/jpeg",
  PNG: "image/png",
  WEBP: "image/webp",
  BMP: "image/bmp",
  GIF: "image/gif",
  TIFF: "image/tiff",
  AVIF: "image/avif",
  HEIF: "image/heif",
};

/**
 * Turn a photo's file into pixels.
 *
 * @param {Blob} blob The file.
 * @param {{size_px: number, fit: string}} contract The size, and squash, crop or pad.
 * @returns {Promise<Uint8Array>} (size_px, size_px, 3) RGB.
 * @throws {Error} The reason why it gives no pixels, in a line.
 */
export async function decode(blob, { size_px: size, fit }) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const format = identify(bytes);
  if (!format) throw new Error(refusal(bytes));
  requireWhole(bytes, format);
  const bitmap = await open(bytes, format);
  try {
    if (bitmap.width * bitmap.height > MAX_PIXELS) {
      const sides = `${bitmap.width} x ${bitmap.height}`;
      throw new Error(`too large: ${sides} pixels, limit ${MAX_PIXELS} in all`);
    }
    return fitSquare(read(bitmap, blocksOf(bitmap, bytes, format, size)), size, fit);
  } finally {
    bitmap.close();
  }
}

/** Name the format of a file by its first bytes; null where it is none of ours. */
export function identify(bytes) {
  const text = (from, to) => String.fromCharCode(...bytes.subarray(from, to));
  if (text(0, 3) === "\xff\xd8\xff") return "JPEG";
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return "PNG";
  if (text(0, 6) === "GIF87a" || text(0, 6) === "GIF89a") return "GIF";
  if (["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(text(0, 4))) return "TIFF";
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return "WEBP";
  if (text(0, 2) === "BM" && [12, 16, 40, 52, 56, 64, 108, 124].includes(bytes[14])) return "BMP";
  if (text(4, 8) !== "ftyp") return null;
  const end = Math.min(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0), 256);
  const brands = [text(8, 12)];
  for (let at = 16; at < end; at += 4) brands.push(text(at, at + 4));
  if (brands.some((brand) => ["avif", "avis"].includes(brand))) return "AVIF";
  return brands.some((brand) => /^(he(i[cxms])|hev[cxms]|m[is]f1|mif2)$/.test(brand))
    ? "HEIF"
    : null;
}

function refusal(bytes) {
  if (!bytes.length) return "empty file";
  const shown = [...bytes.subarray(0, 12)]
    .map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·"))
    .join("");
  return `not an image: it starts with "${shown}"; expected one of ${Object.keys(MIME).join(", ")}`;
}

/** Refuse what ends early: browsers show the upper part of a picture whose rest is missing. */
function requireWhole(bytes, format) {
  const ends = { JPEG: jpegEnds, PNG: (data) => chunksOf(data).includes("IEND") }[format];
  if (ends && !ends(bytes)) throw new Error("truncated: the data end before the picture does");
}

/** Whether an end marker follows the beginning of the scan; previews before it have their own. */
function jpegEnds(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda) {
    at += bytes[at + 1] === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  for (at = bytes.indexOf(0xff, at); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes[at + 1] === 0xd9) return true;
  }
  return false;
}

/** The names of a PNG's chunks, in their order. */
function chunksOf(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const names = [];
  for (let at = 8; at + 8 <= bytes.length; at += 12 + view.getUint32(at)) {
    names.push(String.fromCharCode(...bytes.subarray(at + 4, at + 8)));
  }
  return names;
}

async function open(bytes, format) {
  const blob = new Blob([bytes], { type: MIME[format] });
  const options = {
    imageOrientation: "from-image",
    colorSpaceConversion: "none",
    premultiplyAlpha: "none",
  };
  try {
    return await createImageBitmap(blob, options);
  } catch {
    const foreign = ["TIFF", "HEIF", "AVIF"].includes(format);
    throw new Error(
      foreign ? `this browser can't read ${format}` : "damaged or unsupported (it can't be decoded)",
    );
  }
}

/** Sides of the blocks that are averaged, one step after the other, before the picture is fitted. */
function blocksOf({ width, height }, bytes, format, size) {
  const least = size * OVERSAMPLING;
  const steps = [];
  let shorter = Math.min(width, height);
  if (format === "JPEG") {
    // Where libjpeg would scale while it decodes.
    const scale = [8, 4, 2].find((some) => Math.floor(shorter / least) >= some);
    if (scale) steps.push(scale);
    shorter = Math.ceil(shorter / (scale ?? 1));
  }
  const block = Math.floor(shorter / least);
  if (block > 1 && isAveraged(bytes, format)) steps.push(block);
  return steps;
}

/** Whether Pillow averages this picture: not with a palette, a transparent colour, or deep grey. */
function isAveraged(bytes, format) {
  if (format === "GIF") return false;
  if (format !== "PNG") return true;
  const [depth, kind] = [bytes[24], bytes[25]];
  if (kind === 3 || (kind === 0 && (depth === 16 || depth === 1))) return false;
  return !chunksOf(bytes).includes("tRNS");
}

/** Read a bitmap over white, in strips, averaged over blocks on the way. */
function read(bitmap, blocks) {
  const block = blocks.reduce((product, side) => product * side, 1);
  const least = Math.floor(STRIP_PIXELS / bitmap.width / block) * block;
  const strip = Math.min(bitmap.height, Math.max(block, least));
  const canvas = new OffscreenCanvas(bitmap.width, strip);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const parts = [];
  for (let top = 0; top < bitmap.height; top += strip) {
    const height = Math.min(strip, bitmap.height - top);
    context.fillStyle = "white";
    context.fillRect(0, 0, bitmap.width, strip);
    context.drawImage(bitmap, 0, top, bitmap.width, height, 0, 0, bitmap.width, height);
    const rgba = context.getImageData(0, 0, bitmap.width, height).data;
    parts.push(blocks.reduce(reduce, withoutAlpha(rgba, bitmap.width, height)));
  }
  return stack(parts);
}

function withoutAlpha(rgba, width, height) {
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
