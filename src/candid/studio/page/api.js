// Requests to the studio's server. Errors have the server's sentence as their message.

async function answer(response) {
  if (response.ok) return response;
  const body = await response.json().catch(() => null);
  const error = new Error(body?.error?.message ?? `the studio answered with ${response.status}.`);
  error.code = body?.error?.code ?? "";
  throw error;
}

const withQuery = (path, query) => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
};

async function ask(path, options = {}) {
  try {
    return await answer(await fetch(`/api/${path}`, { credentials: "same-origin", ...options }));
  } catch (error) {
    if (error instanceof TypeError) error.message = "the studio no longer answers; is its command still running?";
    throw error;
  }
}

// → parsed JSON
export const get = async (path, query = {}, options = {}) => (await ask(withQuery(path, query), options)).json();

// → ArrayBuffer
export const getBytes = async (path, query = {}) => (await ask(withQuery(path, query))).arrayBuffer();

// `body`: a value sent as JSON, or FormData
export async function post(path, body = {}, method = "POST") {
  const isForm = body instanceof FormData;
  const headers = isForm ? {} : { "Content-Type": "application/json" };
  return (await ask(path, { method, headers, body: isForm ? body : JSON.stringify(body) })).json();
}

export const remove = (path, body = {}) => post(path, body, "DELETE");

// Longest side 160, 320 or 1280 pixels. `version` changes with a photo's content.
export const pictureOf = (id, size = 160) => `/api/picture/${id}?size=${size}`;
