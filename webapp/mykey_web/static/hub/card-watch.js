// Staff who signed in with a card are signed out when the card leaves the reader. Two looks in a row must miss it.
// While a citizen's card is read in the same reader, there is a time in which it may be out (card-exchange.js).

import { Agent } from "../point/agent.js";
import { pairingToken, rememberedAgent } from "../point/session.js";
import { exchanging } from "./card-exchange.js";

const LOOK_EVERY_MS = 1_500;
let missed = 0;

/** @param {Agent} agent */
async function look(agent) {
  const status = await agent.status();
  if (status.reader?.card_present) {
    missed = 0;
    return;
  }
  if (exchanging()) return;
  missed += 1;
  if (missed >= 2) signOut();
}

function signOut() {
  const form = /** @type {HTMLFormElement|null} */ (document.getElementById("sign-out"));
  if (!form) return;
  const reason = document.createElement("input");
  Object.assign(reason, { type: "hidden", name: "reason", value: "card" });
  form.append(reason);
  form.submit();
}

const port = rememberedAgent();
const token = pairingToken();
if (port && token) {
  const agent = new Agent(port, token, () => document.documentElement.lang);
  window.setInterval(() => look(agent).catch(() => undefined), LOOK_EVERY_MS);
}
