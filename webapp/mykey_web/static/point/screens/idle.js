// The screen when no card is in the reader: what can be done here, and what needs no card.

import { approvalForm } from "../cards/forms.js";
import { el, button } from "../dom.js";
import { begin } from "../flow.js";
import { now } from "../store.js";
import { t } from "../texts.js";

/** @returns {import("../stage.js").Drawing} */
export function idle() {
  const virtual = now().tray !== null;
  const picture = el("img", { class: "idle__picture", src: `${document.body.dataset.static}point/insert.svg`, alt: "" });
  return {
    title: t("page.idle.title"),
    body: [
      picture,
      el("p", { class: "lead" }, t(virtual ? "page.idle.text_virtual" : "page.idle.text")),
      ...belowFor(document.body.dataset.mode),
    ],
    say: [t("page.idle.title")],
  };
}

/** A card counter may approve another desk's order; a gate has one purpose and waits for a card. @param {string|undefined} mode */
function belowFor(mode) {
  if (mode === "gate") return [];
  return mode === "cards" ? [approvalForm()] : servicesHere();
}

function servicesHere() {
  const services = now().services;
  if (!services.length) return [el("p", { class: "notice notice--warning" }, t("page.idle.no_services"))];
  return [
    el("h3", {}, t("page.idle.services")),
    el("ul", { class: "services" }, ...services.map(serviceItem)),
  ];
}

/** @param {import("../agent.js").Service} service */
function serviceItem(service) {
  const free = service.actions.filter((action) => action.subject === "none");
  const buttons = free.map((action) =>
    button(action.title, () => begin({ service: service.service, action: action.name }), { class: "button" }),
  );
  return el(
    "li",
    { class: "services__item" },
    el("strong", {}, service.title),
    el("span", {}, service.description),
    buttons.length > 0 && el("div", { class: "buttons" }, ...buttons),
  );
}
