// Runs a model's graph in ONNX Runtime Web.

import { withOneView } from "./quick.js";
import * as ort from "./vendor/ort.wasm.bundle.min.mjs";

const MOST_THREADS = 4;
const MIB = 2 ** 20;

/** Name and version of the runtime. */
export const RUNTIME = `ONNX Runtime Web ${ort.env.versions.web}`;

/**
 * Load a graph.
 *
 * @param {URL} url Address, on the page's own origin.
 * @param {function(string)} say Progress callback.
 * @param {number} size Height and width of a picture.
 * @param {object} options isQuick: one view of a picture, and no arithmetic in 8 bits, which WebAssembly
 *   takes twice the time for. It answers a little otherwise.
 * @returns {Promise<function(Uint8Array): Promise<object>>} From the pixels of one picture,
 *   (size, size, 3) RGB, to {data, dims} by the output's name.
 */
export async function loadNetwork(url, say, size, { isQuick = false } = {}) {
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = { wasm: new URL("./vendor/ort-wasm-simd-threaded.wasm", import.meta.url) };
  // Several threads share memory, which a browser allows only where the host's headers ask for it.
  const cores = navigator.hardwareConcurrency || 1;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, cores) : 1;
  const graph = await fetchWhole(url, say);
  say("Starting the model");
  const options = { executionProviders: ["wasm"] };
  if (isQuick) options.extra = { session: { disable_quant_qdq: "1" } };
  const session = await ort.InferenceSession.create(isQuick ? withOneView(graph) : graph, options);
  return async (pixels) => {
    await new Promise((resolve) => setTimeout(resolve)); // let the page draw
    return session.run({ image: new ort.Tensor("uint8", pixels, [1, size, size, 3]) });
  };
}

async function fetchWhole(url, say) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The model can't be loaded: ${response.status} for ${url}.`);
  // Of compressed responses the length is that of the compressed data.
  const isPlain = !response.headers.get("Content-Encoding");
  const total = isPlain ? Number(response.headers.get("Content-Length")) : 0;
  const chunks = [];
  let received = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    chunks.push(part.value);
    received += part.value.length;
    const of = total ? ` of ${Math.ceil(total / MIB)}` : "";
    say(`Loading the model: ${Math.round(received / MIB)}${of} MB`);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
