// The clock of an unattended screen: after 30 s without a touch the visit ends, with a warning 10 s before.

import { el, button } from "./dom.js";
import { announce } from "./announce.js";
import { finish } from "./flow.js";
import { now, subscribe } from "./store.js";
import { t } from "./texts.js";

const IDLE_MS = 30_000;
const WARN_MS = 10_000;
const WATCHED = new Set(["choose", "form", "pin", "result", "problem"]);

let lastTouch = 0;
/** @type {HTMLElement|null} */
let warning = null;

/** Start the clock. */
export function startIdleClock() {
  for (const event of ["pointerdown", "keydown", "input"]) document.addEventListener(event, touch, { passive: true });
  subscribe((changed) => changed.has("screen") && touch());
  window.setInterval(tick, 500);
}

function touch() {
  lastTouch = performance.now();
  removeWarning();
}

function tick() {
  const screen = now().screen.name;
  if (!WATCHED.has(screen) || !now().status?.reader) return removeWarning();
  const left = IDLE_MS - (performance.now() - lastTouch);
  if (left <= 0) return finish("idle");
  if (left <= WARN_MS) warn(Math.ceil(left / 1000));
}

/** @param {number} seconds */
function warn(seconds) {
  if (!warning) {
    warning = el("div", { class: "idle-warning", role: "group", "aria-label": t("page.idle_warning.label") });
    warning.append(el("p", {}), button(t("page.idle_warning.go_on"), touch, { class: "button button--primary" }));
    document.getElementById("stage")?.after(warning);
    announce(t("page.idle_warning.text", { seconds }));
  }
  const words = warning.querySelector("p");
  if (words) words.textContent = t("page.idle_warning.text", { seconds });
}

function removeWarning() {
  warning?.remove();
  warning = null;
}
