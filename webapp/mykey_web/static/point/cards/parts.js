// What a card has, how far a writing is, and its steps in words.

import { button, el } from "../dom.js";
import { t } from "../texts.js";

/**
 * @param {any} card
 * @param {any} offer
 * @param {((operation: string, plugin: string) => void)|null} act null while nothing can be pressed
 */
export function cardFacts(card, offer, act) {
  const used = t("page.cards.slots", { used: card.slots.used, all: card.slots.all });
  return el(
    "section",
    { class: "cards__state", "aria-labelledby": "cards-on-card" },
    el("h3", { id: "cards-on-card" }, t("page.cards.on_card")),
    el("p", {}, `${used} ${t("page.cards.generation", { generation: card.generation, floor: card.generation_floor })}`),
    card.services.length ? table(card, offer, act) : el("p", { id: "cards-empty" }, t("page.cards.none")),
  );
}

/** @param {any} card @param {any} offer @param {any} act */
function table(card, offer, act) {
  const heads = ["service", "state", "transactions", "actions"].map((name) => el("th", { scope: "col" }, t(`page.cards.column.${name}`)));
  const rows = card.services.map((/** @type {any} */ one) => row(one, offer, act));
  return el("div", { class: "cards__scroll" }, el("table", { class: "cards__table" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows)));
}

/** @param {any} service @param {any} offer @param {any} act */
function row(service, offer, act) {
  const mine = offer?.profiles.find((/** @type {any} */ one) => one.service === service.service);
  const name = mine ? mine.title : t("page.cards.other_service", { service: service.service });
  return el(
    "tr",
    { data: { service: service.service, state: service.state } },
    el("th", { scope: "row" }, name),
    el("td", {}, t(`page.cards.state.${service.state}`)),
    el("td", {}, String(service.transactions)),
    el("td", {}, el("div", { class: "buttons" }, ...(mine && act ? buttons(service, mine, act) : []))),
  );
}

/** @param {any} service @param {any} mine @param {(operation: string, plugin: string) => void} act */
function buttons(service, mine, act) {
  const offered = [];
  if (service.state === "activated") offered.push("suspend");
  if (service.state === "deactivated") offered.push("resume");
  offered.push("delete");
  return offered.map((operation) =>
    button(t(`page.cards.do.${operation}`), () => act(operation, mine.plugin), {
      class: "button",
      data: { operation },
      "aria-label": t(`page.cards.do_long.${operation}`, { service: mine.title }),
    }),
  );
}

/** @param {any} job @param {string} doing */
export function progressOf(job, doing) {
  const plan = job.plan ?? [];
  const known = plan.length > 0 && doing !== "check";
  const properties = known ? { max: plan.length, value: job.steps_done ?? 0 } : {};
  return el(
    "div",
    { class: "cards__progress", id: "cards-progress" },
    el("label", { for: "cards-bar" }, t(known ? "page.cards.writing" : "page.cards.reading")),
    el("progress", { id: "cards-bar", ...properties }),
    known && el("p", {}, t("page.cards.step_of", { done: job.steps_done ?? 0, all: plan.length })),
    el("p", { class: "notice notice--warning" }, t("page.cards.keep_card")),
    stepsOf(job),
  );
}

/** The steps in words, with a mark at those that are done. @param {any} job */
export function stepsOf(job) {
  const plan = job.plan ?? [];
  if (!plan.length) return null;
  return el("ol", { class: "cards__steps" }, ...plan.map((/** @type {string} */ step, /** @type {number} */ at) => stepItem(step, at < (job.steps_done ?? 0))));
}

/** @param {string} step as the hub names it: kind:service[:Kn:gN] @param {boolean} done */
function stepItem(step, done) {
  const [kind, , key] = step.split(":");
  const words = t(`page.cards.step.${kind}`, { key: key ?? "" });
  return el("li", { data: { done: String(done) } }, words, done && el("span", { class: "cards__done" }, ` ${t("page.cards.step_done")}`));
}
