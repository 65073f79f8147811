// "Try it" of the API documentation: sends what a form says, and shows the command and the answer.

import { ask } from "./asking.js";
import { make } from "./dom.js";
import { Connection, address } from "./engine.js";

const server = new Connection(ask);
// For a POSIX shell.
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

for (const form of document.querySelectorAll("form[data-path]")) {
  const showCommand = () => { form.querySelector(".command").textContent = commandOf(requestOf(form)); };
  form.addEventListener("input", showCommand);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, requestOf(form));
  });
  showCommand();
}

function requestOf({ dataset, elements }) {
  let path = dataset.path.slice(1);
  const query = new URLSearchParams();
  const files = [];
  for (const { name, value, type, files: chosen } of elements) {
    if (type === "file") files.push(...chosen);
    else if (path.includes(`{${name}}`)) path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (name && value) query.append(name, value);
  }
  return { method: dataset.method, path: query.size ? `${path}?${query}` : path, files };
}

function commandOf({ method, path, files }) {
  const names = files.length ? files.map(({ name }) => name) : ["photo.jpg"];
  const parts = method === "POST" ? names.map((name) => `-F ${quoted(`images=@${name}`)}`) : [];
  const token = server.hasToken ? ['-H "Authorization: Bearer $(cat token)"'] : [];
  return ["curl", ...token, ...parts, quoted(String(address(path)))].join(" ");
}

async function send(form, { method, path, files }) {
  const output = form.nextElementSibling;
  const button = form.querySelector("button");
  const began = performance.now();
  button.disabled = true;
  try {
    const body = method === "POST" ? new FormData() : undefined;
    files.forEach((file) => body.append("images", file, file.name));
    const answer = await server.send(path, { method, body });
    const shown = await picture(answer);
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    output.replaceChildren(make("h3", {}, `Answer: ${answer.status} ${answer.statusText}, ${seconds} s`), shown);
  } catch (error) {
    output.replaceChildren(make("h3", {}, "No answer"), make("p", {}, error.message));
  }
  button.disabled = false;
}

async function picture(answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  if (type.startsWith("image/")) return make("img", { src: URL.createObjectURL(await answer.blob()), alt: "The answer" });
  const text = await answer.text();
  const isJson = type.startsWith("application/json");
  return make("pre", { tabindex: "0" }, isJson ? JSON.stringify(JSON.parse(text), null, 2) : text);
}
