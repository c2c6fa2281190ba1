// Finding the words for a refusal: by its code in the page's language, else as the hub or the agent worded it.

import { hasText, t } from "./texts.js";

/**
 * @typedef {{title: string, text: string, what_to_do: string, own: boolean}} Words
 * `own` is true when the words are in the page's language.
 */

/**
 * @param {import("./agent.js").Problem} problem
 * @param {Record<string, string|number>} [values]
 * @returns {Words}
 */
export function problemWords(problem, values = {}) {
  const code = problem.code ?? "internal_error";
  if (hasText(`refusal.${code}.title`)) return { ...wordsOf(code, values), own: true };
  if (!problem.title) return { ...wordsOf("internal_error", values), own: true };
  return {
    title: problem.title,
    text: problem.detail ?? "",
    what_to_do: problem.what_to_do ?? "",
    own: false,
  };
}

/**
 * @param {string} code
 * @param {Record<string, string|number>} values
 */
function wordsOf(code, values) {
  return {
    title: t(`refusal.${code}.title`, values),
    text: t(`refusal.${code}.text`, values),
    what_to_do: t(`refusal.${code}.what_to_do`, values),
  };
}
