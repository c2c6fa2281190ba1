// The forms of a card counter: a service's data, a deletion that must be confirmed, a second person, a release.

import { AgentProblem } from "../agent.js";
import { theAgent } from "../connection.js";
import { announce } from "../announce.js";
import { button, el } from "../dom.js";
import { goOn } from "../flow.js";
import { now, update } from "../store.js";
import { t } from "../texts.js";
import { problemWords } from "../wording.js";
import { inNameOfClerk } from "./clerk.js";

const EVIDENCE = ["card-examined", "terminal-fault", "key-restored", "card-restored"];
const NUMBERS = ["value", "rides", "period"];

/**
 * The data of one service, with a dry run beside the writing.
 * @param {any} desk
 * @param {(order: any) => void} order
 */
export function writeForm(desk, order) {
  const profile = desk.offer.profiles.find((/** @type {any} */ one) => one.plugin === desk.plugin) ?? desk.offer.profiles[0];
  if (!profile) return el("p", { class: "notice notice--warning" }, t("page.cards.no_profiles"));
  desk.plugin = profile.plugin;
  desk.typed ??= {};
  const send = (/** @type {boolean} */ dry) => order(orderOf(desk, profile, dry));
  return el(
    "form",
    { class: "form cards__form", novalidate: true, on: { submit: (/** @type {Event} */ event) => (event.preventDefault(), send(false)) } },
    el("h3", {}, t("page.cards.write_title", { service: profile.title })),
    desk.offer.profiles.length > 1 && choice(desk, profile),
    ...(visitFor(desk, profile) ? [el("p", { class: "notice notice--success", id: "for-person" }, t("page.cards.person_known"))] : typed(desk, profile)),
    el(
      "div",
      { class: "buttons" },
      button(t("page.cards.dry_run"), () => send(true), { class: "button button--large", id: "dry-run" }),
      el("button", { type: "submit", class: "button button--primary button--large", id: "write" }, t("page.cards.write")),
    ),
  );
}

/** The visit of the person whose data the plugin hands over, if there is one. @param {any} desk @param {any} profile */
function visitFor(desk, profile) {
  return profile.from_plugin && profile.services.includes(desk.visit?.service) ? desk.visit : null;
}

/** What the counter types in, or the way to what the plugin knows. @param {any} desk @param {any} profile */
function typed(desk, profile) {
  const fields = profile.fields.map((/** @type {any} */ field) => input(desk, field.name, field.title, kindOf(field.type)));
  const numbers = NUMBERS.map((name) => input(desk, `#${name}`, t(`page.cards.field.${name}`), "number"));
  const begins = el("fieldset", { class: "cards__numbers" }, el("legend", {}, t("page.cards.begins_with")), ...numbers);
  return [personButton(profile), ...fields, begins];
}

/** The person shows the card with the PIN; then the plugin hands the data over. @param {any} profile */
function personButton(profile) {
  const choices = now().services.flatMap((one) => one.actions.map((action) => ({ service: one.service, action: action.name, subject: action.subject })));
  const found = profile.from_plugin && choices.find((one) => profile.services.includes(one.service) && !["none", "visit"].includes(one.subject));
  if (!found) return null;
  return button(t("page.cards.ask_person"), () => goOn({ service: found.service, action: found.action }, {}), { class: "button button--large", id: "ask-person" });
}

/** @param {any} desk @param {any} profile */
function choice(desk, profile) {
  const options = desk.offer.profiles.map((/** @type {any} */ one) => el("option", { value: one.plugin, selected: one === profile }, one.title));
  const pick = (/** @type {Event} */ event) => {
    desk.plugin = /** @type {HTMLSelectElement} */ (event.target).value;
    update({ screen: now().screen });
    document.getElementById("profile")?.focus();
  };
  const list = el("select", { id: "profile", class: "input", on: { change: pick } }, ...options);
  return el("div", { class: "field" }, el("label", { for: "profile", class: "field__label" }, t("page.cards.service")), list);
}

/** @param {string} type */
function kindOf(type) {
  return type === "date" ? "date" : type === "integer" ? "number" : "text";
}

