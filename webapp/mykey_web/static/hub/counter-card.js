// A citizen's card at the counter: the form beside the panel says why, the card proves who. Nobody signs in by it.

import { beginExchange, endExchange, noteForeign } from "./card-exchange.js";
import { invitation, loadWords, readCard } from "./card-reader.js";
import { act, ask } from "./hub-request.js";

const data = document.body.dataset;

/** The values of the form beside the panel; a form that is not complete is not sent. */
function values() {
  const form = /** @type {HTMLFormElement|null} */ (document.getElementById("errand"));
  return form ? Object.fromEntries(new FormData(form)) : {};
}

const errand = {
  go: data.go,
  pinTitle: data.pinTitle,
  otherFirst: data.watched === "true",
  found: noteForeign,
  challenge: () => ask(String(data.challenge), {}),
  proved: async (/** @type {string} */ id, /** @type {any} */ token) => {
    const answer = await act(String(data.proof), { ...values(), id, token });
    endExchange();
    location.assign(answer.next);
  },
};

async function start() {
  const form = /** @type {HTMLFormElement|null} */ (document.getElementById("errand"));
  if (form && !form.reportValidity()) return;
  document.body.dataset.reading = "true"; // the panel takes the whole width
  document.getElementById("start")?.setAttribute("hidden", "");
  document.getElementById("panel")?.removeAttribute("hidden");
  beginExchange();
  await readCard(errand, invitation());
}

await loadWords();
const form = document.getElementById("errand");
form?.addEventListener("submit", (event) => event.preventDefault());
form?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault(); // Enter in the form is the next step, as a click on the button is
  start();
});
document.getElementById("start-reading")?.addEventListener("click", start);
document.body.dataset.ready = "true";
