// Dialog that asks for the server's token.

import { make } from "./dom.js";

let asking = null;

// Resolves to the token and rejects on cancel. Concurrent calls share one dialog.
export function ask(message) {
  asking ??= new Promise((resolve, reject) => {
    let given = "";
    const text = make("input", { id: "token-text", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
    const submit = (event) => {
      event.preventDefault();
      given = text.value.trim();
      dialog.close();
    };
    const close = () => {
      asking = null;
      dialog.remove();
      if (given) resolve(given);
      else reject(Object.assign(new Error("The server does not answer without a token."), { again: true }));
    };
    const dialog = make("dialog", { id: "token", "aria-labelledby": "token-why", close },
      make("form", { id: "token-form", submit },
        make("p", { id: "token-why" }, message),
        make("label", {}, "Token ", text),
        make("div", { class: "buttons" },
          make("button", { class: "primary", type: "submit" }, "Send"),
          make("button", { type: "button", click: () => dialog.close() }, "Cancel"))));
    document.body.append(dialog);
    dialog.showModal();
  });
  return asking;
}
