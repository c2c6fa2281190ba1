// The screen with the answer of a service, and what the visitor can do next while the visit lasts.

import { el, button } from "../dom.js";
import { drawBlock } from "../blocks.js";
import { desk } from "../desk.js";
import { begin, describe, finish } from "../flow.js";
import { printReceipt } from "../receipt.js";
import { explanation } from "./problem.js";
import { t } from "../texts.js";

/**
 * @param {{choice: {service: string, action: string}, result: any, lang: string, desk?: boolean}} screen
 * @returns {import("../stage.js").Drawing}
 */
export function result(screen) {
  const { message, view, outcome } = screen.result;
  const actions = offered(screen);
  const deskActions = actions.filter(atDesk);
  const counter = deskActions.length ? desk(screen, deskActions) : null;
  return {
    title: message.title,
    lang: screen.lang,
    tone: outcome === "done" ? "success" : "refused",
    body: [
      explanation(message, screen.lang),
      counter?.node,
      el("div", { class: "blocks", lang: screen.lang }, ...(view ?? []).map(drawBlock)),
      buttons(screen, actions),
    ],
    focus: screen.desk ? counter?.focus : null,
    say: [screen.desk ? message.title : undefined, message.text, message.what_to_do],
  };
}

/** Actions that need no further tap are done one after another, without leaving the screen. @param {import("../agent.js").Action} action */
function atDesk(action) {
  return action.subject === "visit" || action.subject === "none";
}

/** @param {any} screen @returns {import("../agent.js").Action[]} */
function offered(screen) {
  const names = screen.result.offers ?? [];
  return names.flatMap((/** @type {string} */ name) => {
    const { action } = describe({ service: screen.choice.service, action: name });
    return action ? [action] : [];
  });
}

/**
 * @param {any} screen
 * @param {import("../agent.js").Action[]} actions
 */
function buttons(screen, actions) {
  const direct = actions.filter((action) => !atDesk(action));
  return el(
    "div",
    { class: "buttons buttons--end" },
    ...direct.map((action) => offer(screen.choice.service, action)),
    button(t("page.receipt.print"), () => printReceipt(screen.result), { class: "button", id: "receipt-print" }),
    button(t("page.finish"), () => finish("finished"), { class: "button", id: "finish" }),
  );
}

/**
 * @param {string} service
 * @param {import("../agent.js").Action} action
 */
function offer(service, action) {
  const choice = { service, action: action.name };
  return button(action.title, () => begin(choice), { class: "button button--primary", data: { action: action.name } });
}
