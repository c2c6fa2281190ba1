// The answer of the terminal itself while the hub is away: what was noted, and that it will be sent.

import { t } from "./texts.js";

/**
 * A result as a service would give it.
 * @param {import("./agent.js").Action|undefined} action
 * @param {Record<string, string>} input
 */
export function notedResult(action, input) {
  const fields = action?.fields ?? [];
  const rows = fields.filter(({ name }) => input[name]).map(({ name, title }) => ({ label: title, value: input[name] }));
  return {
    outcome: "done",
    code: "noted_offline",
    message: {
      title: t("page.noted.title"),
      text: t("page.noted.text"),
      what_to_do: t("page.noted.what_to_do"),
    },
    view: rows.length ? [{ kind: "facts", rows }] : [],
    offers: action ? [action.name] : [],
  };
}
