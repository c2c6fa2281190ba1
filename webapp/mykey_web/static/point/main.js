// The beginning of the page: language, the parts that draw themselves, the names above, and the way to the agent.

import { connect, reloadServices } from "./connection.js";
import { byId } from "./dom.js";
import { reword } from "./flow.js";
import { startHood } from "./hood.js";
import { startIdleClock } from "./idle.js";
import { startReader } from "./reader.js";
import { takeInvitation } from "./session.js";
import { forgetReceipt } from "./receipt.js";
import { startStage } from "./stage.js";
import { now, redraw, subscribe } from "./store.js";
import { fetchLanguages, ownLanguage, rememberChoice, rememberedLanguage, useLanguage } from "./texts.js";
import { startTray } from "./tray.js";

const TITLE = "page.heading";

/** Name of the service point and of the municipality, as the hub says now, or else as the enrolment said. */
function showNames() {
  const { status, place } = now();
  const title = byId("point-title");
  const town = byId("municipality");
  const name = place?.service_point.title ?? status?.service_point?.title;
  if (typeof name === "string" && name) {
    delete title.dataset.text;
    title.textContent = name;
    title.lang = ownLanguage(name) ?? "";
    if (!title.lang) title.removeAttribute("lang");
  } else {
    title.dataset.text = TITLE;
  }
  town.hidden = !place;
  town.textContent = place?.municipality.title ?? "";
}

/** @param {string} language */
async function switchLanguage(language) {
  await useLanguage(language);
  redraw();
  await Promise.all([reloadServices(), reword()]);
}

function startLanguages() {
  for (const node of document.querySelectorAll("[data-language]")) {
    const language = /** @type {HTMLElement} */ (node).dataset.language ?? "ja";
    node.addEventListener("click", () => {
      rememberChoice(language);
      return switchLanguage(language);
    });
  }
}

/** A new invitation may come into the same tab, for example when the agent was started again. */
function startInvitations() {
  window.addEventListener("hashchange", () => location.hash.includes("agent=") && connect(takeInvitation()));
}

async function start() {
  await useLanguage(rememberedLanguage());
  startLanguages();
  startTray();
  startReader();
  startStage();
  startHood();
  startIdleClock();
  subscribe((changed) => ["status", "place", "language"].some((name) => changed.has(name)) && showNames());
  subscribe((changed) => changed.has("screen") && now().screen.name !== "result" && forgetReceipt());
  redraw();
  startInvitations();
  await connect(takeInvitation());
  await fetchLanguages();
}

await start();
