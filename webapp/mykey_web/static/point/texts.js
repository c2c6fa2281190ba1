// The wording of the page in the language of the moment. The texts come from the hub as JSON; none is in the code.

/** @type {Record<string, string>} */
let texts = {};
/** @type {Map<string, Promise<Record<string, string>>>} what was fetched: a language can be chosen without the hub */
const known = new Map();
let language = document.documentElement.lang;
const KEPT_LANGUAGE = "mykey.language";
const RENDERED_LANGUAGE = "mykey.language.rendered";

/** The language tag of what the page shows now: `ja`, `en` or `ja-Hira`. */
export function currentLanguage() {
  return language;
}

/**
 * The language chosen earlier in this tab, unless the hub was asked for one since: by `?lang=`, or on its other pages,
 * so that it renders in another language than the last time.
 */
export function rememberedLanguage() {
  const rendered = document.documentElement.lang;
  const asked = new URLSearchParams(location.search).has("lang") || sessionStorage.getItem(RENDERED_LANGUAGE) !== rendered;
  sessionStorage.setItem(RENDERED_LANGUAGE, rendered);
  return (asked ? null : sessionStorage.getItem(KEPT_LANGUAGE)) ?? rendered;
}

/**
 * A choice on the page is newer than the `?lang=` it came with: a reload must not bring that back, even one that comes
 * before the words of the choice have.
 * @param {string} chosen
 */
export function rememberChoice(chosen) {
  sessionStorage.setItem(KEPT_LANGUAGE, chosen);
  const address = new URL(location.href);
  if (!address.searchParams.has("lang")) return;
  address.searchParams.delete("lang");
  history.replaceState(history.state, "", address);
}

/**
 * Load a language and show every static text of the page in it.
 * @param {string} wanted
 * @returns {Promise<void>}
 */
export async function useLanguage(wanted) {
  texts = await fetched(wanted);
  language = wanted;
  sessionStorage.setItem(KEPT_LANGUAGE, wanted);
  document.documentElement.lang = wanted;
  applyStaticTexts();
}

/** Fetch every language that the page offers, for the time when the hub is away. */
export async function fetchLanguages() {
  const buttons = [...document.querySelectorAll("[data-language]")];
  const wanted = buttons.map((node) => /** @type {HTMLElement} */ (node).dataset.language ?? "ja");
  await Promise.allSettled(wanted.map(fetched));
}

/** @param {string} wanted */
function fetched(wanted) {
  const before = known.get(wanted);
  if (before) return before;
  const texts = fetchTexts(wanted);
  known.set(wanted, texts);
  texts.catch(() => known.delete(wanted));
  return texts;
}

/**
 * @param {string} wanted
 * @returns {Promise<Record<string, string>>}
 */
async function fetchTexts(wanted) {
  const address = String(document.body.dataset.texts).replace("LANG", wanted);
  const response = await fetch(address, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`no texts for ${wanted}: ${response.status}`);
  return response.json();
}

function applyStaticTexts() {
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = t(/** @type {HTMLElement} */ (node).dataset.text ?? "");
  }
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", t(/** @type {HTMLElement} */ (node).dataset.label ?? ""));
  }
  for (const node of document.querySelectorAll("[data-language]")) {
    const own = /** @type {HTMLElement} */ (node).dataset.language;
    node.setAttribute("aria-pressed", String(own === language));
  }
}

/**
 * The text of `key`, with `{name}` replaced by `values.name`; the key itself when unknown.
 * @param {string} key
 * @param {Record<string, string|number>} [values]
 */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/**
 * True when the catalogue has `key`.
 * @param {string} key
 */
export function hasText(key) {
  return key in texts;
}

/**
 * The language tag for words from a record, such as a title of a book: `ja` for Japanese on a page in another
 * language, otherwise undefined (as its surroundings).
 * @param {string} words
 */
export function ownLanguage(words) {
  return language === "en" && /[\u3040-\u30ff\u3400-\u9fff]/.test(words) ? "ja" : undefined;
}

/**
 * Pick from `{ja, en}` what suits the language, with the tag of what was picked.
 * @param {Record<string, string>} choices
 * @returns {{text: string, lang: string}}
 */
export function localised(choices) {
  for (const tag of [language, language.split("-")[0], "ja", "en"]) {
    if (choices[tag]) return { text: choices[tag], lang: tag };
  }
  return { text: "", lang: language };
}
