// The one place where the state of the page lives, and who is told when it changes.

/**
 * What the screen shows. `name` is the module in `screens/`; the rest belongs to that screen.
 * @typedef {{name: string, [key: string]: any}} Screen
 *
 * @typedef {object} State
 * @property {Screen} screen
 * @property {any} status           the agent's last GET /status, null before
 * @property {{cards: any[], inserted: string|null}|null} tray  null without virtual reader
 * @property {import("./agent.js").Service[]} services
 * @property {{municipality: {title: string}, service_point: {title: string}}|null} place  as the hub names it
 * @property {{service: string, id: string, expires_at: string}|null} visit
 * @property {{trace: any[], checks: any[], audit: any, code: string|null}|null} evidence what is under the hood
 */

/** @type {State} */
const state = {
  screen: { name: "connecting" },
  status: null,
  tray: null,
  services: [],
  place: null,
  visit: null,
  evidence: null,
};
/** @type {Set<(changed: Set<string>) => void>} */
const listeners = new Set();

/** @returns {Readonly<State>} */
export function now() {
  return state;
}

/** @param {Partial<State>} patch */
export function update(patch) {
  Object.assign(state, patch);
  const changed = new Set(Object.keys(patch));
  for (const listener of listeners) listener(changed);
}

/** Tell every listener to draw again, for example in another language. */
export function redraw() {
  const everything = new Set(["language", ...Object.keys(state)]);
  for (const listener of listeners) listener(everything);
}

/** @param {(changed: Set<string>) => void} listener gets the names of what changed */
export function subscribe(listener) {
  listeners.add(listener);
}
