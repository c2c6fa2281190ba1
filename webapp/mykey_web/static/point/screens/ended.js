// The screen after a visit: everything personal is gone, and the card must not be forgotten.

import { el, button } from "../dom.js";
import { insert } from "../connection.js";
import { rest } from "../flow.js";
import { now } from "../store.js";
import { t } from "../texts.js";

const STAYS_MS = 6_000;

/**
 * @param {import("../store.js").Screen} screen with `reason`: finished, idle or removed
 * @returns {import("../stage.js").Drawing}
 */
export function ended(screen) {
  const present = Boolean(now().status?.reader?.card_present);
  if (!present) window.setTimeout(() => now().screen === screen && rest(), STAYS_MS);
  const text = t(`page.ended.${screen.reason}`);
  const take = present ? t("page.ended.take_card") : "";
  return {
    title: t(titleOf(screen.reason, present)),
    tone: present ? "warning" : "calm",
    body: [
      el("p", { class: "lead" }, text),
      present && el("p", { class: "notice notice--warning" }, take),
      el("div", { class: "buttons" }, present && now().tray && takeOut(), button(t("page.ended.again"), rest, { class: "button button--large" })),
    ],
    say: [text, take],
  };
}

/** What the visitor should know first. @param {string} reason @param {boolean} present the card is still in the reader */
function titleOf(reason, present) {
  if (reason === "idle") return "page.ended.title_idle";
  return present ? "page.ended.title_take_card" : "page.ended.title";
}

function takeOut() {
  return button(t("page.reader.remove"), () => insert(null), { class: "button button--primary button--large" });
}
