// What stands beside a check of the hub, in words. The hub sends facts for its log; the words are the page's.

import { currentLanguage, hasText, t } from "./texts.js";

const UNTIL = /^until (\d{4})$/;
const AS_OF = /^(.+), as of (\S+), (\w+)$/;

/**
 * The detail of a check (`VerifiedToken.checks` of mykey_core.authentication.verifier), or null where it has none. What
 * has no words here, such as a policy's number or the reason of a refusal, is shown as it came.
 * @param {{check: string, detail?: string}} one
 * @returns {{text: string, lang: string|undefined}|null}
 */
export function detailOf(one) {
  if (!one.detail) return null;
  const text = worded(one.check, one.detail);
  return text === null ? { text: one.detail, lang: "en" } : { text, lang: undefined };
}

/** @param {string} check @param {string} detail */
function worded(check, detail) {
  const until = UNTIL.exec(detail);
  if (until) return t("page.detail.until", { year: until[1] });
  const answer = AS_OF.exec(detail);
  if (answer) return t("page.detail.as_of", { source: answer[1], time: clock(answer[2]), mode: mode(answer[3]) });
  const kind = `page.detail.kind.${detail}`;
  return check === "certificate_kind" && hasText(kind) ? t(kind) : null;
}

/** @param {string} name of how the list was got */
function mode(name) {
  const key = `page.detail.mode.${name}`;
  return hasText(key) ? t(key) : name;
}

/** @param {string} time in ISO 8601 */
function clock(time) {
  const language = currentLanguage() === "en" ? "en-GB" : "ja-JP";
  const at = new Date(time);
  return Number.isNaN(at.valueOf()) ? time : at.toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}
