// The card reader as the visitor sees it: a slot, what is in it, and a lamp.

import { button, byId, el } from "./dom.js";
import { insert } from "./connection.js";
import { now, subscribe } from "./store.js";
import { currentLanguage, localised, t } from "./texts.js";
import { pictureOf } from "./tray.js";

/** Draw whenever the reader, the tray or the screen change. */
export function startReader() {
  subscribe((changed) => ["status", "tray", "screen", "language"].some((name) => changed.has(name)) && draw());
}

/** What was drawn last: a button that is being pressed must not be replaced by the same one. */
let drawn = "";

function draw() {
  const { status, screen, tray } = now();
  const reader = byId("reader");
  reader.hidden = !status?.reader || Boolean(status.reader.problem) || screen.name === "setup";
  if (reader.hidden) return;
  const focused = document.activeElement?.id === "take-out";
  const present = Boolean(status.reader.card_present);
  reader.dataset.lamp = screen.name === "working" ? "busy" : present ? "card" : "empty";
  const looks = JSON.stringify([present, status.reader.kind, tray, currentLanguage()]);
  if (looks === drawn) return;
  drawn = looks;
  reader.replaceChildren(slot(present), words(present));
  if (focused) document.getElementById("take-out")?.focus();
}

/** @param {boolean} present */
function slot(present) {
  const name = now().tray?.inserted;
  const picture = present && el("img", { class: "slot__card", src: pictureOf(name), alt: "" });
  return el("div", { class: "slot", "aria-hidden": "true" }, picture, el("span", { class: "slot__mouth" }), el("span", { class: "slot__lamp" }));
}

/** @param {boolean} present */
function words(present) {
  const { status, tray } = now();
  const card = tray?.cards.find((one) => one.name === tray.inserted);
  const title = card ? localised(card.title) : null;
  const state = present
    ? el("p", { class: "reader__state" }, t(title ? "page.reader.card" : "page.reader.card_real"), " ", title && el("b", { lang: title.lang }, title.text))
    : el("p", { class: "reader__state" }, t(tray ? "page.reader.empty_virtual" : "page.reader.empty"));
  const out = present && tray && button(t("page.reader.remove"), () => insert(null), { class: "button", id: "take-out" });
  return el("div", { class: "reader__words" }, heading(status), state, out);
}

/** @param {any} status */
function heading(status) {
  const kind = status.reader.kind === "virtual" && el("small", {}, t("page.reader.virtual"));
  return el("h2", { id: "reader-title" }, t("page.reader.title"), " ", kind);
}
