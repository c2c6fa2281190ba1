// The screen of a card counter: what is on the card in the reader, and what staff can do with it.

import { theAgent } from "../connection.js";
import { button, el } from "../dom.js";
import { now, update } from "../store.js";
import { currentLanguage, t } from "../texts.js";
import { problemWords } from "../wording.js";
import { inNameOfClerk } from "./clerk.js";
import { follow } from "./job.js";
import { approvalForm, deleteForm, releaseForm, writeForm } from "./forms.js";
import { cardFacts, progressOf, stepsOf } from "./parts.js";

/**
 * @typedef {object} Desk  what the counter knows of the card in the reader
 * @property {any} [offer]   profiles, four_eyes
 * @property {any} [card]    its state, as the hub read it
 * @property {import("./job.js").Job|null} [job]
 * @property {string} [doing] the operation of the job
 * @property {boolean} [dry]
 * @property {string|null} [clerk] who is signed in here: the record names them
 * @property {any} [order]
 * @property {{id: string, service: string}|null} [visit] of the person whose card it is, after a tap with the PIN
 */

/** @param {{desk?: Desk, visit?: any}} screen @returns {import("../stage.js").Drawing} */
export function cards(screen) {
  if (!screen.desk) begin(screen);
  const desk = screen.desk ?? {};
  if (desk.offer && desk.language !== currentLanguage()) reword(screen);
  const busy = desk.job?.state === "running" || !desk.offer;
  return {
    title: t("page.cards.title"),
    tone: toneOf(desk),
    body: [
      desk.clerk ? el("p", { class: "small", id: "cards-clerk" }, t("page.cards.clerk", { name: desk.clerk })) : null,
      outcome(screen, desk),
      desk.card ? cardFacts(desk.card, desk.offer, busy ? null : (operation, plugin) => act(screen, operation, plugin)) : null,
      busy || !desk.card ? null : actions(screen, desk),
    ],
    say: [spoken(desk)],
  };
}

/** @param {any} screen */
async function begin(screen) {
  screen.desk = { visit: screen.visit ?? null };
  try {
    await offered(screen);
  } catch (error) {
    screen.desk.job = { state: "failed", problem: /** @type {any} */ (error).problem ?? { code: "hub_unreachable" } };
    return attend(screen);
  }
  return run(screen, { operation: "check" });
}

/** What can be written here, in the language of the moment. @param {any} screen */
async function offered(screen) {
  screen.desk.language = currentLanguage();
  screen.desk.offer = await theAgent().cardProfiles();
}

/** The titles come from the hub in one language: ask for them again. @param {any} screen */
async function reword(screen) {
  await offered(screen).catch(() => undefined);
  redrawn(screen);
}

/**
 * @param {any} screen
 * @param {Record<string, any>} order
 */
export async function run(screen, order) {
  const begin = async () => theAgent().writeCard(await inNameOfClerk(order, (title) => (screen.desk.clerk = title)));
  return watch(screen, order, begin);
}

/** @param {any} screen @param {Record<string, any>} order @param {() => Promise<any>} begin */
async function watch(screen, order, begin) {
  Object.assign(screen.desk, { doing: order.operation, dry: Boolean(order.dry_run), order, job: { state: "running" } });
  attend(screen);
  const job = await follow(begin, (seen) => {
    screen.desk.job = seen;
    if (seen.card) screen.desk.card = seen.card;
    if (seen.state === "running") redrawn(screen);
  });
  if (job.state === "done" && order.operation !== "check" && !order.dry_run) await readAgain(screen);
  attend(screen);
}

/** Draw again, with the focus on the title and the words spoken: something has begun or ended. @param {any} screen */
function attend(screen) {
  screen.attend = true;
  redrawn(screen);
}

/** The card after a change, without losing the words about the change. @param {any} screen */
async function readAgain(screen) {
  const last = screen.desk.job;
  const check = await follow(async () => theAgent().writeCard(await inNameOfClerk({ operation: "check" })), () => undefined);
  screen.desk.card = check.card ?? screen.desk.card;
  screen.desk.job = last;
}

/** Draw again unless the visitor is elsewhere by now. @param {any} screen */
function redrawn(screen) {
  if (now().screen === screen) update({ screen });
}

