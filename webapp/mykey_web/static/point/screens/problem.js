// The screen for a refusal: what happened, why, what to do, and what can be done from here.

import { el, button } from "../dom.js";
import { begin, describe, finish, rest } from "../flow.js";
import { problemWords } from "../wording.js";
import { t } from "../texts.js";

/**
 * @param {{choice: {service: string, action: string}, problem: import("../agent.js").Problem, lang?: string}} screen
 * @returns {import("../stage.js").Drawing}
 */
export function problem(screen) {
  const words = problemWords(screen.problem);
  const lang = words.own ? undefined : screen.lang;
  return {
    title: words.title,
    lang,
    tone: screen.problem.offers?.length ? "warning" : "refused",
    body: [explanation(words, lang), code(screen.problem.code), buttons(screen)],
    say: [words.text, words.what_to_do],
  };
}

/**
 * @param {import("../wording.js").Words} words
 * @param {string|undefined} lang
 */
export function explanation(words, lang) {
  return el(
    "div",
    { class: "message" },
    words.text && el("p", { class: "lead", lang }, words.text),
    words.what_to_do && el("p", { class: "message__todo" }, el("strong", {}, t("page.what_to_do")), el("span", { lang }, words.what_to_do)),
  );
}

/** @param {string|undefined} value */
function code(value) {
  return value ? el("p", { class: "message__code" }, t("page.code"), " ", el("code", {}, value)) : null;
}

/** @param {any} screen */
function buttons(screen) {
  const offers = (screen.problem.offers ?? []).map((/** @type {string} */ action) => offer(screen.choice.service, action));
  return el(
    "div",
    { class: "buttons" },
    ...offers,
    button(t("page.again"), rest, { class: offers.length ? "button button--large" : "button button--primary button--large" }),
    button(t("page.finish"), () => finish("finished"), { class: "button button--large" }),
  );
}

/**
 * @param {string} service
 * @param {string} name
 */
function offer(service, name) {
  const { action } = describe({ service, action: name });
  if (!action) return null;
  return button(action.title, () => begin({ service, action: name }), {
    class: "button button--primary button--large",
    data: { action: name },
  });
}