/** @param {any} desk @param {string} name @param {string} label @param {string} type */
function input(desk, name, label, type) {
  const id = `card-${name.replace("#", "begin-")}`;
  const keep = (/** @type {Event} */ event) => (desk.typed[name] = /** @type {HTMLInputElement} */ (event.target).value);
  const field = /** @type {HTMLInputElement} */ (el("input", { id, class: "input", type, min: type === "number" && "0", autocomplete: "off", on: { input: keep } }));
  field.value = desk.typed[name] ?? "";
  return el("div", { class: "field" }, el("label", { for: id, class: "field__label" }, label), field);
}

/** @param {any} desk @param {any} profile @param {boolean} dry */
function orderOf(desk, profile, dry) {
  const visit = visitFor(desk, profile);
  if (visit) return { operation: "write", plugin: profile.plugin, visit_id: visit.id, dry_run: dry };
  /** @type {Record<string, string|number>} */
  const values = {};
  for (const field of profile.fields) {
    const typed = desk.typed[field.name] ?? "";
    if (typed !== "") values[field.name] = field.type === "integer" ? Number(typed) : typed;
  }
  const numbers = Object.fromEntries(NUMBERS.map((name) => [name, Math.trunc(Number(desk.typed[`#${name}`] || 0))]));
  return { operation: "write", plugin: profile.plugin, values, ...numbers, dry_run: dry };
}

/**
 * A deletion, of one service or of all of this town: money on it must have been given back.
 * @param {{operation: "delete"|"move-out", plugin?: string}} what
 * @param {(order: any) => void} order
 */
export function deleteForm(what, order) {
  const id = `refunded-${what.operation}`;
  const box = /** @type {HTMLInputElement} */ (el("input", { type: "checkbox", id }));
  const go = () => order({ ...what, with_value: box.checked });
  return el(
    "div",
    { class: "notice notice--warning cards__delete" },
    el("p", {}, t(`page.cards.confirm.${what.operation}`)),
    el("div", { class: "check" }, box, el("label", { for: id }, t("page.cards.refunded"))),
    el("div", { class: "buttons" }, button(t(`page.cards.do.${what.operation}`), go, { class: "button", id: `confirm-${what.operation}` })),
  );
}

/** A second person approves what another terminal has begun. */
export function approvalForm() {
  const field = /** @type {HTMLInputElement} */ (el("input", { id: "approve-id", class: "input", type: "text", autocomplete: "off", spellcheck: "false" }));
  const said = el("p", { role: "status", id: "approve-said" });
  const go = () => tell(said, async () => theAgent().writingStep(field.value.trim() || "000", "approval", await inNameOfClerk({})), "page.cards.approved");
  return el(
    "div",
    { class: "field" },
    el("label", { for: "approve-id", class: "field__label" }, t("page.cards.approve")),
    field,
    el("div", { class: "buttons" }, button(t("page.cards.approve_do"), go, { class: "button", id: "approve" })),
    said,
  );
}

/** @param {string} writing @param {() => void} again */
export function releaseForm(writing, again) {
  const options = EVIDENCE.map((word) => el("option", { value: word }, t(`page.cards.evidence.${word}`)));
  const list = /** @type {HTMLSelectElement} */ (el("select", { id: "evidence", class: "input" }, ...options));
  const said = el("p", { role: "status" });
  const go = async () => {
    const answer = await tell(said, async () => theAgent().writingStep(writing, "release", await inNameOfClerk({ evidence: list.value })), "page.cards.release_asked");
    if (answer?.state === "released") again();
  };
  return el(
    "div",
    { class: "field" },
    el("label", { for: "evidence", class: "field__label" }, t("page.cards.release")),
    list,
    el("div", { class: "buttons" }, button(t("page.cards.release_do"), go, { class: "button", id: "release" })),
    said,
  );
}

/** @param {HTMLElement} place @param {() => Promise<any>} question @param {string} key */
async function tell(place, question, key) {
  try {
    const answer = await question();
    place.textContent = t(key);
    return answer;
  } catch (error) {
    if (!(error instanceof AgentProblem)) throw error;
    const words = problemWords(error.problem);
    place.textContent = `${words.title} ${words.what_to_do}`;
    announce(place.textContent);
    return null;
  }
}
