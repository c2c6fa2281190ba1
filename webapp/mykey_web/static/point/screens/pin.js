// The screen that asks for the PIN. The digits go to the agent on this computer and are wiped from the page at once.

import { el, button } from "../dom.js";
import { announce } from "../announce.js";
import { describe, rest, tap } from "../flow.js";
import { pinPad } from "../pinpad.js";
import { problemWords } from "../wording.js";
import { t } from "../texts.js";

const PIN_LENGTH = 4;

/**
 * @param {{choice: {service: string, action: string}, input: Record<string, string>, left: number|null, problem?: any}} screen
 * @returns {import("../stage.js").Drawing}
 */
export function pin(screen) {
  const { action } = describe(screen.choice);
  const last = screen.left === 1;
  const agreed = last ? lastTryBox() : null;
  const field = pinField();
  const error = el("p", { id: "pin-error", class: "field__error", role: "alert" });
  const submit = () => send(screen, field, agreed, error);
  field.addEventListener("keydown", (event) => event.key === "Enter" && submit());
  const words = screen.problem ? problemWords(screen.problem, { attempts: screen.left ?? "?" }) : null;
  const name = el("p", { class: "lead" }, t("page.pin.text", { action: action?.title ?? "" }));
  return {
    title: t("page.pin.title"),
    tone: last ? "warning" : "calm",
    body: [
      words && el("p", { class: "notice notice--refused", id: "pin-notice" }, `${words.title} ${words.text}`),
      name,
      triesLeft(screen.left),
      agreed?.box,
      el("div", { class: "pin" }, pinEntry(field, error, submit), pinPad(field, submit)),
      el("p", { class: "pin__privacy" }, t("page.pin.privacy")),
    ],
    focus: last ? agreed?.input : field,
    say: [words ? `${words.title} ${words.text}` : undefined, triesText(screen.left), last ? t("page.pin.last_try") : undefined],
  };
}

function pinField() {
  const properties = {
    id: "pin",
    class: "input pin__field",
    type: "password",
    inputmode: "none",
    maxlength: PIN_LENGTH,
    autocomplete: "off",
    "aria-describedby": "pin-tries pin-error",
  };
  return /** @type {HTMLInputElement} */ (el("input", properties));
}

/**
 * @param {HTMLInputElement} field
 * @param {HTMLElement} error
 * @param {() => void} submit
 */
function pinEntry(field, error, submit) {
  return el(
    "div",
    { class: "pin__entry" },
    el("label", { for: "pin", class: "field__label" }, t("page.pin.label")),
    field,
    error,
    button(t("page.pin.ok"), submit, { class: "button button--primary button--large", id: "pin-ok" }),
    button(t("page.form.back"), leave(field), { class: "button button--large" }),
  );
}

/** @param {HTMLInputElement} field */
function leave(field) {
  return () => {
    field.value = "";
    rest();
  };
}

/** @param {number|null} left */
function triesText(left) {
  return left === null ? t("page.pin.tries_unknown") : t("page.pin.tries", { attempts: left });
}

/** @param {number|null} left */
function triesLeft(left) {
  return el("p", { id: "pin-tries", class: "pin__tries", data: { left: String(left) } }, triesText(left));
}

/** At one try left the person must agree: a blocked PIN means a walk to the municipal office. */
function lastTryBox() {
  const input = /** @type {HTMLInputElement} */ (el("input", { type: "checkbox", id: "last-try" }));
  const label = el("label", { for: "last-try" }, t("page.pin.last_try_agree"));
  const words = el("p", {}, t("page.pin.last_try"));
  return { input, box: el("div", { class: "notice notice--warning" }, words, el("div", { class: "check" }, input, label)) };
}

/**
 * @param {any} screen
 * @param {HTMLInputElement} field
 * @param {{input: HTMLInputElement}|null} agreed
 * @param {HTMLElement} error
 */
function send(screen, field, agreed, error) {
  const wrong = whatIsMissing(field.value, agreed);
  error.textContent = wrong ?? "";
  if (wrong) return announce(wrong);
  const digits = field.value;
  field.value = "";
  return tap(screen.choice, screen.input, digits, agreed !== null);
}

/**
 * @param {string} digits
 * @param {{input: HTMLInputElement}|null} agreed
 */
function whatIsMissing(digits, agreed) {
  if (!/^[0-9]{4}$/.test(digits)) return t("page.pin.four_digits");
  return agreed && !agreed.input.checked ? t("page.pin.agree_first") : null;
}
