// Following a card writing or a tap of the agent to its end. What the screens show of it is theirs.

import { AgentProblem } from "../agent.js";
import { theAgent } from "../connection.js";

const LOOK_EVERY_MS = 120;

/**
 * @typedef {object} Job
 * @property {string} [writing_id]
 * @property {"running"|"approval"|"done"|"unknown"|"refused"|"quarantined"|"failed"} state
 * @property {string[]} [plan]
 * @property {number} [steps_done]
 * @property {any} [card]
 * @property {any} [result]
 * @property {import("../agent.js").Problem|null} [problem]
 */

/**
 * Begin something and follow it; `seen` hears of every state. Resolves with the last one.
 * @param {() => Promise<Job>} begin
 * @param {(job: Job) => void} seen
 * @returns {Promise<Job>}
 */
export async function follow(begin, seen) {
  try {
    let job = await begin();
    seen(job);
    while (job.state === "running") {
      await new Promise((later) => window.setTimeout(later, LOOK_EVERY_MS));
      job = await theAgent().writing(job.writing_id ?? "");
      seen(job);
    }
    return job;
  } catch (error) {
    if (!(error instanceof AgentProblem)) throw error;
    const job = { state: /** @type {const} */ ("failed"), problem: error.problem };
    seen(job);
    return job;
  }
}
