// The counter within a visit: one of the offered actions is chosen, and its field takes one item after another,
// typed or read by a barcode scanner that ends with Enter.

import { el } from "./dom.js";
import { fieldRow, firstWrong, valuesOf } from "./fields.js";
import { act, describe } from "./flow.js";
import { t } from "./texts.js";

/**
 * @param {any} screen the result screen; remembers in `selected` which action is chosen
 * @param {import("./agent.js").Action[]} actions
 */
export function desk(screen, actions) {
  const known = actions.some((action) => action.name === screen.choice.action);
  screen.selected ??= known ? screen.choice.action : actions[0].name;
  const form = el("form", { class: "desk-form", novalidate: true });
  let focus = fill(form, screen);
  const choose = (/** @type {string} */ name) => {
    screen.selected = name;
    focus = fill(form, screen);
  };
  const legend = el("legend", {}, t("page.desk.title"));
  const choices = el("fieldset", { class: "segments" }, legend, ...actions.map((action) => segment(screen, action, choose)));
  return { node: el("div", { class: "desk-panel" }, choices, form), focus };
}

/**
 * @param {any} screen
 * @param {import("./agent.js").Action} action
 * @param {(name: string) => void} choose
 */
function segment(screen, action, choose) {
  const id = `desk-${action.name}`;
  const checked = screen.selected === action.name;
  const on = { change: () => choose(action.name) };
  const radio = el("input", { type: "radio", name: "desk", id, checked, value: action.name, class: "segments__radio", on });
  return el("span", { class: "segments__choice" }, radio, el("label", { for: id }, action.title));
}

/**
 * Put the fields of the chosen action into the form; returns its first input, or its button.
 * @param {HTMLElement} form
 * @param {any} screen
 */
function fill(form, screen) {
  const choice = { service: screen.choice.service, action: screen.selected };
  const { action } = describe(choice);
  const rows = (action?.fields ?? []).map((field) => fieldRow(field));
  const submit = el("button", { type: "submit", class: "button button--primary" }, action?.title ?? "");
  form.replaceChildren(...rows.map(({ row }) => row), submit);
  form.onsubmit = (event) => {
    event.preventDefault();
    sendItem(choice, rows.map(({ input }) => input));
  };
  return rows[0]?.input ?? submit;
}

/**
 * @param {{service: string, action: string}} choice
 * @param {HTMLInputElement[]} inputs
 */
function sendItem(choice, inputs) {
  const wrong = firstWrong(inputs);
  if (wrong) return wrong.focus();
  const values = valuesOf(inputs);
  for (const input of inputs) input.value = ""; // a second Enter, or the next scan, must not send this one again
  return act(choice, values);
}
