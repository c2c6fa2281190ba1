// The screen when the page cannot work yet: no agent, no permission, not paired, no reader, no hub.

import { el, button } from "../dom.js";
import { connectByHand } from "../connection.js";
import { rememberedAgent, validPort } from "../session.js";
import { explanation } from "./problem.js";
import { problemWords } from "../wording.js";
import { t } from "../texts.js";

/**
 * @param {{kind: string, problem?: import("../agent.js").Problem}} screen
 * @returns {import("../stage.js").Drawing}
 */
export function setup(screen) {
  const words = screen.kind === "problem" ? problemWords(screen.problem ?? {}) : ownWords(screen.kind);
  const pairing = screen.kind === "not_paired" ? pairingForm() : null;
  const refused = screen.kind !== "problem" && screen.problem ? pairingRefused(screen.problem) : null;
  return {
    title: words.title,
    tone: screen.kind === "permission_asking" ? "warning" : "refused",
    body: [
      refused,
      explanation(words, undefined),
      pairing ? pairing.form : waiting(),
    ],
    focus: pairing?.code,
    say: [pairing ? words.title : undefined, refused?.textContent ?? undefined, words.text, words.what_to_do],
  };
}

/** @param {import("../agent.js").Problem} problem */
function pairingRefused(problem) {
  const words = problemWords(problem);
  return el("p", { class: "notice notice--refused" }, `${words.title} ${words.text}`);
}

/** @param {string} kind */
function ownWords(kind) {
  const word = (/** @type {string} */ part) => t(`page.setup.${kind}.${part}`);
  return { title: word("title"), text: word("text"), what_to_do: word("what_to_do"), own: true };
}

function waiting() {
  const again = button(t("page.setup.again"), () => location.reload(), { class: "button button--large" });
  return el("div", { class: "setup" }, el("p", { class: "setup__waiting" }, t("page.setup.waiting")), el("div", { class: "buttons" }, again));
}

/** The port is known mostly, the code never: the cursor is there. */
function pairingForm() {
  const port = inputOf("agent-port", "page.setup.port", "numeric", String(rememberedAgent()));
  const code = inputOf("pairing-code", "page.setup.code", "text", "");
  const error = el("p", { class: "field__error", role: "alert" });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const number = validPort(port.input.value.trim());
    error.textContent = number && code.input.value.trim() ? "" : t("page.setup.pair_incomplete");
    if (number && !error.textContent) connectByHand(number, code.input.value.trim());
  };
  const send = el("button", { type: "submit", class: "button button--primary button--large" }, t("page.setup.pair"));
  const form = el("form", { class: "form", novalidate: true, on: { submit } }, code.row, port.row, error, el("div", { class: "buttons" }, send));
  return { form, code: code.input };
}

/**
 * @param {string} id
 * @param {string} label
 * @param {string} inputmode
 * @param {string} value
 */
function inputOf(id, label, inputmode, value) {
  const input = /** @type {HTMLInputElement} */ (
    el("input", { id, class: "input", type: "text", inputmode, autocomplete: "off", spellcheck: "false" })
  );
  input.value = value;
  return { input, row: el("div", { class: "field" }, el("label", { for: id, class: "field__label" }, t(label)), input) };
}
