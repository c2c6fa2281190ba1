// The course of a visit: which screen follows which. Drawing is in `screens/`, asking in `agent.js`.
//
//   idle → (card) → choose → [form] → pin → working → result → … → ended → idle
//                                        ↘ problem ↗

import { AgentProblem } from "./agent.js";
import { theAgent } from "./connection.js";
import { notedResult } from "./noted.js";
import { causeOfSilence } from "./permission.js";
import { now, redraw, update } from "./store.js";
import { currentLanguage } from "./texts.js";

/** After these the PIN may be typed again. */
const PIN_AGAIN = new Set(["pin_wrong", "last_attempt", "pin_format"]);

/** The refusal after which an action that concerns nobody is noted by the terminal, to be sent later. */
const HUB_AWAY = "hub_unreachable";

/** The screen for a card that has been put in: the page of a card counter or of a gate has one of its own. */
const WITH_CARD = document.body.dataset.mode ?? "choose";

/** Grows whenever a visit begins or ends: an answer that was asked for in an earlier turn must not be shown. */
let turn = 0;

/** @param {import("./store.js").Screen} screen */
export function show(screen) {
  update({ screen });
}

/**
 * The page cannot work yet; `kind` says why.
 * @param {string} kind
 * @param {import("./agent.js").Problem} [problem]
 */
export function setUp(kind, problem) {
  const same = now().screen.name === "setup" && now().screen.kind === kind && !problem;
  if (same) return;
  turn += 1;
  update({ screen: { name: "setup", kind, problem }, visit: null });
}

/** The screen that fits when nobody is in the middle of something. */
export async function rest() {
  const reader = now().status?.reader;
  if (reader?.problem) return setUp("problem", reader.problem);
  if (reader?.card_present) return cardCame();
  turn += 1;
  update({ screen: { name: "idle" }, visit: null });
}

/** A card has been put in. */
export async function cardCame() {
  if (now().screen.name === "working") return;
  turn += 1;
  update({ screen: { name: WITH_CARD }, visit: null, evidence: null });
}

/** The card has been taken out: whatever was on the screen is over. */
export async function cardLeft() {
  const { name } = now().screen;
  if (name === "working") return;
  if (name === "idle" || name === WITH_CARD) return rest();
  turn += 1;
  update({ screen: { name: "ended", reason: now().screen.reason ?? "removed" }, visit: null });
}

/** @param {"finished"|"idle"} reason */
export function finish(reason) {
  turn += 1;
  update({ screen: { name: "ended", reason }, visit: null });
}

/**
 * The service and the action of these names, as the hub describes them at the moment.
 * @param {{service: string, action: string}} choice
 */
export function describe(choice) {
  const service = now().services.find((one) => one.service === choice.service);
  const action = service?.actions.find((one) => one.name === choice.action);
  return { service, action };
}

/**
 * The visitor chose an action: ask for its fields, then for the PIN.
 * @param {{service: string, action: string}} choice
 */
export async function begin(choice) {
  const { action } = describe(choice);
  if (action?.fields.length) return show({ name: "form", choice, values: {} });
  return goOn(choice, {});
}

/**
 * The fields are filled in.
 * @param {{service: string, action: string}} choice
 * @param {Record<string, string>} input
 */
export async function goOn(choice, input) {
  const { service, action } = describe(choice);
  if (action?.subject === "none" || action?.subject === "visit") return act(choice, input);
  if (!now().status?.reader?.card_present) return show({ name: "problem", choice, problem: { code: "no_card" } });
  if (service && !service.needs.includes("authentication-pin")) return tap(choice, input, null, false);
  return askPin(choice, input);
}

/**
 * Ask the card how many tries are left before asking the person.
 * @param {{service: string, action: string}} choice
 * @param {Record<string, string>} input
 * @param {import("./agent.js").Problem} [problem] what was wrong with the PIN before
 */
export async function askPin(choice, input, problem) {
  show({ name: "working", doing: "card" });
  const card = await asked(choice, () => theAgent().card());
  if (!card) return;
  const pin = card.pins?.authentication ?? null;
  if (pin?.blocked) return show({ name: "problem", choice, problem: { code: "pin_blocked" } });
  show({ name: "pin", choice, input, left: pin?.attempts_remaining ?? null, problem });
}

/**
 * The tap itself.
 * @param {{service: string, action: string}} choice
 * @param {Record<string, string>} input
 * @param {string|null} pin
 * @param {boolean} allowLast true after the person confirmed the last try
 */
export async function tap(choice, input, pin, allowLast) {
  show({ name: "working", doing: "tap" });
  const request = { ...choice, input, pin, allow_last_attempt: allowLast };
  const outcome = await asked(choice, () => theAgent().tap(request));
  request.pin = null;
  if (!outcome) return;
  keepEvidence(outcome);
  if (outcome.state === "done") return finishTap(choice, outcome);
  return refusedTap(choice, input, outcome);
}

/**
 * @param {{service: string, action: string}} choice
 * @param {import("./agent.js").Outcome} outcome
 */
function finishTap(choice, outcome) {
  const visit = outcome.result.visit ? { service: choice.service, ...outcome.result.visit } : null;
  update({ visit });
  if (WITH_CARD === "cards" && visit) return show({ name: WITH_CARD, visit });
  const again = () => theAgent().tapAgain(outcome.tap_id ?? "");
  show({ name: "result", choice, result: outcome.result, lang: currentLanguage(), again });
}

