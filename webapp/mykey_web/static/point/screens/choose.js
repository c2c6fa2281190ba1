// The screen on which a visitor with a card in the reader chooses what to do.

import { el, button } from "../dom.js";
import { begin } from "../flow.js";
import { now } from "../store.js";
import { t } from "../texts.js";

const OFFERED = ["registered", "enrol", "none"];

/** @returns {import("../stage.js").Drawing} */
export function choose() {
  const services = now().services;
  return {
    title: t("page.choose.title"),
    body: services.length
      ? [el("p", { class: "lead" }, t("page.choose.text")), ...services.map(serviceGroup)]
      : [el("p", { class: "notice notice--warning" }, t("page.idle.no_services"))],
  };
}

/** @param {import("../agent.js").Service} service */
function serviceGroup(service) {
  const offered = service.actions
    .filter((action) => OFFERED.includes(action.subject))
    .sort((one, other) => OFFERED.indexOf(one.subject) - OFFERED.indexOf(other.subject));
  const title = el("h3", { id: `service-${service.service}` }, service.title);
  return el(
    "section",
    { class: "service", "aria-labelledby": title.id },
    title,
    el("p", {}, service.description),
    el("div", { class: "buttons buttons--stacked" }, ...offered.map((action, place) => actionButton(service, action, place))),
  );
}

/**
 * @param {import("../agent.js").Service} service
 * @param {import("../agent.js").Action} action
 * @param {number} place the first one is the most likely one
 */
function actionButton(service, action, place) {
  const look = place === 0 ? "button button--primary button--large" : "button button--large";
  const choice = { service: service.service, action: action.name };
  return button(action.title, () => begin(choice), { class: look, data: { action: action.name } });
}
