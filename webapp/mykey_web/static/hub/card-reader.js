// The panel in which a card is read: agent, card, PIN, signature. What is signed and what follows is the caller's.

import { Agent, AgentProblem, AgentUnreachable } from "../point/agent.js";
import { announce } from "../point/announce.js";
import { button, byId, el } from "../point/dom.js";
import { causeOfSilence, obstacleAhead } from "../point/permission.js";
import { pinPad } from "../point/pinpad.js";
import { keepPairingToken, pairingToken, rememberAgent, rememberedAgent, takeInvitation, validPort } from "../point/session.js";
import { localised, t as pointText, useLanguage } from "../point/texts.js";
import { problemWords } from "../point/wording.js";

const LOOK_EVERY_MS = 1_000;
const RETRY_EVERY_MS = 3_000;
const UNPAIRED = new Set(["agent_not_paired", "agent_pairing_code", "agent_rate_limited"]);
/** The sample cards of the demo's own staff: first on the page where staff sign in. */
const STAFF_CARDS = ["long-name", "foreign-name", "blocked-text"];
const PIN = /^[0-9]{4}$/;

/** @type {Record<string, string>} */
let texts = {};
/** @type {Agent|null} */
let agent = null;
let watching = 0;
/** @type {{agent: number|null, code: string|null}} how this page was told of the agent: kept while the browser asks */
let invitedBy = { agent: null, code: null };

/**
 * @typedef {object} Errand
 * @property {() => Promise<{id: string, nonce: string, origin: string}>} challenge asked for when the PIN has been typed
 * @property {(id: string, token: any, insertion?: string|null) => Promise<void>} proved with the id of the card's insertion
 * @property {(reader: any) => void} [found] a card is there, and its PIN will be asked for
 * @property {(problem: any) => void} [failed]
 * @property {string} [pinTitle] who types the PIN, where it is not the one who reads the page
 * @property {string} [go] what the button below the PIN says, where nobody signs in by it
 * @property {boolean} [otherFirst] the card that lies in the reader is not the one: it has to be taken out first
 */

