// The tray of virtual cards of the demo. A card is a button: press it, or drag it with the mouse, to put it in.

import { byId, el } from "./dom.js";
import { insert } from "./connection.js";
import { makeDraggable } from "./drag.js";
import { now, subscribe } from "./store.js";
import { localised, t } from "./texts.js";

/** What a visitor should try first; the other cards wait behind a fold. */
const FIRST = ["adult", "child", "other-town", "revoked", "expired", "blocked-pin", "last-try"];

/** File names in `static/cards/` of the cards that look different from the ordinary one. */
const PICTURES = new Set(["child", "phone", "old-juki", "next-generation", "pinless"]);

/**
 * Where the picture of a card is; of a real card nothing is known before it is asked.
 * @param {string|null|undefined} name in the tray
 */
export function pictureOf(name) {
  if (!name) return `${document.body.dataset.static}cards/plain.svg`;
  return `${document.body.dataset.static}cards/${PICTURES.has(name) ? name : "card"}.svg`;
}

/** Draw whenever the cards or the language change. */
export function startTray() {
  subscribe((changed) => (changed.has("tray") || changed.has("language")) && draw());
}

function draw() {
  const tray = now().tray;
  byId("tray").hidden = tray === null;
  byId("sample-mark").hidden = tray === null;
  byId("desk").dataset.tray = String(tray !== null);
  if (!tray) return;
  const focused = /** @type {HTMLElement|null} */ (document.activeElement)?.dataset.card;
  const first = tray.cards.filter((card) => FIRST.includes(card.name));
  const others = tray.cards.filter((card) => !FIRST.includes(card.name));
  byId("tray-cards").replaceChildren(...first.map((card) => cardItem(card, tray.inserted)));
  byId("tray-more").hidden = others.length === 0;
  byId("tray-more-title").textContent = t("page.tray.more", { count: others.length });
  byId("tray-more-cards").replaceChildren(...others.map((card) => cardItem(card, tray.inserted)));
  if (others.some((card) => card.name === tray.inserted)) byId("tray-more").setAttribute("open", "");
  if (focused) /** @type {HTMLElement|null} */ (document.querySelector(`[data-card="${CSS.escape(focused)}"]`))?.focus();
}

/**
 * @param {any} card
 * @param {string|null} inserted
 */
function cardItem(card, inserted) {
  return el("li", {}, cardButton(card, inserted === card.name));
}

/**
 * @param {{name: string, title: Record<string, string>, purpose: Record<string, string>, pin?: string}} card
 * @param {boolean} inserted
 */
function cardButton(card, inserted) {
  const title = localised(card.title);
  const purpose = localised(card.purpose);
  const put = () => insert(inserted ? null : card.name);
  const picture = el("img", { class: "card__picture", src: pictureOf(card.name), alt: "", draggable: "false" });
  const words = el(
    "span",
    { class: "card__words" },
    el("span", { class: "card__title", lang: title.lang }, title.text),
    el("span", { class: "card__purpose", lang: purpose.lang }, purpose.text),
    card.pin && el("span", { class: "card__pin" }, t("page.tray.pin", { pin: card.pin })),
    inserted && el("span", { class: "card__state" }, t("page.tray.inserted")),
  );
  const node = el(
    "button",
    { type: "button", class: "card", "aria-pressed": String(inserted), data: { card: card.name }, on: { click: put } },
    picture,
    words,
  );
  if (!inserted) makeDraggable(node, byId("reader"), put);
  return node;
}
