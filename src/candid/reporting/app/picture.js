// A photo, made small enough to be kept.

const MOST_PX = 720; // of the longer side: what a card shows on a fine screen
const LEAST_PX = 360; // heat that is drawn over a tiny photo needs room

// A canvas with the photo, upright, in its own shape; null where the browser can't show it.
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
  context.fillStyle = "#fff"; // as the network sees what is transparent
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}
