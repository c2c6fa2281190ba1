// Signing in with the card in this computer's reader, as a citizen or as staff.

import { invitation, loadWords, readCard } from "./card-reader.js";
import { forgetCard, rememberCard } from "../point/session.js";
import { ask } from "./hub-request.js";

const data = document.body.dataset;

const errand = {
  challenge: () => ask(String(data.challenge), { audience: String(data.audience) }),
  proved: async (/** @type {string} */ id, /** @type {any} */ token, /** @type {string|null|undefined} */ insertion) => {
    const field = /** @type {HTMLInputElement|null} */ (document.getElementById("field-invitation"));
    const body = { id, token, next: String(data.next ?? ""), invitation: field?.value.trim() || null };
    const answer = await ask(String(data.proof), body);
    rememberCard(insertion);
    location.assign(answer.next);
  },
};

forgetCard();
const invited = invitation();
window.addEventListener("hashchange", () => location.hash.includes("agent=") && readCard(errand, invitation()));
await loadWords();
await readCard(errand, invited);
