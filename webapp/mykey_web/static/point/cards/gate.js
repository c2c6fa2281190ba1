// The screen of a gate: the card that comes is tapped at once, and the card itself says what is left.

import { theAgent } from "../connection.js";
import { button, el } from "../dom.js";
import { now, update } from "../store.js";
import { currentLanguage, t } from "../texts.js";
import { problemWords } from "../wording.js";
import { follow } from "./job.js";

/** Yen of one ride of the demonstration, and what leaves the card for it. */
const FARE = 200;
const PAID_BY_CARD = 100;

/** @param {any} screen @returns {import("../stage.js").Drawing} */
export function gate(screen) {
  if (!screen.begun) begin(screen);
  else if (screen.language !== currentLanguage()) reword(screen);
  const job = screen.job;
  if (!job || job.state === "running") {
    return { title: t("page.gate.title"), body: [el("progress", { "aria-label": t("page.gate.reading") }), el("p", {}, t("page.gate.reading"))], say: [t("page.gate.reading")] };
  }
  return job.state === "done" ? passed(screen, job.result) : stopped(screen, job);
}

/** @param {any} screen */
async function begin(screen) {
  screen.begun = true;
  try {
    await offered(screen);
  } catch (error) {
    screen.job = { state: "failed", problem: /** @type {any} */ (error).problem ?? { code: "hub_unreachable" } };
    return redrawn(screen);
  }
  return tap(screen, { kind: "ride", total: FARE, amount: PAID_BY_CARD });
}

/** What this gate takes, in the language of the moment. @param {any} screen */
async function offered(screen) {
  screen.language = currentLanguage();
  const { profiles } = await theAgent().cardProfiles();
  screen.plugin = profiles[0]?.plugin;
  screen.service = profiles[0]?.title;
}

/** The title comes from the hub in one language: ask for it again. @param {any} screen */
async function reword(screen) {
  await offered(screen).catch(() => undefined);
  if (now().screen === screen) update({ screen });
}

/** @param {any} screen @param {Record<string, any>} order */
async function tap(screen, order) {
  screen.kind = order.kind;
  screen.job = null;
  redrawn(screen);
  screen.job = await follow(() => theAgent().cardTap({ plugin: screen.plugin ?? "none", ...order }), () => undefined);
  return redrawn(screen);
}

/** @param {any} screen */
function redrawn(screen) {
  screen.attend = true;
  if (now().screen === screen) update({ screen });
}

/** @param {any} screen @param {any} result @returns {import("../stage.js").Drawing} */
function passed(screen, result) {
  const facts = [
    ["page.gate.rides_left", result.rides_left],
    ["page.gate.value", t("page.gate.yen", { yen: result.value.toLocaleString("ja-JP") })],
    ["page.gate.transaction", result.transaction],
  ];
  const title = t(screen.kind === "refund" ? "page.gate.refunded" : "page.gate.passed");
  return {
    title,
    tone: "success",
    body: [
      el("p", { class: "lead" }, screen.service ?? ""),
      result.recovered && el("p", { class: "notice notice--warning" }, t("page.gate.recovered")),
      el("dl", { class: "gate__facts" }, ...facts.flatMap(([key, value]) => [el("dt", {}, t(String(key))), el("dd", {}, String(value))])),
      el(
        "div",
        { class: "buttons" },
        button(t("page.gate.again"), () => tap(screen, { kind: "ride", total: FARE, amount: PAID_BY_CARD }), { class: "button button--primary", id: "ride-again" }),
        screen.kind === "ride" && button(t("page.gate.undo"), () => tap(screen, { kind: "refund", amount: PAID_BY_CARD }), { class: "button", id: "undo" }),
      ),
    ],
    say: [title, `${t("page.gate.rides_left")} ${result.rides_left}`],
  };
}

/** @param {any} screen @param {any} job @returns {import("../stage.js").Drawing} */
function stopped(screen, job) {
  const words = problemWords(job.problem ?? { code: "internal_error" });
  return {
    title: words.title,
    tone: "refused",
    body: [
      el("p", { class: "lead" }, words.text),
      words.what_to_do && el("p", { class: "message__todo" }, words.what_to_do),
      el("p", { class: "message__code" }, t("page.code"), " ", el("code", {}, job.problem?.code ?? "")),
      el("div", { class: "buttons" }, button(t("page.gate.try_again"), () => tap(screen, { kind: "ride", total: FARE, amount: PAID_BY_CARD }), { class: "button button--primary" })),
    ],
    say: [words.text, words.what_to_do],
  };
}
