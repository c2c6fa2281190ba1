// Whoever signed in with a card is signed out when it leaves the reader. Two looks in a row must miss it; another card
// in its place counts at once: the agent has a new id for each insertion.
// Staff everywhere, except while a citizen's card is read in the same reader (card-exchange.js); a citizen at a service
// point of the town only: at home the card may go back into the wallet.

import { Agent } from "../point/agent.js";
import { insertionOf, isSessionsCard, noteEnd, pairingToken, rememberCard, rememberedAgent } from "../point/session.js";
import { exchanging, finishExchange, isBack } from "./card-exchange.js";

const LOOK_EVERY_MS = 1_500;
const SILENT_LOOKS = 7; // about ten seconds: an agent that was stopped cannot hide that the card has gone
const UNSEEN_LOOKS = 60; // a tab without agent hears of the card from one that has it; hidden tabs look once a minute
let missed = 0;
let silent = 0;
let leaving = false;
let bound = false; // whether the card has to stay: for staff always, for a citizen at a service point

const seen = new BroadcastChannel("mykey-card-seen");
const form = /** @type {HTMLFormElement|null} */ (document.getElementById("sign-out"));
const citizen = form?.dataset.kind === "citizen";

/** @param {Agent} agent */
async function look(agent) {
  const status = await agent.status();
  silent = 0;
  bound = !citizen || Boolean(status.service_point);
  if (!bound) return;
  const insertion = insertionOf(status.reader);
  if (insertion && isOwn(insertion)) {
    missed = 0;
    seen.postMessage("card");
    return;
  }
  if (exchanging()) return;
  missed += 1;
  if (insertion || missed >= 2) signOut();
}

/** The card that signed in; or, after a citizen's card was read, the one that came back. @param {string} insertion */
function isOwn(insertion) {
  if (!citizen && isBack(insertion)) {
    rememberCard(insertion);
    finishExchange();
  }
  return isSessionsCard(insertion);
}

function unanswered() {
  silent += 1;
  if (bound && silent >= SILENT_LOOKS) signOut();
}

function signOut() {
  if (!form || leaving) return;
  leaving = true; // once: a second form would abort the first
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
  bound = !citizen;
  look(agent).catch(unanswered);
  window.setInterval(() => look(agent).catch(unanswered), LOOK_EVERY_MS);
} else if (form && !citizen) {
  seen.addEventListener("message", () => {
    silent = 0;
  });
  window.setInterval(() => {
    silent += 1;
    if (silent >= UNSEEN_LOOKS) signOut();
  }, LOOK_EVERY_MS);
}
