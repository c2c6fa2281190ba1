// The blocks of a result: facts, table, notice. Whatever a plugin shows is made of these three.

import { el } from "./dom.js";
import { ownLanguage } from "./texts.js";

const LEVELS = ["info", "success", "warning"];
let regions = 0;

/** @param {any} value */
function langOf(value) {
  return { lang: ownLanguage(String(value ?? "")) };
}

/**
 * @param {any} block
 * @returns {HTMLElement|null} null for a kind that this page does not know
 */
export function drawBlock(block) {
  if (block.kind === "facts") return facts(block);
  if (block.kind === "table") return table(block);
  return block.kind === "notice" ? notice(block) : null;
}

/** @param {{title?: string, rows: {label: string, value: any}[]}} block */
function facts(block) {
  const rows = block.rows.map(({ label, value }) => el("div", {}, el("dt", {}, label), el("dd", langOf(value), String(value ?? ""))));
  return el("div", { class: "facts" }, block.title && el("h3", {}, block.title), el("dl", {}, ...rows));
}

/** @param {{title?: string, columns: string[], rows: any[][]}} block */
function table(block) {
  const id = `table-${(regions += 1)}`;
  const caption = block.title && el("caption", { id }, block.title);
  const head = el("thead", {}, el("tr", {}, ...block.columns.map((name) => el("th", { scope: "col" }, String(name)))));
  const rows = block.rows.map((row) => el("tr", {}, ...row.map((cell) => el("td", langOf(cell), String(cell ?? "")))));
  const whole = el("table", {}, caption, head, el("tbody", {}, ...rows));
  const named = block.title ? { "aria-labelledby": id } : { "aria-label": block.columns.join(", ") };
  return el("div", { class: "table", role: "region", tabindex: "0", ...named }, whole);
}

/** @param {{level: string, text: string}} block */
function notice(block) {
  const level = LEVELS.includes(block.level) ? block.level : "info";
  return el("p", { class: `notice notice--${level}` }, block.text);
}
