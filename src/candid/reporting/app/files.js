// Parses image files without decoding them, as candid.data.images does: format, size, EXIF orientation,
// and whether the file is truncated.

import { refusalOfForeign } from "./foreign.js";

export const MIME = {
  JPEG: "image/jpeg",
  PNG: "image/png",
  WEBP: "image/webp",
  BMP: "image/bmp",
  GIF: "image/gif",
  TIFF: "image/tiff",
  AVIF: "image/avif",
  HEIF: "image/heif",
  JPEG2000: "image/jp2",
  PPM: "image/x-portable-anymap",
  DICOM: "application/dicom",
};

const SCAN = 0xda; // JPEG's marker SOS
const ORIENTATION_TAG = 0x0112;
const WITH_EXIF = 0x08; // of the flags in a WebP's VP8X

/** The format of a file by its first bytes; null if it is not supported. */
export function identify(bytes) {
  const text = (from, to) => textOf(bytes, from, to);
  if (text(0, 3) === "\xff\xd8\xff") return "JPEG";
  if (text(0, 8) === "\x89PNG\r\n\x1a\n") return "PNG";
  if (text(0, 6) === "GIF87a" || text(0, 6) === "GIF89a") return "GIF";
  if (["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(text(0, 4))) return "TIFF";
  if (text(0, 4) === "RIFF" && text(8, 12) === "WEBP") return "WEBP";
  if (text(0, 2) === "BM" && [12, 16, 40, 52, 56, 64, 108, 124].includes(bytes[14])) return "BMP";
  if (text(0, 12) === "\0\0\0\x0cjP  \r\n\x87\n" || text(0, 4) === "\xffO\xffQ") return "JPEG2000";
  if (/^P[1-6][ \t\n\v\f\r]+[0-9#]/.test(text(0, 64))) return "PPM";
  if (text(128, 132) === "DICM") return "DICOM";
  if (text(4, 8) !== "ftyp") return null;
  const end = Math.min(viewOf(bytes).getUint32(0), 256);
  const brands = [text(8, 12)];
  for (let at = 16; at < end; at += 4) brands.push(text(at, at + 4));
  if (brands.some((brand) => ["avif", "avis"].includes(brand))) return "AVIF";
  return brands.some((brand) => /^(he(i[cxms])|hev[cxms]|m[is]f1|mif2)$/.test(brand))
    ? "HEIF"
    : null;
}

/** The error message for bytes that `identify` does not know. */
export function refusal(bytes) {
  if (!bytes.length) return "empty file";
  const foreign = refusalOfForeign(bytes);
  if (foreign) return foreign;
  const shown = [...bytes.subarray(0, 12)]
    .map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : "·"))
    .join("");
  return `not an image: it starts with "${shown}"; expected one of ${Object.keys(MIME).join(", ")}`;
}

/**
 * Read the size, as stored.
 *
 * @returns {?{width: number, height: number}} null if it is known only after decoding.
 */
export function sizeOf(bytes, format) {
  const read = { JPEG: jpegSize, PNG: pngSize, WEBP: webpSize, BMP: bmpSize, GIF: gifSize }[format];
  try {
    return read ? read(viewOf(bytes), bytes) : null;
  } catch {
    return null; // truncated header
  }
}

function jpegSize(view, bytes) {
  const frame = frameOf(bytes);
  if (!frame) return null;
  return { width: view.getUint16(frame.start + 7), height: view.getUint16(frame.start + 5) };
}

const pngSize = (view) => ({ width: view.getUint32(16), height: view.getUint32(20) });

const gifSize = (view) => ({ width: view.getUint16(6, true), height: view.getUint16(8, true) });

function bmpSize(view) {
  if (view.getUint32(14, true) === 12) {
    return { width: view.getUint16(18, true), height: view.getUint16(20, true) };
  }
  return { width: view.getInt32(18, true), height: Math.abs(view.getInt32(22, true)) };
}

function webpSize(view, bytes) {
  const kind = textOf(bytes, 12, 16);
  if (kind === "VP8X") {
    const side = (at) => 1 + view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
    return { width: side(24), height: side(27) };
  }
  if (kind === "VP8L") {
    const bits = view.getUint32(21, true);
    return { width: 1 + (bits & 0x3fff), height: 1 + ((bits >> 14) & 0x3fff) };
  }
  const side = (at) => view.getUint16(at, true) & 0x3fff;
  return { width: side(26), height: side(28) };
}

/**
 * Read the EXIF orientation to apply.
 *
 * @returns {number} 1 to 8; 1, upright, without a valid one, and in formats whose container rotates
 *   the picture.
 */
export function orientationOf(bytes, format) {
  const find = { JPEG: jpegExif, PNG: pngExif, WEBP: webpExif }[format];
  const exif = find?.(bytes);
  return exif ? readOrientation(exif) : 1;
}

/**
 * Remove metadata that browsers treat differently: EXIF, and of a PNG all chunks that do not belong
 * to the picture, as candid.data.images.png does.
 *
 * @returns {Uint8Array[]} Parts of a file with the picture as stored.
 */
export function withoutMetadata(bytes, format) {
  if (format === "JPEG") return without(bytes, segmentsOf(bytes).filter(isExif(bytes)));
  if (format === "PNG") return withoutChunks(bytes);
  return format === "WEBP" ? withoutWebpExif(bytes) : [bytes];
}

function readOrientation(exif) {
  const tiff = textOf(exif, 0, 6) === "Exif\0\0" ? exif.subarray(6) : exif;
  const order = textOf(tiff, 0, 2);
  if (order !== "II" && order !== "MM") return 1;
  const [view, little] = [viewOf(tiff), order === "II"];
  try {
    const start = view.getUint32(4, little);
    const count = view.getUint16(start, little);
    for (let at = start + 2; at < start + 2 + 12 * count; at += 12) {
      view.getUint32(at + 8); // throws for a truncated entry
      if (view.getUint16(at, little) === ORIENTATION_TAG) return valueOf(view, at, little);
    }
  } catch {
    // Truncated directory.
  }
  return 1;
}

/** The value of an entry by its type, or else by the type that the standard requires. */
function valueOf(view, at, little) {
  const kind = view.getUint16(at + 2, little);
  const read = { 1: "getUint8", 4: "getUint32" }[kind] ?? "getUint16";
  const value = view[read](at + 8, little);
  return value >= 1 && value <= 8 ? value : 1;
}

/** The segments of a JPEG up to its first scan, as Pillow finds them. */
function segmentsOf(bytes) {
  const view = viewOf(bytes);
  const segments = [];
  for (let start = 2; start + 4 <= bytes.length && segments.at(-1)?.marker !== SCAN; ) {
    const marker = bytes[start + 1];
    if (bytes[start] !== 0xff || marker === 0xff) {
      start += 1; // junk or padding
    } else if (marker === 0 || isBare(marker)) {
      start += 2; // markers without a length
    } else {
      segments.push({ marker, start, end: start + 2 + view.getUint16(start + 2) });
      start = segments.at(-1).end;
    }
  }
  return segments;
}

/** Whether Pillow reads no length after a marker. */
const isBare = (marker) =>
  marker === 0xc8 || (marker >= 0xd0 && marker <= 0xd9) || (marker >= 0xf0 && marker <= 0xfd);

/** The segment that starts the frame (ITU T.81, markers SOF). */
function frameOf(bytes) {
  const others = [0xc4, 0xc8, 0xcc];
  return segmentsOf(bytes).find(
    ({ marker }) => marker >= 0xc0 && marker <= 0xcf && !others.includes(marker),
  );
}

const isExif = (bytes) => ({ marker, start }) =>
  marker === 0xe1 && textOf(bytes, start + 4, start + 8) === "Exif";

/** The EXIF block, which may continue over several segments. */
function jpegExif(bytes) {
  const parts = segmentsOf(bytes)
    .filter(isExif(bytes))
    .map(({ start, end }) => bytes.subarray(start + 4, end))
    .filter((part) => textOf(part, 0, 6) === "Exif\0\0");
  return Uint8Array.from(parts.flatMap((part) => [...part.subarray(6)]));
}

/** Whether an end marker follows the start of the scan; embedded previews have their own. */
export function jpegEnds(bytes) {
  const scan = segmentsOf(bytes).find(({ marker }) => marker === SCAN);
  if (!scan) return false;
  for (let at = bytes.indexOf(0xff, scan.end); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    if (bytes[at + 1] === 0xd9) return true;
  }
  return false;
}

/** The chunks of a PNG. */
export function chunksOf(bytes) {
  const view = viewOf(bytes);
  const chunks = [];
  for (let start = 8; start + 8 <= bytes.length; start = chunks.at(-1).end) {
    const name = textOf(bytes, start + 4, start + 8);
    chunks.push({ name, start, end: start + 12 + view.getUint32(start) });
  }
  return chunks;
}

function pngExif(bytes) {
  const found = chunksOf(bytes).find(({ name, end }) => name === "eXIf" && end <= bytes.length);
  return found && bytes.subarray(found.start + 8, found.end - 4);
}

function withoutChunks(bytes) {
  // An upper-case first letter marks a critical chunk.
  return without(bytes, chunksOf(bytes).filter(({ name }) => name !== "tRNS" && !/^[A-Z]/.test(name)));
}

/** The first EXIF chunk of a WebP, if its header announces one: libwebp reads no other. */
function webpExifChunk(bytes) {
  if (textOf(bytes, 12, 16) !== "VP8X" || !(bytes[20] & WITH_EXIF)) return null;
  const view = viewOf(bytes);
  const last = Math.min(bytes.length, 8 + view.getUint32(4, true));
  for (let start = 12; start + 8 <= last; ) {
    const length = view.getUint32(start + 4, true);
    if (textOf(bytes, start, start + 4) === "EXIF") return { start, end: start + 8 + length };
    start += 8 + length + (length % 2);
  }
  return null;
}

function webpExif(bytes) {
  const found = webpExifChunk(bytes);
  return found && bytes.subarray(found.start + 8, found.end);
}

function withoutWebpExif(bytes) {
  const found = webpExifChunk(bytes);
  if (!found) return [bytes];
  // Rename the chunk instead of removing it, as the header holds the file's length.
  const copy = bytes.slice();
  copy[20] &= ~WITH_EXIF;
  copy.fill(0x58, found.start, found.start + 4);
  return [copy];
}

function without(bytes, ranges) {
  const parts = [];
  let from = 0;
  for (const { start, end } of ranges) {
    if (start > from) parts.push(bytes.subarray(from, start));
    from = end;
  }
  return [...parts, bytes.subarray(from)];
}

const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const textOf = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));
