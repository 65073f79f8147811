// Decodes a photo and shrinks it for display.

const MOST_PX = 720; // of the longer side, enough for a card on a high-resolution screen
const LEAST_PX = 360; // of the longer side, enough for a heat map

// Returns a canvas with the upright photo, or null if the browser can't decode it.
export async function draw(blob) {
  try {
    return shrink(await createImageBitmap(blob, { imageOrientation: "from-image" }));
  } catch {
    return null;
  }
}

function shrink(bitmap) {
  const { width, height } = bitmap;
  const longer = Math.max(width, height);
  const scale = Math.min(Math.max(longer, LEAST_PX), MOST_PX) / longer;
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // the network's background for transparent pixels
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}
