// Decodes a photo and shrinks it for display.

import { identify, MIME, orientationOf, withoutMetadata } from "./files.js";

const MOST_PX = 720; // of the longer side, enough for a card on a high-resolution screen
const LEAST_PX = 360; // of the longer side, enough for a heat map

// Returns a canvas with the upright photo, or null if the browser can't decode it.
export async function draw(blob) {
  try {
    return shrink(...(await open(blob)));
  } catch {
    return null;
  }
}

// As pixels.js, which leaves no orientation to the browser: Chromium applies that of WebP to nothing.
async function open(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const format = identify(bytes);
  const parts = format ? withoutMetadata(bytes, format) : [bytes];
  const bitmap = await createImageBitmap(new Blob(parts, { type: MIME[format] ?? blob.type }));
  return [bitmap, format ? orientationOf(bytes, format) : 1];
}

function shrink(bitmap, orientation) {
  const longer = Math.max(bitmap.width, bitmap.height);
  const scale = Math.min(Math.max(longer, LEAST_PX), MOST_PX) / longer;
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = orientation >= 5 ? [height, width] : [width, height];
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // the network's background for transparent pixels
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.setTransform(...turned(orientation, canvas.width, canvas.height));
  context.drawImage(bitmap, 0, 0, width, height);
  context.resetTransform();
  bitmap.close();
  return canvas;
}

// The matrix that draws a stored picture upright, by EXIF orientation (CIPA DC-008, tag 274).
function turned(orientation, width, height) {
  const isUpsideDown = [3, 4, 7, 8].includes(orientation);
  const isMirrored = [2, 3, 6, 7].includes(orientation);
  const [across, down] = [isMirrored ? -1 : 1, isUpsideDown ? -1 : 1];
  const [left, top] = [isMirrored ? width : 0, isUpsideDown ? height : 0];
  return orientation >= 5 ? [0, down, across, 0, left, top] : [across, 0, 0, down, left, top];
}
