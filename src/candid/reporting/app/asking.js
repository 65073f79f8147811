// Asks the person for the token that the server wants.

import { byId } from "./dom.js";

let asking = null;

// A promise of the token; it fails where the person says no. Asked twice, it is one question.
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
      else reject(Object.assign(new Error("Without its token the server does not answer."), { again: true }));
    };
    dialog.showModal();
  });
  return asking;
}
