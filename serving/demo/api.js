// What the page asks the endpoint. Addresses are relative, so that the page works below any path.

const PATIENCE = 10_000; // milliseconds

/** Something that a visitor can be told in one sentence; `needsKey` where an API key would help. */
export class Problem extends Error {
  constructor(message, needsKey = false) {
    super(message);
    this.needsKey = needsKey;
  }
}

let apiKey = ""; // as long as the page is open

export function useKey(key) {
  apiKey = key;
}

/** Games whose titles look like the text: [{item_id, title}]. */
export async function search(text, signal) {
  const answer = await ask(`items?${new URLSearchParams({ query: text, limit: 8 })}`, { signal });
  return answer.items;
}

/** What every model says after the games with these ids, oldest first, of the games that pass the filters. */
export function compare(ids, k, filters, signal) {
  const headers = { "Content-Type": "application/json" };
  return ask("compare", { method: "POST", headers, body: JSON.stringify({ history: ids, k, filters }), signal });
}

/** Histories to start from: a list of lists of {item_id, title}. */
export async function examples(signal) {
  return (await ask("demo/examples", { signal })).examples;
}

/** What can be chosen: {fields: {name: {kind, values or least and greatest}}, reports: is there a page of them}. */
export function choices() {
  return ask("demo/choices");
}

async function ask(address, options = {}) {
  const signals = [AbortSignal.timeout(PATIENCE), ...(options.signal ? [options.signal] : [])];
  const headers = { ...options.headers, ...(apiKey ? { Authorization: `Bearer ${apiKey}` } : {}) };
  let response;
  try {
    response = await fetch(address, { ...options, headers, signal: AbortSignal.any(signals) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The endpoint does not answer.");
  }
  const body = await response.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    if (response.ok) throw new Problem("The answer of the endpoint cannot be read.");
    return {}; // the status says enough
  });
  if (response.status === 401) throw new Problem("This endpoint answers with an API key only.", true);
  if (!response.ok) throw new Problem(body.detail ?? `The endpoint answers with status ${response.status}.`);
  return body;
}
