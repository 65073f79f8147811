// Resizes decoded pictures as Pillow's Image.reduce and OpenCV's cv2.resize do. A picture is
// {width, height, data}: data is a Uint8Array (height, width, 3), RGB.

const { fround } = Math;

/** Round to the nearest integer, halves to the even one, as Python, NumPy and OpenCV do. */
export function roundHalfEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Average blocks, as Pillow's Image.reduce; blocks at the edges may be smaller. */
export function reduce({ width, height, data }, block) {
  const channels = data.length / (width * height);
  const [columns, rows] = [Math.ceil(width / block), Math.ceil(height / block)];
  const reduced = new Uint8Array(columns * rows * channels);
  const sums = new Uint32Array(columns * channels);
  for (let row = 0; row < rows; row++) {
    const [top, bottom] = [row * block, Math.min((row + 1) * block, height)];
    sums.fill(0);
    for (let y = top; y < bottom; y++) addBlocks(data, y * width, width, block, channels, sums);
    for (let column = 0, at = 0; column < columns; column++) {
      const count = (bottom - top) * Math.min(block, width - column * block);
      // Pillow multiplies by a rounded reciprocal, which makes some whole quotients one less.
      const share = Math.floor(fround(2 ** 24 / count));
      for (let c = 0; c < channels; c++, at++) {
        const sum = sums[at] + (count >> 1);
        reduced[row * sums.length + at] = Math.imul(sum, share) >>> 24;
      }
    }
  }
  return { width: columns, height: rows, data: reduced };
}

function addBlocks(data, row, width, block, channels, sums) {
  for (let c = 0; c < channels; c++) {
    let at = row * channels + c;
    for (let from = 0, to = c; from < width; from += block, to += channels) {
      let sum = 0;
      const end = Math.min(from + block, width);
      for (let x = from; x < end; x++, at += channels) sum += data[at];
      sums[to] += sum;
    }
  }
}

/** Apply an EXIF orientation, 1 to 8, as candid.data.images.exif. */
export function upright(picture, orientation) {
  if (orientation === 1) return picture;
  const isTurned = orientation >= 5;
  const [width, height] = isTurned
    ? [picture.height, picture.width]
    : [picture.width, picture.height];
  const [isUpsideDown, isMirrored] = [[3, 4, 7, 8], [2, 3, 6, 7]].map((s) => s.includes(orientation));
  const data = new Uint8Array(picture.data.length);
  for (let y = 0, to = 0; y < height; y++) {
    const row = isUpsideDown ? height - 1 - y : y;
    for (let x = 0; x < width; x++) {
      const column = isMirrored ? width - 1 - x : x;
      let from = 3 * (isTurned ? column * picture.width + row : row * picture.width + column);
      for (let c = 0; c < 3; c++) data[to++] = picture.data[from++];
    }
  }
  return { width, height, data };
}

/**
 * Fit a picture to a square, as candid.data.images.contract.
 *
 * @param {{width: number, height: number, data: Uint8Array}} picture RGB.
 * @returns {Uint8Array} (size, size, 3).
 */
export function fitSquare(picture, size, fit) {
  if (fit === "pad") return pad(picture, size);
  const fitted = fit === "crop" ? cropSquare(picture) : picture;
  return resize(fitted, size, size).data;
}

function cropSquare({ width, height, data }) {
  const side = Math.min(width, height);
  const [top, left] = [(height - side) >> 1, (width - side) >> 1];
  const square = new Uint8Array(side * side * 3);
  for (let row = 0; row < side; row++) {
    const from = ((top + row) * width + left) * 3;
    square.set(data.subarray(from, from + side * 3), row * side * 3);
  }
  return { width: side, height: side, data: square };
}

function pad(picture, size) {
  const scale = size / Math.max(picture.width, picture.height);
  const width = Math.max(1, roundHalfEven(picture.width * scale));
  const height = Math.max(1, roundHalfEven(picture.height * scale));
  const [top, left] = [(size - height) >> 1, (size - width) >> 1];
  const inner = resize(picture, width, height).data;
  const square = new Uint8Array(size * size * 3).fill(255);
  for (let row = 0; row < height; row++) {
    const line = inner.subarray(row * width * 3, (row + 1) * width * 3);
    square.set(line, ((top + row) * size + left) * 3);
  }
  return square;
}

/** Resize: shrink sides by area, then enlarge sides linearly. */
export function resize(picture, width, height) {
  const narrow = Math.min(width, picture.width);
  const low = Math.min(height, picture.height);
  let resized = picture;
  if (narrow !== resized.width || low !== resized.height) resized = byArea(resized, narrow, low);
  if (width !== resized.width || height !== resized.height) {
    resized = linearly(resized, width, height);
  }
  return resized;
}

