// The device with the reader lets another browser in: the code, the digits to compare, the card.

import { button, el } from "../point/dom.js";
import { invitation, loadWords, problem, readCard, say, show } from "./card-reader.js";
import { ask } from "./hub-request.js";

const data = document.body.dataset;
const code = new URLSearchParams(location.hash.slice(1)).get("code");
const invited = invitation();

function askCode() {
  const field = /** @type {HTMLInputElement} */ (el("input", { id: "hand-over-code", class: "input", type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "characters" }));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (field.value.trim()) compare(field.value.trim());
  };
  show(say("approve.code"), [
    el("form", { class: "form", on: { submit } },
      el("div", { class: "field" }, el("label", { class: "field__label", for: "hand-over-code" }, say("approve.code_label")), field),
      el("div", { class: "buttons" }, el("button", { type: "submit", class: "button button--primary" }, say("approve.next")))),
  ], field);
}

/** @param {string} typed */
async function compare(typed) {
  try {
    const asked = await ask(String(data.challenge), { code: typed });
    const [browser, system] = String(asked.device).split("/");
    show(say("approve.compare"), [
      el("p", { class: "comparison", id: "comparison" }, asked.comparison),
      el("p", {}, say("approve.device", { browser: say(`device.browser.${browser}`), system: say(`device.system.${system}`) })),
      el("div", { class: "buttons" },
        button(say("approve.same"), () => read(typed), { class: "button button--primary button--large", id: "same" }),
        button(say("approve.differs"), () => refuse(asked.id), { class: "button button--danger button--large", id: "differs" })),
    ]);
  } catch (error) {
    problem(/** @type {any} */ (error).problem ?? { code: "internal_error" }, askCode);
  }
}

/** @param {string} id */
async function refuse(id) {
  const answer = await ask(String(data.refuse), { id });
  location.assign(answer.next);
}

/** @param {string} typed */
function read(typed) {
  const errand = {
    challenge: () => ask(String(data.challenge), { code: typed }),
    proved: async (/** @type {string} */ id, /** @type {any} */ token) => {
      const answer = await ask(String(data.proof), { id, token });
      location.assign(answer.next);
    },
  };
  return readCard(errand, invited);
}

await loadWords();
if (code) compare(code);
else askCode();
