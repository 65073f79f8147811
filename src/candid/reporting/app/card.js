// Card of one photo with its answer.

import { makeBars } from "./bars.js";
import { icon, make } from "./dom.js";
import { drawHeat } from "./heat.js";
import { makeSimilar } from "./similar.js";
import { share, verdictOf, why } from "./words.js";

let number = 0;

export class Card {
  #photo = null;
  #heat = null;
  #item = null;
  #fit = "squash";
  #isOpen = false;
  #isHeated = false;

  // `onOpen` and `onHeat` are called when their buttons are pressed.
  constructor(name, { onOpen, onHeat }) {
    const id = `card-${++number}`;
    this.name = name;
    this.isGone = false;
    this.fold = make("button", { class: "fold", type: "button", "aria-controls": id, click: () => onOpen(this) });
    this.title = make("bdi", {}, "Waiting");
    this.fold.append(this.title, icon("fold"));
    this.frame = make("div", { class: "frame", role: "img", "aria-label": name });
    this.toggle = make("button", { class: "toggle", type: "button", "aria-pressed": "false", hidden: true, click: onHeat });
    this.toggle.append(icon("heat"), "Heat map ", make("kbd", {}, "H"));
    this.legend = make("p", { class: "legend", hidden: true });
    this.under = make("div", { class: "under" }, this.legend, this.toggle);
    this.badge = make("p", { class: "badge", hidden: true });
    this.share = make("p", { class: "share" });
    this.model = make("span", { class: "model", hidden: true });
    this.body = make("div", { class: "body", id });
    this.element = make("li", { class: "card", "data-state": "waiting" },
      make("div", { class: "picture" }, this.frame, this.under),
      make("div", { class: "answer" },
        make("p", { class: "name" }, make("bdi", {}, name), this.model),
        make("h3", {}, this.fold),
        this.badge, this.share, this.body),
    );
    this.open(false);
  }

  open(isOpen) {
    this.#isOpen = isOpen;
    this.element.classList.toggle("open", isOpen);
    this.fold.setAttribute("aria-expanded", isOpen);
    this.body.hidden = this.under.hidden = !isOpen;
    this.#showHeat();
  }

  focus() {
    this.fold.focus({ preventScroll: true });
  }

  get isOpen() {
    return this.#isOpen;
  }

  heat(isHeated) {
    this.#isHeated = isHeated;
    this.#showHeat();
  }

  // Takes a canvas, or null if the browser can't show the file.
  showPhoto(canvas) {
    this.#photo = canvas;
    canvas?.classList.add("photo");
    this.frame.replaceChildren(canvas ?? make("span", { class: "missing" }, icon("photos"), make("span", {}, "No preview")));
    this.#showHeat();
  }

  // Used if there are several models.
  nameModel(name) {
    this.model.textContent = name;
    this.model.hidden = false;
  }

  showAsking() {
    this.#begin("asking", "Predicting …");
  }

  showAnswer(item, fit) {
    this.#begin("answered", item.answer);
    this.#item = item;
    this.#fit = fit;
    this.element.dataset.verdict = item.verdict ?? "";
    const verdict = verdictOf(item);
    if (verdict) this.#mark(verdict);
    this.share.textContent = item.verdict === "unknown" ? "" : share(item);
    this.body.append(
      makeBars(item),
      make("p", { class: "why" }, why(item)),
      makeSimilar(item.explanation?.similar ?? []) ?? "",
    );
    this.#showHeat();
  }

  // Shows an error instead of an answer; `again`, if given, is called by a button to retry.
  showFailure(title, message, again) {
    this.#begin("failed", title);
    this.#mark({ word: "No answer", icon: "error" });
    this.body.append(make("p", { class: "why" }, message));
    if (again) this.body.append(make("button", { class: "again", type: "button", click: again }, "Try again"));
  }

  #mark({ word, icon: shape }) {
    this.badge.replaceChildren(icon(shape), make("span", { class: "word" }, word));
    this.badge.hidden = false;
  }

  #begin(state, title) {
    this.#item = this.#heat = null;
    this.element.dataset.state = state;
    this.element.dataset.verdict = "";
    this.title.textContent = title;
    this.badge.hidden = true;
    this.share.textContent = "";
    this.body.replaceChildren();
    this.#showHeat();
  }

  // The heat map is drawn when it is first shown.
  #showHeat() {
    const { heat, where } = this.#item?.explanation ?? {};
    const isThere = Boolean(heat?.length && this.#photo);
    const isShown = isThere && this.#isHeated && this.#isOpen;
    if (!this.#heat && isShown) this.#heat = drawHeat(this.#photo, heat, this.#fit);
    this.frame.querySelector(".heat")?.remove();
    if (this.#heat && isThere) this.frame.append(this.#heat);
    this.#heat?.classList.add("heat");
    this.frame.dataset.heated = isShown;
    this.toggle.hidden = !isThere;
    this.toggle.setAttribute("aria-pressed", this.#isHeated);
    this.legend.hidden = !where;
    const evidence = where ? `Evidence for ${this.#item.label}: ${where}` : "";
    this.legend.replaceChildren(make("span", { class: "swatch" }), evidence);
    this.frame.setAttribute("aria-label", isShown ? `${this.name}. ${evidence}` : this.name);
  }
}
