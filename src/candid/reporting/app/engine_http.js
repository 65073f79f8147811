// Asks the server that the page came from. The contract stands in README.md.

const KEY = "candid-token";
const PATIENCE_MS = 120_000;
const address = (path) => new URL(`../${path}`, import.meta.url);

export async function createEngine({ ask }) {
  const server = new Connection(ask);
  const { models } = await server.json("v1/models");
  const described = models.map(describe);
  const hasToken = server.hasToken;
  return {
    about: {
      ...described[0],
      models: described,
      private: false,
      host: location.host,
      // A link can't carry the token.
      links: hasToken ? [] : [{ name: "What programs can ask", url: String(address("docs")) }],
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
    throw new Error(`The photo is too large for this server: it has ${megabytes} MB.`);
  }
}

// A folder, or a file that is gone: fetch would fail as if the server were.
async function requireReadable(blob) {
  try {
    await blob.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error("The file can’t be read; it may be a folder, or gone.");
  }
}

class Connection {
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

  // Asks for the token as often as it is not the right one.
  async ask(path, options = {}) {
    for (;;) {
      const token = sessionStorage.getItem(KEY);
      const answer = await send(path, options, token);
      if (answer.ok) return answer;
      if (answer.status !== 401) throw await problem(answer);
      if (sessionStorage.getItem(KEY) !== token) continue; // another question has brought one
      sessionStorage.removeItem(KEY);
      const message = token ? "That is not its token." : "The server asks for its token.";
      sessionStorage.setItem(KEY, await this.#ask(message));
    }
  }
}

async function send(path, options, token) {
  // What no header can hold is no token.
  const headers = token && /^[!-~]+$/.test(token) ? { Authorization: `Bearer ${token}` } : {};
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    return await fetch(address(path), { ...options, headers, signal });
  } catch {
    throw again("The server does not answer. See whether it is still running, then try again.");
  }
}

async function problem(answer) {
  const said = await answer.json().then((body) => body.error?.message, () => null);
  const message = said ? said[0].toUpperCase() + said.slice(1) : `The server answered ${answer.status}.`;
  if (answer.status !== 503) return Object.assign(new Error(message), { status: answer.status });
  const seconds = Number(answer.headers.get("Retry-After")) || 1;
  return again(`The server is busy. Try again in ${seconds === 1 ? "a second" : `${seconds} seconds`}.`);
}

const again = (message) => Object.assign(new Error(message), { again: true });
