// The two screens on which the visitor only waits.

import { el } from "../dom.js";
import { t } from "../texts.js";

/** Before the agent has answered. */
export function connecting() {
  return { title: t("page.connecting.title"), body: [el("p", {}, t("page.connecting.text"))] };
}

/** @param {{doing: "card"|"tap"}} screen */
export function working(screen) {
  const text = t(`page.working.${screen.doing}`);
  const bar = el("div", { class: "progress", "aria-hidden": "true" }, el("span", { class: "progress__bar" }));
  return { title: t("page.working.title"), body: [bar, el("p", {}, text)], say: [text] };
}
