// Requests of a page to its own hub: JSON, with the token of the session's forms.

/** The hub answered with a problem document. */
export class HubProblem extends Error {
  /** @param {any} problem */
  constructor(problem) {
    super(problem.code ?? "hub_unreachable");
    this.problem = problem;
  }
}

/**
 * @param {string} address
 * @param {Record<string, any>} body
 * @returns {Promise<any>}
 */
export async function ask(address, body) {
  let response;
  try {
    response = await fetch(address, {
      method: "POST",
      headers: headers(),
      body: JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
  } catch {
    throw new HubProblem({ code: "hub_unreachable" });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new HubProblem(answer);
  return answer;
}

function headers() {
  return {
    Accept: "application/json",
    "Accept-Language": document.documentElement.lang,
    "Content-Type": "application/json",
    "X-CSRF-Token": String(document.body.dataset.csrf),
  };
}
