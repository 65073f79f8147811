// Which coefficients the scans of a JPEG hold, as candid.data.images.jpeg.read_scans: a file that was
// cut lacks later scans, and so detail, even if somebody has put an end marker after the cut.

const FRAMES = [0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf];
const PROGRESSIVE = [0xc2, 0xca];
const LOSSLESS = [0xc3, 0xc7, 0xcb, 0xcf];
const SCAN = 0xda;
const END = 0xd9;
const UNSENT = 255;

/**
 * Read the headers of all scans.
 *
 * @param {Uint8Array} bytes A JPEG.
 * @returns {{isProgressive: boolean, isLossless: boolean, components: number, isWhole: boolean,
 *   endsInFirstPass: boolean}} The last two as in Python.
 */
export function scansOf(bytes) {
  const found = { isProgressive: true, isLossless: false, components: 0 };
  let left = new Map(); // of each component, the bits that each coefficient lacks
  let count = 0;
  for (const { marker, body } of segmentsOf(bytes)) {
    if (FRAMES.includes(marker)) {
      found.isProgressive = PROGRESSIVE.includes(marker);
      found.isLossless = LOSSLESS.includes(marker);
      const numbers = body.subarray(6).filter((_, at) => at % 3 === 0);
      left = new Map([...numbers].map((number) => [number, new Uint8Array(64).fill(UNSENT)]));
      found.components = left.size;
    } else if (marker === SCAN && body.length) {
      count += 1;
      const { numbers, band } = scanOf(body, found.isProgressive);
      if (band.length < 3) break;
      const [start, end, bits] = band;
      for (const number of numbers) left.get(number)?.fill(bits & 15, start, end + 1);
      if ([...left.values()].some((lacks) => lacks.some(Boolean))) continue;
      const isLuma = numbers.includes(left.keys().next().value);
      const endsInFirstPass = !(bits >> 4) && count > 1 && (isLuma || !found.isProgressive);
      return { ...found, isWhole: true, endsInFirstPass };
    }
  }
  return { ...found, isWhole: false, endsInFirstPass: false };
}

function scanOf(body, isProgressive) {
  const fields = 1 + 2 * body[0];
  const numbers = [...body.subarray(1, fields)].filter((_, at) => at % 2 === 0);
  // Others than progressive ones have but one scan a component, whatever these bytes say.
  return { numbers, band: isProgressive ? body.subarray(fields, fields + 3) : [0, 63, 0] };
}

/** Segments up to the end marker; the data of the scans are passed over. */
function* segmentsOf(bytes) {
  for (let at = bytes.indexOf(0xff, 2); at >= 0; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1];
    if (marker === END || marker === undefined) return;
    if (isWithinData(marker)) {
      at += 1;
      continue;
    }
    const end = Math.max(at + 2, at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]));
    yield { marker, body: bytes.subarray(at + 4, end) };
    at = end;
  }
}

const isWithinData = (marker) =>
  marker <= 1 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd8);
