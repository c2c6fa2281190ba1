// Form fields from the description that the hub gives of an action. Checks shape only; what is right the plugin knows.

import { el } from "./dom.js";
import { t } from "./texts.js";

/** @type {Record<string, string>} */
const INPUT_TYPES = { text: "text", barcode: "text", date: "date", integer: "text" };
/** @type {Record<string, string>} */
const KEYBOARDS = { text: "text", barcode: "text", integer: "numeric" };

/**
 * A labelled input for `field`.
 * @param {import("./agent.js").Field} field
 * @param {string} [value]
 */
export function fieldRow(field, value = "") {
  const id = `field-${field.name}`;
  const input = /** @type {HTMLInputElement} */ (
    el("input", {
      id,
      name: field.name,
      class: "input",
      type: INPUT_TYPES[field.type] ?? "text",
      inputmode: KEYBOARDS[field.type],
      required: field.required,
      maxlength: field.max_length,
      pattern: field.pattern ?? (field.type === "integer" ? "-?[0-9]+" : undefined),
      autocomplete: "off",
      autocapitalize: "off",
      spellcheck: "false",
      "aria-describedby": `${id}-help ${id}-error`,
    })
  );
  input.value = value;
  const label = el("label", { for: id, class: "field__label" }, field.title);
  label.append(el("span", { class: "field__mark" }, t(field.required ? "page.form.required" : "page.form.optional")));
  const help = el("p", { id: `${id}-help`, class: "field__help" }, field.type === "barcode" ? t("page.form.barcode_help") : "");
  const error = el("p", { id: `${id}-error`, class: "field__error" });
  return { input, row: el("div", { class: "field" }, label, help, input, error) };
}

/**
 * Say below each wrong field what is wrong. Returns the first wrong input, or null when all are right.
 * @param {HTMLInputElement[]} inputs
 */
export function firstWrong(inputs) {
  const wrong = inputs.filter((input) => !checkInput(input));
  return wrong[0] ?? null;
}

/** @param {HTMLInputElement} input */
function checkInput(input) {
  input.value = input.value.trim();
  const error = document.getElementById(`${input.id}-error`);
  const message = wrongness(input);
  input.setAttribute("aria-invalid", String(message !== ""));
  if (error) error.textContent = message;
  return message === "";
}

/** @param {HTMLInputElement} input */
function wrongness(input) {
  if (input.validity.valueMissing) return t("page.form.missing");
  return input.validity.valid ? "" : t("page.form.wrong_shape");
}

/**
 * Field name → value, without the empty ones.
 * @param {HTMLInputElement[]} inputs
 */
export function valuesOf(inputs) {
  const filled = inputs.filter((input) => input.value !== "");
  return Object.fromEntries(filled.map((input) => [input.name, input.value]));
}
