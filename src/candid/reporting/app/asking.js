// Dialog that asks for the server's token.

import { byId } from "./dom.js";

let asking = null;

// Resolves to the token and rejects on cancel. Concurrent calls share one dialog.
export function ask(message) {
  asking ??= new Promise((resolve, reject) => {
    const dialog = byId("token");
    let given = "";
    byId("token-why").textContent = message;
    byId("token-text").value = "";
    byId("token-form").onsubmit = (event) => {
      event.preventDefault();
      given = byId("token-text").value.trim();
      dialog.close();
    };
    byId("token-not").onclick = () => dialog.close();
    dialog.onclose = () => {
      asking = null;
      if (given) resolve(given);
      else reject(Object.assign(new Error("The server does not answer without a token."), { again: true }));
    };
    dialog.showModal();
  });
  return asking;
}
