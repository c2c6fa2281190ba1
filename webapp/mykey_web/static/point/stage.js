// The screen of the service point: draws the screen of the moment, moves the focus, and tells screen readers.

import { announce } from "./announce.js";
import { byId, el } from "./dom.js";
import { cards } from "./cards/counter.js";
import { gate } from "./cards/gate.js";
import { choose } from "./screens/choose.js";
import { connecting, working } from "./screens/waiting.js";
import { ended } from "./screens/ended.js";
import { form } from "./screens/form.js";
import { idle } from "./screens/idle.js";
import { pin } from "./screens/pin.js";
import { problem } from "./screens/problem.js";
import { result } from "./screens/result.js";
import { setup } from "./screens/setup.js";
import { now, subscribe } from "./store.js";

/**
 * What a screen module returns.
 * @typedef {object} Drawing
 * @property {string} title
 * @property {string} [lang]         when the words came in another language than the page's
 * @property {"calm"|"success"|"warning"|"refused"} [tone]
 * @property {(Node|null|undefined|false)[]} body
 * @property {HTMLElement|null} [focus]      where the focus goes; the title when absent
 * @property {(string|undefined)[]} [say]    what is announced besides the focus
 */

/** @type {Record<string, (screen: any) => Drawing>} */
const SCREENS = { cards, choose, connecting, ended, form, gate, idle, pin, problem, result, setup, working };

/** Draw now and whenever the screen, the language or the services change. */
export function startStage() {
  subscribe((changed) => {
    if (changed.has("screen")) draw(!changed.has("language"));
    else if (changed.has("services") && dependsOnServices()) draw(false);
  });
}

function dependsOnServices() {
  return ["idle", "choose", "form", "pin", "problem", "result"].includes(now().screen.name);
}

/** The screen that was drawn last: one that redraws itself must not pull the focus back to its title each time. */
let drawn = now().screen;

/** The fields into which words are typed, but for the PIN. @returns {HTMLInputElement[]} */
function fields() {
  return [...document.querySelectorAll("#stage input[id^=field-]")].filter((one) => one instanceof HTMLInputElement);
}

/** @param {boolean} changed false when only the wording did */
function draw(changed) {
  const screen = now().screen;
  const moved = changed && (screen !== drawn || Boolean(screen.attend));
  const typed = new Map(screen === drawn ? fields().map((field) => [field.id, field.value]) : []);
  const focused = document.activeElement?.id ?? "";
  drawn = screen;
  screen.attend = false;
  const drawing = SCREENS[screen.name](screen);
  const stage = byId("stage");
  stage.dataset.screen = screen.name;
  stage.dataset.tone = drawing.tone ?? "calm";
  stage.setAttribute("aria-busy", String(screen.name === "working"));
  const title = el("h2", { id: "stage-title", tabindex: "-1", class: "stage__title", lang: drawing.lang }, drawing.title);
  stage.replaceChildren(title, ...drawing.body.filter((node) => node instanceof Node));
  for (const field of fields()) field.value ||= typed.get(field.id) ?? ""; // the next item may be half typed
  if (moved) attend(drawing, title);
  else if (typed.has(focused)) document.getElementById(focused)?.focus({ preventScroll: true });
}

/**
 * @param {Drawing} drawing
 * @param {HTMLElement} title
 */
function attend(drawing, title) {
  if (!quiet()) (drawing.focus ?? title).focus({ preventScroll: false });
  if (drawing.say) announce(...drawing.say);
}

/** Screens that come by themselves must not pull the focus away from the tray. */
function quiet() {
  const inTray = document.activeElement?.closest("#tray, .languages, #hood") !== null;
  return inTray && ["idle", "setup", "connecting"].includes(now().screen.name);
}
