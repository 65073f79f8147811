// Makes a graph quicker at the price of a few hundredths in its answers, for frames of a camera: it
// looks at a picture alone, not at its mirror image too. The constants that decide this are set in the
// file's bytes (ONNX is protocol buffers: https://protobuf.dev/programming-guides/encoding), as the
// runtime can't be told them. See candid/features/backbones/onnx_graph.py for what they are.

const GRAPH = 7; // of a ModelProto
const INITIALIZER = 5; // of a GraphProto
const NAME = 8; // of a TensorProto
const RAW_DATA = 9;
const MOST = 2n ** 31n - 1n;

/** Constants of the graph by name, int64, and what they become: the mirror images are a batch of none. */
const CHANGES = {
  "flip.first": [0n],
  "flip.last": [0n],
  "flip.axis": [0n],
  "flip.step": [1n],
  "flip.first_1": [0n],
  "flip.last_1": [MOST],
  "flip.step_1": [1n],
  pairs: [1n], // its further values stay
  mirrored: [0n],
};

/** A copy of a graph that looks at pictures alone; the same graph if it does already. */
export function withOneView(graph) {
  const places = new Map();
  const names = new TextDecoder();
  for (const model of fields(graph, 0, graph.length)) {
    if (model.number !== GRAPH) continue;
    for (const part of fields(graph, model.start, model.end)) {
      if (part.number !== INITIALIZER) continue;
      const tensor = [...fields(graph, part.start, part.end)];
      const name = tensor.find(({ number }) => number === NAME);
      const data = tensor.find(({ number }) => number === RAW_DATA);
      if (name && data) places.set(names.decode(graph.subarray(name.start, name.end)), data);
    }
  }
  const changes = Object.entries(CHANGES);
  if (!changes.every(([name, values]) => fits(places.get(name), values))) return graph;
  const changed = graph.slice();
  const view = new DataView(changed.buffer);
  for (const [name, values] of changes) {
    values.forEach((value, at) => view.setBigInt64(places.get(name).start + 8 * at, value, true));
  }
  return changed;
}

const fits = (place, values) => place !== undefined && place.end - place.start >= 8 * values.length;

/** The fields of a message, with the places of their bytes. */
function* fields(bytes, start, end) {
  for (let at = start; at < end; ) {
    const key = varint(bytes, at);
    const number = Math.floor(key.value / 8);
    const kind = key.value % 8;
    at = key.end;
    if (kind === 2) {
      const length = varint(bytes, at);
      yield { number, start: length.end, end: length.end + length.value };
      at = length.end + length.value;
    } else if (kind === 0) at = varint(bytes, at).end;
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else return; // no protocol buffer
  }
}

function varint(bytes, start) {
  let value = 0;
  let at = start;
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++];
    value += (byte & 127) * scale;
    if (!(byte & 128)) return { value, end: at };
  }
}
