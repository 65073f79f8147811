// A map of the photos: similar ones are near each other. Classes have a colour and a shape of their
// own; what is encircled is selected.
//
//   const map = makeMap(root, { onSelect(ids), onOpen(id) });
//   map.setPoints(points); map.setShown(ids); map.setSelected(ids); map.close()

import { pictureOf } from "./api.js";
import { svg } from "./vendor/lit-html.js";

// After Okabe and Ito: told apart by most colour-blind people; paler ones on dark ground.
const LIGHT = ["#0a5796", "#b34700", "#007a5a", "#9c2f74", "#5c5c00", "#3c6fd1", "#8a1c1c", "#4b4f55"];
const DARK = ["#82bbf5", "#ffab66", "#4fd6ac", "#f29ccd", "#e0d95a", "#9fb4ff", "#ff9a8c", "#c3c8cf"];
const SHAPES = ["M-3.4 0a3.4 3.4 0 1 0 6.8 0a3.4 3.4 0 1 0-6.8 0Z", "M-3-3H3V3H-3Z", "M0-4L3.8 3H-3.8Z", "M0-4.4L4.4 0L0 4.4L-4.4 0Z",
  "M-1.2-4H1.2V-1.2H4V1.2H1.2V4H-1.2V1.2H-4V-1.2H-1.2Z", "M0 4L3.8-3H-3.8Z", "M0-4.6L1.2-1.4L4.6-1.2L2 1L2.8 4.4L0 2.4L-2.8 4.4L-2 1L-4.6-1.2L-1.2-1.4Z",
  "M-4-2.6L-2.6-4L0-1.4L2.6-4L4-2.6L1.4 0L4 2.6L2.6 4L0 1.4L-2.6 4L-4 2.6L-1.4 0Z"];
const NEAR = 9; // pixels around the pointer
const MOST_ZOOM = 60;

const kindOf = (label) => (label < 0 ? 7 : label % 8);
const shapeOf = (label) => (label < 0 ? 7 : (label + Math.floor(label / 8)) % 8);
const isDark = () => getComputedStyle(document.documentElement).colorScheme === "dark"
  || (document.documentElement.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);

// The mark of a class, for a legend.
export const markOf = (label) => svg`<svg class="mark" viewBox="-6 -6 12 12" width="14" height="14" aria-hidden="true"><path d=${SHAPES[shapeOf(label)]} fill=${(isDark() ? DARK : LIGHT)[kindOf(label)]}/></svg>`;

