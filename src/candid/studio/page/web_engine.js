// The web export of the chosen run: its own engine and its own words, loaded from its folder.
//
//   const web = await loadWeb("/api/trying/web/0/17…/", say)
//   web.examine(blobOrBitmap, name, { isExplained }) → { item, embedding }; web.words, web.draw, web.drawHeat

const loaded = new Map(); // address → promise; going back to the screen takes no second

export function loadWeb(address, say) {
  if (!loaded.has(address)) {
    const started = load(address, say);
    started.catch(() => loaded.delete(address));
    loaded.clear(); // the model of another run is freed
    loaded.set(address, started);
  }
  return loaded.get(address);
}

async function load(address, say) {
  const part = (name) => import(`${address}app/${name}.js`);
  const [{ createEngine }, words, { draw }, { drawHeat }] = await Promise.all(["engine", "words", "picture", "heat"].map(part));
  const engine = await createEngine({ say });
  return { examine: engine.examine, fit: engine.about.fit, classes: engine.about.classes, words, draw, drawHeat };
}

// float32 as base64, in which requests hold it
export function toBase64(embedding) {
  const bytes = new Uint8Array(embedding.buffer, embedding.byteOffset, embedding.byteLength);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