/** OpenCV's INTER_AREA, for sides that don't grow: sums of float32 in its order. */
function byArea(picture, width, height) {
  const [across, down] = [scaleOf(picture.width, width), scaleOf(picture.height, height)];
  if (Number.isInteger(across) && Number.isInteger(down)) {
    return byWholeArea(picture, width, height, across, down);
  }
  const columns = areaWeights(picture.width, width);
  const rows = areaWeights(picture.height, height);
  const data = new Uint8Array(width * height * 3);
  const line = new Float32Array(width * 3);
  const sum = new Float32Array(width * 3);
  for (let row = 0; row < height; row++) {
    sum.fill(0);
    rows[row].weights.forEach((weight, place) => {
      shrinkLine(picture, rows[row].first + place, columns, line);
      for (let at = 0; at < line.length; at++) sum[at] += fround(weight * line[at]);
    });
    for (let at = 0; at < sum.length; at++) data[row * sum.length + at] = roundHalfEven(sum[at]);
  }
  return { width, height, data };
}

function shrinkLine({ width, data }, row, columns, line) {
  let to = 0;
  for (const { first, weights } of columns) {
    let [red, green, blue] = [0, 0, 0];
    for (let place = 0, at = (row * width + first) * 3; place < weights.length; place++, at += 3) {
      red = fround(red + fround(data[at] * weights[place]));
      green = fround(green + fround(data[at + 1] * weights[place]));
      blue = fround(blue + fround(data[at + 2] * weights[place]));
    }
    line[to++] = red;
    line[to++] = green;
    line[to++] = blue;
  }
}

/** How many old places a new one covers, as OpenCV computes it: of 147 in 3, a little over 49. */
const scaleOf = (from, to) => 1 / (to / from);

/** For each new place along a side, the first old place that it covers, and all their weights. */
function areaWeights(from, to) {
  const scale = scaleOf(from, to);
  return Array.from({ length: to }, (_, place) => {
    const [start, end] = [place * scale, place * scale + scale];
    const cell = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const whole = Math.min(Math.ceil(start), last);
    const weights = new Array(last - whole).fill(1 / cell);
    const isCut = whole - start > 1e-3;
    if (isCut) weights.unshift((whole - start) / cell);
    if (end - last > 1e-3) weights.push(Math.min(end - last, 1, cell) / cell);
    return { first: whole - Number(isCut), weights: Float32Array.from(weights) };
  });
}

function byWholeArea({ width: stride, data }, width, height, across, down) {
  const shrunk = new Uint8Array(width * height * 3);
  const [count, isFour] = [across * down, across === 2 && down === 2];
  const share = fround(1 / count);
  for (let to = 0; to < shrunk.length; to++) {
    const [place, colour] = [Math.floor(to / 3), to % 3];
    const [row, column] = [Math.floor(place / width) * down, (place % width) * across];
    let sum = 0;
    for (let y = row; y < row + down; y++) {
      for (let x = column; x < column + across; x++) sum += data[(y * stride + x) * 3 + colour];
    }
    shrunk[to] = isFour ? (sum + 2) >> 2 : roundHalfEven(fround(fround(sum) * share));
  }
  return { width, height, data: shrunk };
}

/** OpenCV's INTER_LINEAR, in its fixed-point arithmetic. */
function linearly(picture, width, height) {
  const columns = linearWeights(picture.width, width);
  // Beyond the first and the last row OpenCV mixes a row with itself, and rounds both parts down.
  const rows = linearWeights(picture.height, height, true);
  const data = new Uint8Array(width * height * 3);
  rows.forEach(([from, next, nearness, farness], row) => {
    const upper = stretchLine(picture, from, columns);
    const lower = stretchLine(picture, next, columns);
    for (let at = 0; at < upper.length; at++) {
      const above = (nearness * (upper[at] >> 4)) >> 16;
      const below = (farness * (lower[at] >> 4)) >> 16;
      data[row * upper.length + at] = (above + below + 2) >> 2;
    }
  });
  return { width, height, data };
}

function stretchLine({ width, data }, row, columns) {
  const line = new Int32Array(columns.length * 3);
  columns.forEach(([from, next, nearness, farness], column) => {
    for (let c = 0; c < 3; c++) {
      const [near, far] = [data[(row * width + from) * 3 + c], data[(row * width + next) * 3 + c]];
      line[column * 3 + c] = near * nearness + far * farness;
    }
  });
  return line;
}

/** For each new place along a side, the two nearest old places and their weights of 2048. */
function linearWeights(from, to, isMixedBeyond = false) {
  const scale = scaleOf(from, to);
  const within = (place) => Math.min(Math.max(place, 0), from - 1);
  return Array.from({ length: to }, (_, place) => {
    const at = fround((place + 0.5) * scale - 0.5);
    const start = Math.floor(at);
    const [near, next] = [within(start), within(start + 1)];
    const far = near < next || isMixedBeyond ? fround(at - start) : 0;
    const [nearness, farness] = [1 - far, far].map((s) => roundHalfEven(fround(s) * 2048));
    return [near, next, nearness, farness];
  });
}
