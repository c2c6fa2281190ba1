// Keeping in touch with the agent: pairing, the first questions, and looking every second whether the card is there.
// What the page does about a card that came or went is the business of `flow.js`.

import { Agent, AgentProblem, AgentUnreachable } from "./agent.js";
import { cardCame, cardLeft, rest, setUp, show } from "./flow.js";
import { causeOfSilence, obstacleAhead } from "./permission.js";
import { keepPairingToken, pairingToken, rememberAgent, takeEnd } from "./session.js";
import { now, subscribe, update } from "./store.js";
import { currentLanguage } from "./texts.js";

const LOOK_EVERY_MS = 1_000;
const TO_READ_MS = 6_000;
/** After these the page has to be paired anew. */
const UNPAIRED = new Set(["agent_not_paired", "agent_pairing_code", "agent_rate_limited"]);

/** @type {Agent|null} */
let agent = null;
let watching = 0;
/** Looks in a row that got no answer: one alone does not end a visit. */
let missed = 0;

/** @type {string|undefined} */
let openVisit;

// Whatever ends a visit on the page (card taken out, finished, idle) ends it at the hub, too. Should this call be
// lost, the hub ends the visit after ten minutes.
subscribe((changed) => {
  if (!changed.has("visit")) return;
  const id = now().visit?.id;
  if (openVisit && openVisit !== id) agent?.endVisit(openVisit).catch(() => undefined);
  openVisit = id;
});

/** The client of the paired agent. Screens that need it are shown only after pairing. */
export function theAgent() {
  if (!agent) throw new Error("no agent has been named yet");
  return agent;
}

/**
 * Pair if there is a code, ask what is there, then keep watching.
 * @param {import("./session.js").Invitation} invitation
 * @returns {Promise<void>}
 */
export async function connect(invitation) {
  window.clearTimeout(watching);
  if (!invitation.agent) return setUp("not_paired");
  agent = new Agent(invitation.agent, pairingToken(), currentLanguage);
  const obstacle = await obstacleAhead();
  if (obstacle) setUp(obstacle); // the browser may wait for an answer to its question: say so meanwhile
  try {
    if (invitation.code) keepPairingToken(await agent.pair(invitation.code));
  } catch (error) {
    if (!(error instanceof AgentProblem && agent.token)) return failed(error, () => connect(invitation));
  }
  if (!agent.token) return setUp("not_paired");
  return begin();
}

/**
 * Try the port and the code that a person typed.
 * @param {number} port
 * @param {string} code
 */
export function connectByHand(port, code) {
  rememberAgent(port);
  return connect({ agent: port, code });
}

/** Ask everything that the page needs, show the first screen, and start watching. */
async function begin() {
  window.clearTimeout(watching);
  try {
    const status = await theAgent().status();
    update({ status, tray: await trayOf(status) });
    update(await offered());
    await rest();
    if (takeEnd() && !status.reader?.card_present) show({ name: "ended", reason: "removed" });
  } catch (error) {
    return failed(error, begin);
  }
  watch();
}

/** @param {any} status */
async function trayOf(status) {
  return status.reader?.kind === "virtual" ? theAgent().tray() : null;
}

/** What the hub offers here, and what it calls this place, in the language of the moment. */
async function offered() {
  const { services, municipality, service_point } = await theAgent().services();
  return { services, place: municipality && service_point ? { municipality, service_point } : null };
}

/** Ask the hub for its services again, because their titles depend on the language. */
export async function reloadServices() {
  if (!agent?.token || !now().status) return;
  try {
    update(await offered());
  } catch {
    // The titles stay in the former language; the next tap says what is wrong with the hub.
  }
}

/**
 * Put a virtual card into the virtual reader, or take it out (null), and look at once.
 * @param {string|null} card
 */
export async function insert(card) {
  window.clearTimeout(watching);
  try {
    await theAgent().insert(card);
  } catch (error) {
    return failed(error, begin, inOtherReader(error) ? TO_READ_MS : undefined);
  }
  return look();
}

/** Nothing is wrong with this reader, which is empty now. @param {unknown} error */
function inOtherReader(error) {
  return error instanceof AgentProblem && error.problem.code === "card_in_use";
}

function watch() {
  window.clearTimeout(watching);
  watching = window.setTimeout(look, LOOK_EVERY_MS);
}

/** One look at the reader. */
async function look() {
  window.clearTimeout(watching);
  try {
    const status = await theAgent().status();
    const tray = now().tray && (await theAgent().tray());
    missed = 0;
    await compare(status, tray);
  } catch (error) {
    missed += 1;
    if (missed > 1 || !(error instanceof AgentUnreachable)) return failed(error, begin);
  }
  watch();
}

/**
 * @param {any} status
 * @param {any} tray
 */
async function compare(status, tray) {
  const before = { card: cardOf(now().status, now().tray), trouble: troubleOf(now().status) };
  const card = cardOf(status, tray);
  if (JSON.stringify([status, tray]) !== JSON.stringify([now().status, now().tray])) update({ status, tray });
  if (before.trouble !== troubleOf(status)) return rest();
  if (before.card === card) return undefined;
  return card ? cardCame() : cardLeft();
}

/**
 * What tells one inserted card from the next, also when two quick hands exchange them between two looks.
 * @param {any} status
 * @param {any} tray
 */
function cardOf(status, tray) {
  if (!status?.reader?.card_present) return null;
  return `${tray?.inserted ?? "card"} ${status.reader.movements ?? ""}`;
}

/** The code of what is wrong with the reader, or null. @param {any} status */
function troubleOf(status) {
  return status?.reader?.problem?.code ?? null;
}

/**
 * Say what is wrong and try again until it is right.
 * @param {unknown} error
 * @param {() => Promise<any>|undefined} again
 * @param {number} [pause] milliseconds
 */
async function failed(error, again, pause = 2 * LOOK_EVERY_MS) {
  if (error instanceof AgentUnreachable) {
    setUp(await causeOfSilence());
  } else if (error instanceof AgentProblem) {
    if (UNPAIRED.has(error.problem.code ?? "")) return unpaired(error);
    setUp("problem", error.problem);
  } else {
    throw error;
  }
  watching = window.setTimeout(again, pause);
}

/** @param {AgentProblem} error */
function unpaired(error) {
  keepPairingToken(null);
  if (agent) agent.token = null;
  setUp("not_paired", error.problem);
}
