// Contour line at a level, by marching squares (Lorensen and Cline, 1987, in two dimensions).

const CELLS = 140; // along the longer side

// Strokes a white line with dark rims, not along the edges of the picture.
export function trace(context, values, width, height, level) {
  const step = Math.max(1, Math.max(width, height) / CELLS);
  const columns = Math.floor((width - 1) / step);
  const rows = Math.floor((height - 1) / step);
  const value = (i, j) => values[Math.round(j * step) * width + Math.round(i * step)] - level;
  context.beginPath();
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const corners = [value(i, j), value(i + 1, j), value(i + 1, j + 1), value(i, j + 1)];
      const points = crossings(corners, i, j).map(([x, y]) => [x * step + 0.5, y * step + 0.5]);
      for (let p = 0; p + 1 < points.length; p += 2) {
        context.moveTo(...points[p]);
        context.lineTo(...points[p + 1]);
      }
    }
  }
  const thickness = Math.max(1.25, Math.min(width, height) / 220);
  context.lineCap = "round";
  for (const [colour, more] of [["rgb(30 30 30)", 2], ["#fff", 0]]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness + more;
    context.stroke();
  }
}

// Crossings of the level with the sides of a cell; each pair is joined by a line.
function crossings([a, b, c, d], i, j) {
  const found = [];
  if (a > 0 !== b > 0) found.push([i + a / (a - b), j]);
  if (b > 0 !== c > 0) found.push([i + 1, j + b / (b - c)]);
  if (c > 0 !== d > 0) found.push([i + d / (d - c), j + 1]);
  if (d > 0 !== a > 0) found.push([i, j + a / (a - d)]);
  return found;
}
