// Engine of a web export: the model runs in the browser, and no photo leaves it. An export has this
// file as app/engine.js, with model.onnx and candid-export.json one folder above. It uses no worker:
// the page's security policy is in a <meta>, which does not apply to workers, so nothing would keep
// a worker from contacting another host.

import { answerOf, decide, readRules, unreadable } from "./answer.js";
import { contrast, explanationOf, occlude } from "./evidence.js";
import { loadNetwork, RUNTIME } from "./network.js";
import { decode, pixelsOf } from "./pixels.js";

/**
 * Make the engine; README.md has the contract.
 *
 * @param {{say: function(string)}} page
 * @returns {Promise<object>} about, predict; for programs also examine, decode, ask, runtime.
 */
export async function createEngine({ say = () => {} } = {}) {
  const [settings, page] = await Promise.all([
    fetchJson("../candid-export.json"),
    fetchJson("./about.json"),
  ]);
  const url = new URL("../model.onnx", import.meta.url);
  const load = (options) => loadNetwork(url, say, settings.pixels.size_px, options);
  const ask = await load();
  let quick = null;
  const askQuickly = async (pixels) => (await (quick ??= load({ isQuick: true })))(pixels);
  const examine = makeExamine(settings.pixels, readRules(settings), ask, askQuickly);
  return {
    about: {
      ...page,
      classes: settings.classes,
      fit: settings.pixels.fit,
      samples: [],
      models: [{ name: settings.run.name, classes: settings.classes }],
      private: true,
    },
    predict: async (blob, name) => (await examine(blob, name)).item,
    examine,
    decode: (blob) => decode(blob, settings.pixels),
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

/**
 * A function of a picture, a file (Blob) or an ImageBitmap such as a frame of a camera, and its name:
 * its item as README.md has it, and its embedding, Float32Array (d,); null if it can't be read.
 * Without `isExplained` there is no heat map. With `isQuick` it takes a quarter of the time, and its
 * shares are a few hundredths off.
 */
const makeExamine = (contract, rules, askWhole, askQuickly) => async (picture, name, options = {}) => {
  const { isExplained = true, isQuick = false } = options;
  const ask = isQuick ? askQuickly : askWhole;
  let pixels;
  try {
    pixels = picture instanceof Blob ? await decode(picture, contract) : pixelsOf(picture, contract);
  } catch (error) {
    return { item: unreadable(name, error.message), embedding: null };
  }
  const answers = await ask(pixels);
  const probabilities = answers.probabilities.data;
  const novelty = answers.novelty ? answers.novelty.data[0] : null;
  const item = answerOf(name, probabilities, novelty, rules, blankReason(pixels));
  const embedding = answers.embedding.data;
  if (!isExplained) return { item, embedding };
  const heat = await heatOf(pixels, answers, decide([...probabilities], rules), contract, ask);
  return { item: { ...item, explanation: explanationOf(heat) }, embedding };
};

/** That a picture has one colour alone, as candid.runs.prediction; else null. */
function blankReason(pixels) {
  const first = pixels.slice(0, 3);
  if (pixels.some((value, at) => value !== first[at % 3])) return null;
  const code = [...first].map((value) => value.toString(16).padStart(2, "0")).join("");
  return `blank: every pixel is ${{ "000000": "black", ffffff: "white" }[code] ?? `#${code}`}`;
}

async function heatOf(pixels, answers, answered, { size_px: size }, ask) {
  const { heatmap } = answers;
  if (heatmap) return contrast(heatmap.data, heatmap.dims.slice(1), answered);
  const probabilitiesOf = async (covered) => (await ask(covered)).probabilities.data;
  return occlude(pixels, size, probabilitiesOf, answered);
}
