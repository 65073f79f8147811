// List of the most similar training photos.

import { make } from "./dom.js";

export function makeSimilar(similar) {
  if (!similar.length) return null;
  return make("section", { class: "similar" },
    make("h4", {}, "Most similar training photos"),
    make("ul", {}, ...similar.map(makeOne)),
  );
}

function makeOne({ label, similarity, thumbnail }) {
  const isPicture = typeof thumbnail === "string" && thumbnail.startsWith("data:image/");
  return make("li", {},
    isPicture
      ? make("img", { src: thumbnail, alt: "", decoding: "async" })
      : make("span", { class: "missing" }, "No picture"),
    make("bdi", { class: "class" }, label),
    make("span", { class: "note" }, `similarity ${similarity.toFixed(2)}`),
  );
}
