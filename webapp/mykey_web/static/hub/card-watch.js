// Whoever signed in with a card is signed out when it leaves the reader. Two looks in a row must miss it.
// Staff everywhere, except while a citizen's card is read in the same reader (card-exchange.js); a citizen at a service
// point of the town only: at home the card may go back into the wallet.

import { Agent } from "../point/agent.js";
import { cardsMoved, noteEnd, pairingToken, rememberedAgent } from "../point/session.js";
import { exchanging } from "./card-exchange.js";

const LOOK_EVERY_MS = 1_500;
let missed = 0;

const form = /** @type {HTMLFormElement|null} */ (document.getElementById("sign-out"));
const citizen = form?.dataset.kind === "citizen";

/** @param {Agent} agent */
async function look(agent) {
  const status = await agent.status();
  if (citizen && !status.service_point) return;
  if (citizen && status.reader?.card_present && cardsMoved(status.reader.movements)) return signOut();
  if (status.reader?.card_present) {
    missed = 0;
    return;
  }
  if (exchanging()) return;
  missed += 1;
  if (missed >= 2) signOut();
}

function signOut() {
  if (!form) return;
  if (citizen) noteEnd();
  const reason = document.createElement("input");
  Object.assign(reason, { type: "hidden", name: "reason", value: "card" });
  form.append(reason);
  form.submit();
}

const port = rememberedAgent();
const token = pairingToken();
if (form && port && token) {
  const agent = new Agent(port, token, () => document.documentElement.lang);
  look(agent).catch(() => undefined);
  window.setInterval(() => look(agent).catch(() => undefined), LOOK_EVERY_MS);
}
