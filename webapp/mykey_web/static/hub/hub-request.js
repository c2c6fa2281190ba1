// Requests of a page to its own hub: JSON, with the token of the session's forms.

import { answerOf } from "./answer.js";

const AGAIN_AFTER_MS = [300, 1_500];

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
  return send(address, body, {});
}

/**
 * The same for an act: when the answer is lost on the way it is asked for again, and the hub does nothing twice.
 * @param {string} address
 * @param {Record<string, any>} body
 * @returns {Promise<any>}
 */
export async function act(address, body) {
  const key = { "Idempotency-Key": crypto.randomUUID() };
  for (const wait of AGAIN_AFTER_MS) {
    try {
      return await send(address, body, key);
    } catch (error) {
      if (/** @type {any} */ (error).problem?.code !== "hub_unreachable") throw error;
      await new Promise((later) => window.setTimeout(later, wait));
    }
  }
  return send(address, body, key);
}

/** @param {string} address @param {Record<string, any>} body @param {Record<string, string>} more headers */
async function send(address, body, more) {
  let response, answer;
  try {
    response = await fetch(address, {
      method: "POST",
      headers: { ...headers(), ...more },
      body: JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
    answer = await answerOf(response);
  } catch {
    throw new HubProblem({ code: "hub_unreachable" });
  }
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
