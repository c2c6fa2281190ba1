// The pane 'under the hood': what was said between terminal and card, what the hub checked, what it wrote down.

import { button, byId, el } from "./dom.js";
import { explainCommand, explainResponse, readable } from "./apdu.js";
import { now, subscribe } from "./store.js";
import { detailOf } from "./details.js";
import { hasText, t } from "./texts.js";

const FOLDED = "mykey.hood";
/** As in layout.css: a tall screen that is read standing. */
const KIOSK = "(min-width: 60em) and (min-height: 75em)";
/** The hub's checks in their order (mykey_core.trust.types.Check): what follows a failed one was not reached. */
export const CHECKS = [
  "token_shape",
  "certificate_kind",
  "certificate_time",
  "key_usage",
  "policy",
  "path",
  "token_signature",
  "revocation",
];
/** @type {Record<string, string>} */
const SIGNS = { passed: "✓", failed: "✕", not_reached: "–" };

/** Draw whenever there is new evidence. */
export function startHood() {
  subscribe((changed) => ["evidence", "language", "tray"].some((name) => changed.has(name)) && draw());
}

/** Unless somebody has pressed it, the pane is open where there is room beside the service, and folded at a kiosk. */
function folded() {
  const chosen = sessionStorage.getItem(FOLDED);
  return chosen ? chosen === "folded" : window.matchMedia(KIOSK).matches;
}

function draw() {
  const { evidence, tray } = now();
  const hood = byId("hood");
  hood.hidden = !tray; // for visitors of the demo; at a real reader the screen belongs to the service
  byId("desk").dataset.hood = hood.hidden || folded() ? "folded" : "open";
  if (hood.hidden) return;
  const focused = document.activeElement?.id === "hood-toggle";
  const content = el("div", { id: "hood-content", class: "hood__content", hidden: folded() });
  content.append(el("p", { class: "hood__intro" }, t("page.hood.intro")), ...(evidence ? sections(evidence) : [nothingYet()]));
  hood.replaceChildren(el("h2", { id: "hood-title" }, toggle()), content);
  if (focused) byId("hood-toggle").focus();
}

function toggle() {
  const press = () => {
    sessionStorage.setItem(FOLDED, folded() ? "open" : "folded");
    draw();
  };
  return button(t("page.hood.title"), press, {
    id: "hood-toggle",
    class: "hood__toggle",
    "aria-expanded": String(!folded()),
    "aria-controls": "hood-content",
  });
}

function nothingYet() {
  return el("p", { class: "hood__empty" }, t("page.hood.empty"));
}

/** @param {any} evidence */
function sections(evidence) {
  const trace = section("trace", evidence.trace.length ? traceList(evidence.trace) : el("p", {}, t("page.hood.no_trace")));
  // A hub in use keeps its checks and records to itself: that nothing came says nothing about them.
  if (!document.body.dataset.evidence) return [el("p", { class: "hood__kept" }, t("page.hood.not_shown")), trace];
  return [
    section("checks", evidence.checks.length ? checkList(evidence.checks) : el("p", {}, t("page.hood.no_checks"))),
    trace,
    section("audit", evidence.audit ? auditList(evidence.audit) : el("p", {}, t("page.hood.no_audit"))),
  ];
}

/**
 * @param {string} name
 * @param {Node} content
 */
function section(name, content) {
  const summary = el("summary", {}, el("h3", {}, t(`page.hood.${name}`)));
  return el("details", { open: true, class: `hood__section hood__section--${name}` }, summary, content);
}

/** @param {{check: string, result: string, detail?: string}[]} checks */
function checkList(checks) {
  const named = new Set(checks.map((one) => one.check));
  const failed = checks.some((one) => one.result === "failed");
  const rest = CHECKS.filter((check) => failed && !named.has(check)).map((check) => ({ check, result: "not_reached" }));
  return el("ol", { class: "checks" }, ...[...checks, ...rest].map(checkItem));
}

/** @param {{check: string, result: string, detail?: string}} one */
function checkItem(one) {
  const key = `check.${one.check}`;
  const detail = detailOf(one);
  return el(
    "li",
    { class: `checks__item checks__item--${one.result}` },
    el("span", { class: "checks__sign", "aria-hidden": "true" }, SIGNS[one.result] ?? "?"),
    el("span", { class: "checks__name" }, hasText(key) ? t(key) : one.check),
    el("span", { class: "checks__result" }, t(`page.check.${one.result}`)),
    detail && el("span", { class: "checks__detail", lang: detail.lang }, detail.text),
  );
}

/** @param {import("./agent.js").TraceLine[]} trace */
function traceList(trace) {
  return el("ol", { class: "trace" }, ...trace.map(traceItem));
}

/** @param {import("./agent.js").TraceLine} line */
function traceItem(line) {
  const command = explainCommand(line.command);
  const response = explainResponse(line.response, line.command);
  return el(
    "li",
    { class: "trace__item" },
    el("p", { class: "trace__words" }, t(command.key, command.values)),
    el("p", { class: "trace__line" }, el("span", { class: "trace__who", "aria-label": t("page.hood.command") }, "→"), el("code", {}, readable(line.command))),
    el("p", { class: "trace__line" }, el("span", { class: "trace__who", "aria-label": t("page.hood.response") }, "←"), el("code", {}, readable(line.response))),
    el("p", { class: `trace__status trace__status--${response.good ? "good" : "bad"}` }, t(response.key, response.values)),
  );
}

/** @param {Record<string, any>} audit */
function auditList(audit) {
  const rows = Object.entries(audit).map(([name, value]) =>
    el("div", {}, el("dt", {}, el("code", {}, name)), el("dd", {}, el("code", {}, shown(value)))),
  );
  return el("dl", { class: "audit", lang: "en" }, ...rows);
}

/** @param {any} value */
function shown(value) {
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value);
}