export function makeMap(root, { onSelect = () => {}, onOpen = () => {} } = {}) {
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "map of the photos");
  canvas.setAttribute("aria-label", "Map of the photos. Arrow keys move the cross, plus and minus zoom, Enter selects the photos in the circle, Escape clears.");
  const peek = document.createElement("img");
  peek.className = "peek";
  peek.alt = "";
  peek.hidden = true;
  root.append(canvas, peek);
  const context = canvas.getContext("2d");

  let points = new Float32Array(); // number, across, down, class; of each photo
  let shown = null;
  let selected = new Set();
  let view = { zoom: 1, x: 0.5, y: 0.5 };
  let lasso = [];
  let dragging = null;
  let cross = null;
  let frame = 0;
  const num = () => points.length / 4;
  const redraw = () => { frame ||= requestAnimationFrame(draw); };

  const side = () => Math.min(canvas.clientWidth, canvas.clientHeight) * view.zoom;
  const across = (x) => canvas.clientWidth / 2 + (x - view.x) * side();
  const down = (y) => canvas.clientHeight / 2 + (y - view.y) * side();

  // A small picture of a mark, which is drawn 100,000 times.
  function stamp(label, kind, ratio) {
    const size = 12 * ratio;
    const one = new OffscreenCanvas(size, size);
    const pen = one.getContext("2d");
    pen.scale(ratio, ratio);
    pen.translate(6, 6);
    const path = new Path2D(SHAPES[shapeOf(label)]);
    pen.globalAlpha = kind === "faint" ? 0.13 : 0.85;
    pen.fillStyle = (isDark() ? DARK : LIGHT)[kindOf(label)];
    pen.fill(path);
    if (kind === "selected") {
      pen.globalAlpha = 1;
      pen.lineWidth = 1.6;
      pen.strokeStyle = isDark() ? "#fff" : "#000";
      pen.stroke(path);
    }
    return one;
  }

  function draw() {
    frame = 0;
    const ratio = devicePixelRatio || 1;
    const [wide, high] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, wide, high);
    const stamps = new Map();
    const scale = Math.max(0.45, Math.min(1, 60 / Math.sqrt(num()))) * Math.min(1.6, Math.sqrt(view.zoom)) * ratio;
    for (const kind of ["faint", "plain", "selected"]) {
      for (let at = 0; at < points.length; at += 4) {
        const id = points[at];
        const its = selected.has(id) ? "selected" : !shown || shown.has(id) ? "plain" : "faint";
        if (its !== kind) continue;
        const [x, y, label] = [across(points[at + 1]) * ratio, down(points[at + 2]) * ratio, points[at + 3]];
        if (x < -9 || y < -9 || x > wide + 9 || y > high + 9) continue;
        const key = `${label}${kind}`;
        if (!stamps.has(key)) stamps.set(key, stamp(label, kind, scale));
        const mark = stamps.get(key);
        context.drawImage(mark, x - mark.width / 2, y - mark.height / 2);
      }
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.strokeStyle = isDark() ? "#fff" : "#000";
    context.lineWidth = 1.5;
    if (lasso.length > 1) {
      context.setLineDash([5, 4]);
      context.beginPath();
      for (const [x, y] of lasso) context.lineTo(x, y);
      context.closePath();
      context.stroke();
      context.setLineDash([]);
    }
    if (cross && document.activeElement === canvas) {
      context.beginPath();
      context.arc(...cross, 30, 0, 7);
      context.moveTo(cross[0] - 6, cross[1]);
      context.lineTo(cross[0] + 6, cross[1]);
      context.moveTo(cross[0], cross[1] - 6);
      context.lineTo(cross[0], cross[1] + 6);
      context.stroke();
    }
  }

  function within(isInside) {
    const found = [];
    for (let at = 0; at < points.length; at += 4) {
      if ((!shown || shown.has(points[at])) && isInside(across(points[at + 1]), down(points[at + 2]))) found.push(points[at]);
    }
    return found;
  }

  function inLasso(x, y) {
    let is = false;
    for (let i = 0, j = lasso.length - 1; i < lasso.length; j = i++) {
      const [[x1, y1], [x2, y2]] = [lasso[i], lasso[j]];
      if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) is = !is;
    }
    return is;
  }

  function nearest(x, y) {
    let [best, least] = [-1, NEAR];
    for (let at = 0; at < points.length; at += 4) {
      if (shown && !shown.has(points[at])) continue;
      const apart = Math.hypot(across(points[at + 1]) - x, down(points[at + 2]) - y);
      if (apart < least) [best, least] = [points[at], apart];
    }
    return best;
  }

  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const before = side();
    const [px, py] = [(x - canvas.clientWidth / 2) / before + view.x, (y - canvas.clientHeight / 2) / before + view.y];
    view.zoom = Math.max(1, Math.min(MOST_ZOOM, view.zoom * factor));
    view.x = px - (x - canvas.clientWidth / 2) / side();
    view.y = py - (y - canvas.clientHeight / 2) / side();
    if (view.zoom === 1) view = { zoom: 1, x: 0.5, y: 0.5 };
    redraw();
  }

  const placeOf = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 1) return;
    canvas.setPointerCapture(event.pointerId);
    const isPan = event.button === 1 || event.altKey;
    dragging = { isPan, from: placeOf(event), view: { ...view }, adds: event.shiftKey || event.ctrlKey || event.metaKey };
    lasso = isPan ? [] : [placeOf(event)];
    peek.hidden = true;
  });
  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = placeOf(event);
    if (!dragging) return look(x, y);
    if (dragging.isPan) {
      view.x = dragging.view.x - (x - dragging.from[0]) / side();
      view.y = dragging.view.y - (y - dragging.from[1]) / side();
    } else lasso.push([x, y]);
    redraw();
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!dragging) return;
    const { isPan, from, adds } = dragging;
    const [x, y] = placeOf(event);
    dragging = null;
    if (!isPan) {
      const isClick = lasso.length < 4 && Math.hypot(x - from[0], y - from[1]) < 4;
      const one = isClick ? nearest(x, y) : -1;
      const found = isClick ? (one < 0 ? [] : [one]) : within(inLasso);
      onSelect(adds ? [...new Set([...selected, ...found])] : found);
    }
    lasso = [];
    redraw();
  });
  canvas.addEventListener("pointercancel", () => { dragging = null; lasso = []; redraw(); });
  canvas.addEventListener("dblclick", (event) => { const one = nearest(...placeOf(event)); if (one >= 0) onOpen(one); });
  canvas.addEventListener("pointerleave", () => { peek.hidden = true; });
  canvas.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 300), ...placeOf(event)); }, { passive: false });

  // The photo below the pointer.
  function look(x, y) {
    const one = nearest(x, y);
    peek.hidden = one < 0;
    if (one < 0) return;
    if (peek.dataset.id !== String(one)) { peek.dataset.id = one; peek.src = pictureOf(one); }
    peek.style.left = `${Math.min(x + 14, canvas.clientWidth - 170)}px`;
    peek.style.top = `${Math.min(y + 14, canvas.clientHeight - 170)}px`;
  }

  canvas.addEventListener("keydown", (event) => {
    cross ??= [canvas.clientWidth / 2, canvas.clientHeight / 2];
    const step = { ArrowLeft: [-20, 0], ArrowRight: [20, 0], ArrowUp: [0, -20], ArrowDown: [0, 20] }[event.key];
    if (step) cross = [Math.max(0, Math.min(canvas.clientWidth, cross[0] + step[0])), Math.max(0, Math.min(canvas.clientHeight, cross[1] + step[1]))];
    else if (event.key === "Enter") {
      const found = within((x, y) => Math.hypot(x - cross[0], y - cross[1]) < 30);
      onSelect(event.shiftKey ? [...new Set([...selected, ...found])] : found);
    } else if (event.key === "+" || event.key === "=") zoom(1.5, ...cross);
    else if (event.key === "-") zoom(1 / 1.5, ...cross);
    else if (event.key === "Escape") onSelect([]);
    else return;
    event.preventDefault();
    if (step) look(...cross);
    redraw();
  });
  for (const kind of ["focus", "blur"]) canvas.addEventListener(kind, redraw);

  const watcher = new ResizeObserver(redraw);
  watcher.observe(canvas);
  const theme = matchMedia("(prefers-color-scheme: dark)");
  theme.addEventListener("change", redraw);

  return {
    setPoints(some) { points = some; redraw(); },
    setShown(ids) { shown = ids && ids.length < num() ? new Set(ids) : null; redraw(); },
    setSelected(ids) { selected = new Set(ids); redraw(); },
    zoom,
    close() { watcher.disconnect(); theme.removeEventListener("change", redraw); canvas.remove(); peek.remove(); },
  };
}
