// The answers of the hub and of the agent: JSON, or nothing.

/**
 * What the answer says; `{}` for a refusal without words. Rejects when anything else was cut off on its way.
 * @param {Response} response
 * @returns {Promise<any>}
 */
export async function answerOf(response) {
  return response.ok ? response.json() : response.json().catch(() => ({}));
}
