// The graph of a run in ONNX Runtime for browsers: pixels in, numbers out.

import * as ort from "./vendor/ort.wasm.bundle.min.mjs";

const MOST_THREADS = 4;
const MIB = 2 ** 20;

/** Which runtime it is, for a person. */
export const RUNTIME = `ONNX Runtime Web ${ort.env.versions.web}`;

/**
 * Load a graph.
 *
 * @param {URL} url Where it lies, on the page's own origin.
 * @param {function(string)} say Told how far it is.
 * @param {number} size Height and width of a picture.
 * @returns {Promise<function(Uint8Array): Promise<object>>} From the pixels of one picture,
 *   (size, size, 3) RGB, to {data, dims} by the output's name.
 */
export async function loadNetwork(url, say, size) {
  ort.env.logLevel = "error";
  ort.env.wasm.wasmPaths = { wasm: new URL("./vendor/ort-wasm-simd-threaded.wasm", import.meta.url) };
  // Several threads share memory, which a browser allows only where the host's headers ask for it.
  const cores = navigator.hardwareConcurrency || 1;
  ort.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, cores) : 1;
  const graph = await fetchWhole(url, say);
  say("Starting the model");
  const session = await ort.InferenceSession.create(graph, { executionProviders: ["wasm"] });
  return async (pixels) => {
    await new Promise((resolve) => setTimeout(resolve)); // the page may draw what it has
    return session.run({ image: new ort.Tensor("uint8", pixels, [1, size, size, 3]) });
  };
}

async function fetchWhole(url, say) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`The model can't be loaded: ${response.status} for ${url}.`);
  // A host that compresses tells the compressed length, which says nothing of what will come.
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
