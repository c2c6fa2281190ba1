// Signing in with a passkey, and making one: on the sign-in page of staff and on their own page.

import { ask } from "./hub-request.js";
import { canPasskey, makePasskey, provePasskey } from "./webauthn.js";

const area = /** @type {HTMLElement} */ (document.getElementById("passkey"));
const data = area.dataset;
const says = /** @type {HTMLElement} */ (document.getElementById("passkey-says"));
const field = (/** @type {string} */ id) => /** @type {HTMLInputElement|null} */ (document.getElementById(id))?.value.trim() ?? "";

/** @param {() => Promise<any>} ceremony */
async function run(ceremony) {
  says.textContent = "";
  try {
    const answer = await ceremony();
    location.assign(answer.next);
  } catch (error) {
    says.textContent = worded(error);
    says.focus();
  }
}

/** @param {unknown} error */
function worded(error) {
  const found = /** @type {any} */ (error).problem;
  if (found) return [found.title, found.detail, found.what_to_do].filter(Boolean).join(" ");
  return String(error instanceof DOMException && error.name === "InvalidStateError" ? data.known : data.failed);
}

document.getElementById("passkey-sign-in")?.addEventListener("click", () =>
  run(async () => {
    const credential = await provePasskey(await ask(String(data.options), {}));
    return ask(String(data.proof), { credential, next: String(data.next ?? "") });
  }),
);

document.getElementById("passkey-make")?.addEventListener("click", () =>
  run(async () => {
    const invitation = field("field-invitation");
    const credential = await makePasskey(await ask(String(data.makeOptions), { invitation }));
    return ask(String(data.makeProof), { credential, invitation, title: field("field-passkey_title") });
  }),
);

if (!canPasskey()) {
  for (const button of area.querySelectorAll("button")) button.disabled = true;
  says.textContent = String(data.unable);
}
