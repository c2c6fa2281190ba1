// The screen that asks for an action's fields before the card is used.

import { el, button } from "../dom.js";
import { fieldRow, firstWrong, valuesOf } from "../fields.js";
import { describe, goOn, rest } from "../flow.js";
import { t } from "../texts.js";

/**
 * @param {{choice: {service: string, action: string}, values: Record<string, string>}} screen
 * @returns {import("../stage.js").Drawing}
 */
export function form(screen) {
  const { action } = describe(screen.choice);
  const rows = (action?.fields ?? []).map((field) => fieldRow(field, screen.values[field.name]));
  const inputs = rows.map(({ input }) => input);
  for (const input of inputs) input.addEventListener("input", () => (screen.values[input.name] = input.value));
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const wrong = firstWrong(inputs);
    if (wrong) wrong.focus();
    else goOn(screen.choice, valuesOf(inputs));
  };
  return {
    title: action?.title ?? "",
    body: [
      el("form", { class: "form", novalidate: true, on: { submit } }, ...rows.map(({ row }) => row), buttons()),
    ],
    focus: inputs[0],
    say: [action?.title],
  };
}

function buttons() {
  const next = el("button", { type: "submit", class: "button button--primary button--large" }, t("page.form.next"));
  return el("div", { class: "buttons" }, next, button(t("page.form.back"), rest, { class: "button button--large" }));
}
