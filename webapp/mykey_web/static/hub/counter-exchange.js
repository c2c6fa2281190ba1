// After a citizen's card was read: until the staff card is back, the record says so and counts down.

import { Agent } from "../point/agent.js";
import { pairingToken, rememberedAgent } from "../point/session.js";
import { finishExchange, remainingMs } from "./card-exchange.js";

const LOOK_EVERY_MS = 1_000;
const place = /** @type {HTMLElement} */ (document.getElementById("put-back"));
const port = rememberedAgent();
const token = pairingToken();
let wasOut = false;
/** @type {number|undefined} */
let before; // movements of cards so far: an exchange between two looks counts as well

/** @param {Agent} agent */
async function look(agent) {
  const left = Math.ceil(remainingMs() / 1000);
  if (left <= 0) return end();
  const status = await agent.status();
  const present = Boolean(status.reader?.card_present);
  const moved = Number(status.reader?.movements ?? 0);
  before ??= moved;
  if (present && (wasOut || moved > before)) return end();
  wasOut ||= !present;
  place.hidden = false;
  place.textContent = String(place.dataset.text).replace("{seconds}", String(left));
}

function end() {
  window.clearInterval(timer);
  place.hidden = true;
  finishExchange();
}

const agent = port && token ? new Agent(port, token, () => document.documentElement.lang) : null;
const timer = window.setInterval(() => agent && look(agent).catch(() => undefined), LOOK_EVERY_MS);