/** @param {string} key @param {Record<string, string|number>} [values] */
export function say(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export async function loadWords() {
  const language = document.documentElement.lang;
  const address = String(document.body.dataset.portalTexts).replace("LANG", language);
  const response = await fetch(address, { credentials: "same-origin" });
  texts = await response.json();
  await useLanguage(language);
}

/**
 * Show one state of the panel, and say it.
 * @param {string} title
 * @param {(Node|string|null|undefined|false)[]} body
 * @param {HTMLElement|null} [focus]
 */
export function show(title, body, focus = null) {
  const heading = el("h2", { id: "panel-title", tabindex: "-1" }, title);
  byId("panel").replaceChildren(heading, ...body.filter((one) => one !== false && one !== null && one !== undefined));
  (focus ?? heading).focus();
  announce(title);
}

/** The fragment may name the agent; a code of a hand-over in it stays for the caller. */
export function invitation() {
  return takeInvitation();
}

/** @param {Errand} errand @param {{agent: number|null, code: string|null}} invited */
export async function readCard(errand, invited) {
  window.clearTimeout(watching);
  invitedBy = invited;
  if (!invited.agent) return pairing(errand);
  agent = new Agent(invited.agent, pairingToken(), () => document.documentElement.lang);
  const obstacle = await obstacleAhead();
  if (obstacle) showCause(obstacle, errand); // the browser may wait for an answer to its question: say so meanwhile
  try {
    if (invited.code) keepPairingToken(await agent.pair(invited.code));
    invitedBy = { agent: invited.agent, code: null }; // a code is good once
    if (!agent.token) return pairing(errand);
    return await (errand.otherFirst ? takenOut(errand, "") : look(errand, ""));
  } catch (error) {
    return trouble(error, errand);
  }
}

/** Wait until the card that was there has gone, so that its PIN is never asked for. @param {Errand} errand @param {string} shown */
async function takenOut(errand, shown) {
  window.clearTimeout(watching);
  const status = await theAgent().status();
  if (!status.reader?.card_present) {
    errand.otherFirst = false;
    return look(errand, "");
  }
  if (shown !== "take-out") {
    const virtual = status.reader?.kind === "virtual";
    const out = () => theAgent().insert(null).then(() => takenOut(errand, "take-out")).catch((error) => trouble(error, errand));
    show(say("sign_in.take_out"), [
      el("p", {}, say("sign_in.take_out_text")),
      virtual && el("div", { class: "buttons" }, button(say("sign_in.take_out_virtual"), out, { class: "button button--primary", id: "take-out" })),
    ]);
  }
  watching = window.setTimeout(() => takenOut(errand, "take-out").catch((error) => trouble(error, errand)), LOOK_EVERY_MS);
}

/** Wait for a card. @param {Errand} errand @param {string} shown what the panel shows now */
async function look(errand, shown) {
  window.clearTimeout(watching);
  const status = await theAgent().status();
  const tray = status.reader?.kind === "virtual" ? await theAgent().tray() : null;
  if (status.reader?.problem) {
    const code = status.reader.problem.code;
    if (shown !== code) problem(status.reader.problem, null);
    return again(() => look(errand, code));
  }
  if (status.reader?.card_present) {
    errand.found?.(status.reader);
    return askPin(errand);
  }
  if (shown !== "waiting") show(say("sign_in.place_card"), [el("p", {}, say("sign_in.place_card_text")), trayOf(tray, errand)]);
  return again(() => look(errand, "waiting"));

  /** @param {() => Promise<any>} next */
  function again(next) {
    watching = window.setTimeout(() => next().catch((error) => trouble(error, errand)), LOOK_EVERY_MS);
  }
}

/** The cards of the virtual reader, which the demo has. @param {any} tray @param {Errand} errand */
function trayOf(tray, errand) {
  if (!tray) return null;
  const first = document.body.dataset.audience === "staff" ? STAFF_CARDS : [];
  const named = (/** @type {string} */ name) => tray.cards.filter((/** @type {any} */ card) => card.name === name);
  const others = tray.cards.filter((/** @type {any} */ card) => !first.includes(card.name));
  const cards = [...first.flatMap(named), ...others].map((card) => cardButton(card, errand));
  return el("div", { class: "stack" }, el("p", { class: "soft" }, say("sign_in.tray")), el("div", { class: "tray" }, ...cards));
}

/** @param {any} card @param {Errand} errand */
function cardButton(card, errand) {
  return button(trayWords(card), () => insert(card.name, errand), { class: "button button--small", data: { card: card.name } });
}

/** A sample card's name and its own PIN. @param {any} card */
function trayWords(card) {
  const title = localised(card.title);
  const pin = card.pin && el("span", { class: "tray__pin" }, pointText("page.tray.pin", { pin: card.pin }));
  return el("span", {}, el("span", { class: "tray__title", lang: title.lang }, title.text), pin);
}

/** @param {string} card @param {Errand} errand */
async function insert(card, errand) {
  try {
    await theAgent().insert(card);
    await look(errand, "waiting");
  } catch (error) {
    trouble(error, errand);
  }
}

/** @param {Errand} errand @param {any} [refused] the problem of an earlier try */
async function askPin(errand, refused) {
  window.clearTimeout(watching);
  try {
    const card = await theAgent().card();
    if (!card.present) return await look(errand, "");
    pinForm(errand, card.pins.authentication, refused);
  } catch (error) {
    trouble(error, errand);
  }
}

/** @param {Errand} errand @param {{attempts_remaining: number|null, blocked: boolean}} pin @param {any} refused */
function pinForm(errand, pin, refused) {
  if (pin.blocked) return problem({ code: "pin_blocked" }, () => readAgain(errand));
  const left = pin.attempts_remaining;
  const field = /** @type {HTMLInputElement} */ (
    el("input", { id: "pin", class: "input", type: "password", inputmode: "none", maxlength: 4, autocomplete: "off", "aria-describedby": "pin-tries pin-error" })
  );
  const agreed = left === 1 ? /** @type {HTMLInputElement} */ (el("input", { type: "checkbox", id: "last-try" })) : null;
  const error = el("p", { class: "field__error", id: "pin-error", role: "alert" });
  const submit = () => {
    const wrong = !PIN.test(field.value) ? pointText("page.pin.four_digits") : agreed && !agreed.checked ? pointText("page.pin.agree_first") : "";
    error.textContent = wrong;
    if (wrong) return;
    const digits = field.value;
    field.value = "";
    sign(errand, digits, agreed !== null);
  };
  field.addEventListener("keydown", (event) => event.key === "Enter" && submit());
  const words = refused ? problemWords(refused, { attempts: left ?? "?" }) : null;
  const entry = el(
    "div",
    { class: "stack" },
    el("label", { class: "field__label", for: "pin" }, pointText("page.pin.label")),
    field,
    error,
    el("div", { class: "buttons" },
      button(errand.go ?? say("sign_in.go"), submit, { class: "button button--primary button--large", id: "pin-ok" }),
      button(pointText("page.form.back"), () => readAgain(errand), { class: "button button--large" })),
  );
  show(
    errand.pinTitle ?? pointText("page.pin.title"),
    [
      words && el("p", { class: "notice notice--refused" }, `${words.title} ${words.text}`),
      el("p", { id: "pin-tries" }, left === null ? pointText("page.pin.tries_unknown") : pointText("page.pin.tries", { attempts: left })),
      agreed && el("div", { class: "notice notice--warning" }, el("p", {}, pointText("page.pin.last_try")),
        el("div", { class: "check" }, agreed, el("label", { for: "last-try" }, pointText("page.pin.last_try_agree")))),
      el("div", { class: "split" }, entry, pinPad(field, submit)),
      el("p", { class: "small soft" }, pointText("page.pin.privacy")),
    ],
    field,
  );
}

/** Take the virtual card out, or wait until the real one has gone. @param {Errand} errand */
async function readAgain(errand) {
  try {
    const status = await theAgent().status();
    if (status.reader?.kind === "virtual") await theAgent().insert(null);
    await look(errand, "");
  } catch (error) {
    trouble(error, errand);
  }
}

/** @param {Errand} errand @param {string} pin @param {boolean} lastTry */
async function sign(errand, pin, lastTry) {
  show(say("sign_in.working"), [el("p", {}, say("sign_in.working_text"))]);
  try {
    const { id, nonce } = await errand.challenge();
    const body = { nonce, pin, allow_last_attempt: lastTry };
    const answer = await theAgent().send("POST", "/sign-ins", body, 60_000);
    if (answer.state !== "done") return askAgain(errand, answer.problem);
    await errand.proved(id, answer.token, answer.insertion);
  } catch (error) {
    trouble(error, errand);
  }
}

/** @param {Errand} errand @param {any} refused */
function askAgain(errand, refused) {
  if (["pin_wrong", "last_attempt", "pin_format"].includes(refused.code)) return askPin(errand, refused);
  return problem(refused, () => readAgain(errand));
}

/** @param {any} found @param {(() => void)|null} retry */
export function problem(found, retry) {
  const words = problemWords(found);
  show(words.title, [
    el("div", { class: "notice notice--refused" }, el("p", {}, words.text), el("p", {}, words.what_to_do)),
    found.code && el("p", { class: "small soft" }, pointText("page.code"), " ", el("code", {}, found.code)),
    retry && el("div", { class: "buttons" }, button(say("sign_in.again"), retry, { class: "button button--primary" })),
  ]);
}

/** @param {unknown} error @param {Errand} errand */
async function trouble(error, errand) {
  window.clearTimeout(watching);
  if (error instanceof AgentProblem && UNPAIRED.has(error.problem.code ?? "")) {
    keepPairingToken(null);
    return pairing(errand, error.problem);
  }
  if (error instanceof AgentUnreachable) return silent(errand);
  const found = error instanceof AgentProblem ? error.problem : /** @type {any} */ (error).problem;
  if (!found) throw error;
  problem(found, () => readAgain(errand));
}

/** No answer: say why, and look again by itself. @param {Errand} errand */
async function silent(errand) {
  showCause(await causeOfSilence(), errand);
  watching = window.setTimeout(() => readCard(errand, invitedBy), RETRY_EVERY_MS);
}

/** @param {import("../point/permission.js").Cause} cause @param {Errand} errand */
function showCause(cause, errand) {
  if (document.getElementById("panel")?.dataset.cause === cause && document.getElementById("cause")) return;
  const word = (/** @type {string} */ part) =>
    cause === "agent_missing" ? say(`sign_in.agent_missing.${part}`, { hub: location.origin }) : pointText(`page.setup.${cause}.${part}`);
  show(word("title"), [
    el("div", { class: "notice notice--warning", id: "cause" }, el("p", {}, word("text")), el("p", {}, word("what_to_do"))),
    el("p", { class: "soft" }, pointText("page.setup.waiting")),
    el("div", { class: "buttons" }, button(say("sign_in.again"), () => readCard(errand, invitedBy), { class: "button" })),
  ]);
  byId("panel").dataset.cause = cause;
}

/** Name the agent by hand: its port and the code that it shows. @param {Errand} errand @param {any} [refused] */
function pairing(errand, refused) {
  const port = input("agent-port", "page.setup.port", String(rememberedAgent()), "numeric");
  const code = input("pairing-code", "page.setup.code", "", "text");
  const error = el("p", { class: "field__error", role: "alert" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const number = validPort(port.field.value.trim());
    const complete = number !== null && code.field.value.trim() !== "";
    error.textContent = complete ? "" : pointText("page.setup.pair_incomplete");
    if (!complete || number === null) return;
    rememberAgent(number);
    readCard(errand, { agent: number, code: code.field.value.trim() });
  };
  const words = refused ? problemWords(refused) : null;
  show(say("sign_in.pair"), [
    words && el("p", { class: "notice notice--refused" }, `${words.title} ${words.text}`),
    el("p", {}, say("sign_in.pair_text")),
    el("form", { class: "form", novalidate: true, on: { submit } }, code.row, port.row, error,
      el("div", { class: "buttons" }, el("button", { type: "submit", class: "button button--primary" }, pointText("page.setup.pair")))),
  ], code.field);
}

/** @param {string} id @param {string} label @param {string} value @param {string} inputmode */
function input(id, label, value, inputmode) {
  const field = /** @type {HTMLInputElement} */ (el("input", { id, class: "input", type: "text", inputmode, autocomplete: "off", spellcheck: "false" }));
  field.value = value;
  return { field, row: el("div", { class: "field" }, el("label", { class: "field__label", for: id }, pointText(label)), field) };
}

function theAgent() {
  if (!agent) throw new Error("no agent has been named yet");
  return agent;
}