/** @param {any} screen @param {string} operation @param {string} plugin */
function act(screen, operation, plugin) {
  if (operation === "delete") {
    screen.desk.asking = plugin;
    redrawn(screen);
    return document.getElementById("refunded-delete")?.focus();
  }
  return run(screen, { operation, plugin });
}

/** @param {any} screen @param {any} desk */
function outcome(screen, desk) {
  const job = desk.job;
  if (!job) return el("p", {}, t("page.cards.reading"));
  if (job.state === "running") return progressOf(job, desk.doing);
  if (job.state === "approval") return approval(screen, job);
  if (job.state === "done") return done(desk, job);
  return trouble(screen, job);
}

/** @param {any} desk @param {any} job */
function done(desk, job) {
  if (desk.doing === "check") return el("p", { class: "notice notice--success", id: "cards-done" }, t("page.cards.checked"));
  const key = desk.dry ? (job.plan.length ? "page.cards.planned" : "page.cards.nothing_to_do") : `page.cards.done.${desk.doing}`;
  return el("div", { class: "notice notice--success", id: "cards-done" }, el("p", {}, t(key)), desk.dry && stepsOf(job));
}

/** @param {any} screen @param {any} job */
function approval(screen, job) {
  const order = screen.desk.order;
  const goOn = () => watch(screen, order, () => theAgent().writingStep(job.writing_id, "go-on"));
  return el(
    "div",
    { class: "notice notice--warning", id: "cards-approval" },
    el("p", {}, t("page.cards.approval")),
    el("p", {}, t("page.cards.approval_number"), " ", el("code", { id: "writing-id" }, job.writing_id)),
    el("div", { class: "buttons" }, button(t("page.cards.go_on"), goOn, { class: "button button--primary" })),
  );
}

/** @param {any} screen @param {any} job */
function trouble(screen, job) {
  const words = problemWords(job.problem ?? { code: "internal_error" });
  const again = () => run(screen, { operation: "check" });
  return el(
    "div",
    { class: "notice notice--refused", id: "cards-problem" },
    el("p", {}, words.title),
    words.text && el("p", {}, words.text),
    words.what_to_do && el("p", {}, words.what_to_do),
    el("p", { class: "message__code" }, t("page.code"), " ", el("code", {}, job.problem?.code ?? "")),
    stepsOf(job),
    el("div", { class: "buttons" }, button(t("page.cards.check_again"), again, { class: "button" })),
    job.state === "quarantined" && releaseForm(job.writing_id, () => run(screen, { operation: "check" })),
  );
}

/** @param {any} screen @param {any} desk */
function actions(screen, desk) {
  const order = (/** @type {any} */ wanted) => run(screen, wanted);
  const asking = desk.asking;
  desk.asking = undefined;
  return el(
    "div",
    { class: "cards__actions" },
    asking && deleteForm({ operation: "delete", plugin: asking }, order),
    writeForm(desk, order),
    el(
      "details",
      { class: "cards__more" },
      el("summary", {}, t("page.cards.more")),
      deleteForm({ operation: "move-out" }, order),
      el(
        "div",
        { class: "buttons" },
        button(t("page.cards.check_again"), () => order({ operation: "check" }), { class: "button" }),
        button(t("page.cards.rotate"), () => order({ operation: "rotate" }), { class: "button", id: "rotate" }),
        button(t("page.cards.raise_floor"), () => order({ operation: "raise-floor" }), { class: "button" }),
      ),
      approvalForm(),
    ),
  );
}

/** @param {any} desk @returns {"calm"|"success"|"warning"|"refused"} */
function toneOf(desk) {
  const state = desk.job?.state;
  if (!state || state === "running") return "calm";
  if (state === "done") return "success";
  return state === "approval" ? "warning" : "refused";
}

/** @param {any} desk */
function spoken(desk) {
  const job = desk.job;
  if (!job || job.state === "running") return job?.steps_done === undefined ? t("page.cards.reading") : undefined;
  if (job.state === "done") return desk.doing === "check" ? t("page.cards.checked") : desk.dry ? t("page.cards.planned") : t(`page.cards.done.${desk.doing}`);
  if (job.state === "approval") return t("page.cards.approval");
  const words = problemWords(job.problem ?? {});
  return `${words.title} ${words.what_to_do}`;
}
