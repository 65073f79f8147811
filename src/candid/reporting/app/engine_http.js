// Engine that calls the page's server; README.md has the contract.

const KEY = "candid-token";
const TIMEOUT_MS = 120_000;
export const address = (path) => new URL(`../${path}`, import.meta.url);

export async function createEngine({ ask }) {
  const server = new Connection(ask);
  const { models } = await server.json("v1/models");
  const described = models.map(describe);
  return {
    about: {
      ...described[0],
      models: described,
      private: false,
      host: location.host,
      links: [{ name: "API documentation", url: String(address("docs")) }],
    },
    predict: (blob, name, { model }) => predict(server, blob, name, model),
    read: async ({ url }) => (await server.ask(url)).blob(),
  };
}

function describe({ name, title, classes, sentence, fit, num_samples: count }) {
  const samples = Array.from({ length: count }, (_, number) => ({
    name: `sample ${number + 1}.png`,
    url: `v1/models/${encodeURIComponent(name)}/samples/${number}`,
  }));
  return { name, title, classes, sentence, fit, samples };
}

async function predict(server, blob, name, model) {
  await requireReadable(blob);
  const body = new FormData();
  body.append("images", blob, name);
  const query = new URLSearchParams({ explain: "true", model });
  try {
    return (await server.json(`v1/predict?${query}`, { method: "POST", body })).predictions[0];
  } catch (error) {
    if (error.status !== 413) throw error;
    const megabytes = (blob.size / 1e6).toFixed(1);
    throw new Error(`The photo is too large for this server: ${megabytes} MB.`);
  }
}

// For a folder or a deleted file, fetch would fail as if the server were down.
async function requireReadable(blob) {
  try {
    await blob.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error("The file can’t be read; it may be a folder, or deleted.");
  }
}

export class Connection {
  #ask;

  constructor(ask) {
    this.#ask = ask;
  }

  get hasToken() {
    return sessionStorage.getItem(KEY) != null;
  }

  async json(path, options) {
    return (await this.ask(path, options)).json();
  }

  async ask(path, options) {
    const answer = await this.send(path, options);
    if (!answer.ok) throw await problem(answer);
    return answer;
  }

  // Sends a request, and asks for the token until it is right.
  async send(path, options = {}) {
    for (;;) {
      const token = sessionStorage.getItem(KEY);
      const answer = await send(path, options, token);
      if (answer.status !== 401) return answer;
      if (sessionStorage.getItem(KEY) !== token) continue; // another request has asked for it
      sessionStorage.removeItem(KEY);
      const message = token ? "The token is wrong." : "The server requires a token.";
      sessionStorage.setItem(KEY, await this.#ask(message));
    }
  }
}

async function send(path, options, token) {
  // A header can hold only these characters.
  const headers = token && /^[!-~]+$/.test(token) ? { Authorization: `Bearer ${token}` } : {};
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return await fetch(address(path), { ...options, headers, signal });
  } catch {
    throw again("The server does not answer. Check that it is running, then try again.");
  }
}

async function problem(answer) {
  const text = await answer.json().then((body) => body.error?.message, () => null);
  const message = text ? text[0].toUpperCase() + text.slice(1) : `The server answered with status ${answer.status}.`;
  if (answer.status !== 503) return Object.assign(new Error(message), { status: answer.status });
  const seconds = Number(answer.headers.get("Retry-After")) || 1;
  return again(`The server is busy. Try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}.`);
}

const again = (message) => Object.assign(new Error(message), { again: true });
