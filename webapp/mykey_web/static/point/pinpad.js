// The keys of the on-screen PIN pad. In the order of a telephone, or shuffled so that fingers and smears tell nothing.

import { el, button } from "./dom.js";
import { announce } from "./announce.js";
import { t } from "./texts.js";

const TELEPHONE = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0"];

/**
 * The pad that types into `field`.
 * @param {HTMLInputElement} field
 * @param {() => void} submit
 */
export function pinPad(field, submit) {
  const keys = el("div", { class: "pad__keys" });
  const pad = el("div", { class: "pad", role: "group", "aria-label": t("page.pin.pad") }, keys);
  let order = TELEPHONE;
  const fill = () => keys.replaceChildren(...keysOf(order, field));
  const shuffle = button(t("page.pin.shuffle"), () => {
    order = shuffled(TELEPHONE);
    fill();
    announce(t("page.pin.shuffled"));
  }, { class: "button pad__shuffle", id: "pin-shuffle" });
  fill();
  pad.append(shuffle);
  pad.addEventListener("keydown", (event) => typed(event, field, submit));
  return pad;
}

/**
 * @param {string[]} order ten digits
 * @param {HTMLInputElement} field
 */
function keysOf(order, field) {
  const digits = order.map((digit) => button(digit, () => press(field, digit), { class: "pad__key", data: { digit } }));
  const clear = button(t("page.pin.clear"), () => change(field, ""), { class: "pad__key pad__key--word" });
  const back = button("⌫", () => change(field, field.value.slice(0, -1)), {
    class: "pad__key",
    "aria-label": t("page.pin.backspace"),
  });
  return [...digits.slice(0, 9), clear, digits[9], back];
}

/**
 * @param {HTMLInputElement} field
 * @param {string} digit
 */
function press(field, digit) {
  if (field.value.length < field.maxLength) change(field, field.value + digit);
}

/**
 * @param {HTMLInputElement} field
 * @param {string} value
 */
function change(field, value) {
  field.value = value;
  announce(t("page.pin.entered", { count: value.length }));
}

/**
 * Digits typed while the focus is on a key of the pad go into the field too.
 * @param {KeyboardEvent} event
 * @param {HTMLInputElement} field
 * @param {() => void} submit
 */
function typed(event, field, submit) {
  if (/^[0-9]$/.test(event.key)) press(field, event.key);
  else if (event.key === "Backspace") change(field, field.value.slice(0, -1));
  else if (event.key === "Enter" && field.value.length === field.maxLength) {
    event.preventDefault();
    submit();
  }
}

/**
 * Fisher-Yates with the browser's cryptographic random numbers.
 * @param {string[]} digits
 */
export function shuffled(digits) {
  const result = [...digits];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = below(last + 1);
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}

/**
 * A uniform random integer from 0 to `limit` − 1 (limit ≤ 256): values that would favour some digits are drawn again.
 * @param {number} limit
 */
function below(limit) {
  const fair = 256 - (256 % limit);
  const draw = new Uint8Array(1);
  do crypto.getRandomValues(draw);
  while (draw[0] >= fair);
  return draw[0] % limit;
}
