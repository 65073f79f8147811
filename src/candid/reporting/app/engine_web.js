// The engine of a static export: the browser computes, and no photo leaves it. An export has this
// file as app/engine.js, with model.onnx and candid-export.json one folder above. All of it runs in
// the page and not in a worker: the page's security policy, in a <meta>, does not hold for workers,
// and so a browser would not keep a worker from asking another host.

import { answerOf, decide, readRules, unreadable } from "./answer.js";
import { contrast, explanationOf, occlude } from "./evidence.js";
import { loadNetwork, RUNTIME } from "./network.js";
import { decode } from "./pixels.js";

/**
 * Make the engine; README.md of the page says what it has to do.
 *
 * @param {{say: function(string)}} page
 * @returns {Promise<object>} about, predict; and for programs: decode, ask, runtime.
 */
export async function createEngine({ say = () => {} } = {}) {
  const [told, page] = await Promise.all([
    fetchJson("../candid-export.json"),
    fetchJson("./about.json"),
  ]);
  const url = new URL("../model.onnx", import.meta.url);
  const ask = await loadNetwork(url, say, told.pixels.size_px);
  const rules = readRules(told);
  return {
    about: {
      ...page,
      classes: told.classes,
      fit: told.pixels.fit,
      samples: [],
      models: [{ name: told.run.name, classes: told.classes }],
      private: true,
    },
    predict: (blob, name) => predict(blob, name, told.pixels, rules, ask),
    decode: (blob) => decode(blob, told.pixels),
    ask,
    runtime: RUNTIME,
  };
}

async function fetchJson(path) {
  const url = new URL(path, import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} can't be loaded (${response.status}); export again.`);
  return response.json();
}

async function predict(blob, name, contract, rules, ask) {
  let pixels;
  try {
    pixels = await decode(blob, contract);
  } catch (error) {
    return unreadable(name, error.message);
  }
  const answers = await ask(pixels);
  const probabilities = answers.probabilities.data;
  const novelty = answers.novelty ? answers.novelty.data[0] : null;
  const item = answerOf(name, probabilities, novelty, rules);
  const heat = await heatOf(pixels, answers, decide([...probabilities], rules), contract, ask);
  return { ...item, explanation: explanationOf(heat) };
}

async function heatOf(pixels, answers, answered, { size_px: size }, ask) {
  const { heatmap } = answers;
  if (heatmap) return contrast(heatmap.data, heatmap.dims.slice(1), answered);
  const probabilitiesOf = async (covered) => (await ask(covered)).probabilities.data;
  return occlude(pixels, size, probabilitiesOf, answered);
}