/**
 * Read the answer on the screen again in the language of the moment. Where that fails it stays as it is.
 * @returns {Promise<void>}
 */
export async function reword() {
  const { screen } = now();
  if (screen.name !== "result" || !screen.again) return;
  const language = currentLanguage();
  const answer = await screen.again().catch(() => null);
  if (now().screen !== screen || currentLanguage() !== language || answer?.state !== "done") return;
  Object.assign(screen, { result: { ...screen.result, ...answer.result }, lang: language });
  redraw();
}

/**
 * @param {{service: string, action: string}} choice
 * @param {Record<string, string>} input
 * @param {import("./agent.js").Outcome} outcome
 */
function refusedTap(choice, input, outcome) {
  const problem = outcome.problem ?? {};
  const code = problem.code ?? "";
  if (PIN_AGAIN.has(code) && !outcome.card?.blocked) return askPin(choice, input, problem);
  show({ name: "problem", choice, problem, lang: currentLanguage() });
}

/**
 * An action without card: within the visit, or one that concerns nobody.
 * @param {{service: string, action: string}} choice
 * @param {Record<string, string>} input
 */
export async function act(choice, input) {
  const before = now().screen;
  const visit = now().visit;
  const request = { ...choice, input, request_id: crypto.randomUUID(), ...(visit && { visit_id: visit.id }) };
  const outcome = await asked(choice, () => theAgent().act(request));
  if (!outcome) return;
  keepEvidence(outcome);
  if (outcome.problem?.code === HUB_AWAY && describe(choice).action?.offline && (await noted(choice, input))) {
    return show(notedScreen(choice, input, Boolean(visit)));
  }
  if (outcome.state !== "done") {
    return show({ name: "problem", choice, problem: outcome.problem ?? {}, lang: currentLanguage() });
  }
  show(nextResult(before, choice, outcome.result, () => theAgent().act(request)));
}

/**
 * Have the terminal note an action; false where it keeps no queue.
 * @param {{service: string, action: string}} choice
 * @param {Record<string, string>} input
 */
async function noted(choice, input) {
  try {
    await theAgent().record({ ...choice, input });
    return true;
  } catch {
    return false; // the hub's absence is then the answer
  }
}

/**
 * @param {{service: string, action: string}} choice
 * @param {Record<string, string>} input
 * @param {boolean} desk
 */
function notedScreen(choice, input, desk) {
  const result = () => notedResult(describe(choice).action, input);
  const again = async () => ({ state: "done", result: result() });
  return { name: "result", choice, result: result(), lang: currentLanguage(), desk, again };
}

/**
 * A refused action keeps what was on the screen, so that the desk can go on with the next item.
 * @param {import("./store.js").Screen} before
 * @param {{service: string, action: string}} choice
 * @param {any} result
 * @param {() => Promise<any>} again asks for the same answer in another language
 */
function nextResult(before, choice, result, again) {
  const visit = now().visit;
  if (result.visit) update({ visit: { service: choice.service, ...result.visit } });
  const refused = visit && before.name === "result" && result.outcome !== "done";
  const shown = { name: "result", choice, lang: currentLanguage(), desk: Boolean(visit) };
  if (!refused) return { ...shown, result, again };
  const underneath = before.underneath ?? before.again; // asks for what the screen showed before the first refusal
  return { ...shown, result: overlaid(result, before.result), again: () => bothAgain(again, underneath), underneath };
}

/**
 * A refusal over the answer that it leaves on the screen.
 * @param {any} refusal
 * @param {any} kept
 */
function overlaid(refusal, kept) {
  return { ...refusal, view: refusal.view?.length ? refusal.view : kept.view, offers: kept.offers };
}

/**
 * @param {() => Promise<any>} again
 * @param {() => Promise<any>} underneath
 */
async function bothAgain(again, underneath) {
  const [answer, before] = await Promise.all([again(), underneath()]);
  if (answer?.state !== "done" || before?.state !== "done") return answer;
  return { ...answer, result: overlaid(answer.result, before.result) };
}

/**
 * Ask the agent. A failure becomes the problem screen and `null`; an answer that comes after the visit is dropped.
 * @template T
 * @param {{service: string, action: string}} choice
 * @param {() => Promise<T>} question
 * @returns {Promise<T|null>}
 */
async function asked(choice, question) {
  const mine = turn;
  try {
    const answer = await question();
    return mine === turn ? answer : null;
  } catch (error) {
    if (mine !== turn) return null;
    if (error instanceof AgentProblem) show({ name: "problem", choice, problem: error.problem, lang: currentLanguage() });
    else setUp(await causeOfSilence());
    return null;
  }
}

/** @param {import("./agent.js").Outcome} outcome */
function keepEvidence(outcome) {
  const evidence = outcome.result?.evidence ?? outcome.problem?.evidence ?? {};
  const before = outcome.trace ? null : now().evidence; // an action within a visit rests on the tap before it
  const trace = outcome.trace ?? before?.trace ?? [];
  const checks = evidence.checks?.length ? evidence.checks : (before?.checks ?? []);
  const code = outcome.problem?.code ?? outcome.result?.code ?? null;
  update({ evidence: { trace, checks, audit: evidence.audit ?? null, code } });
}
