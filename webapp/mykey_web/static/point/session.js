// Where the agent is and the token that pairs this tab with it. Both live in the tab only and end with it.
// The address is always the loopback interface: the fragment chooses a port, never a host.

const PORT = "mykey.agent";
const TOKEN = "mykey.pairing";

/**
 * @typedef {{agent: number|null, code: string|null}} Invitation
 */

/**
 * Read `#agent=PORT&pair=CODE` once and take it out of the address bar and the history: the code is for one use.
 * @returns {Invitation}
 */
export function takeInvitation() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const agent = validPort(fragment.get("agent"));
  const code = fragment.get("pair");
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  if (agent && String(agent) !== sessionStorage.getItem(PORT)) rememberAgent(agent);
  return { agent: agent ?? rememberedAgent(), code };
}

/**
 * A port number from 1 to 65535, or null for anything else.
 * @param {string|null} text
 */
export function validPort(text) {
  const port = /^\d{1,5}$/.test(text ?? "") ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : null;
}

/** Where `mykey terminal run` listens when nobody said otherwise. */
const USUAL = 24125;

/** @returns {number} */
export function rememberedAgent() {
  return validPort(sessionStorage.getItem(PORT)) ?? USUAL;
}

/** @param {number} port */
export function rememberAgent(port) {
  sessionStorage.setItem(PORT, String(port));
  sessionStorage.removeItem(TOKEN);
}

/** @returns {string|null} */
export function pairingToken() {
  return sessionStorage.getItem(TOKEN);
}

/** @param {string|null} token */
export function keepPairingToken(token) {
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
}

const ENDED = "mykey.card-left";

/** A session of the portal ended because its card was taken out: the service point says so when it is shown next. */
export function noteEnd() {
  sessionStorage.setItem(ENDED, "1");
}

/** @returns {boolean} whether that has happened and was not said yet */
export function takeEnd() {
  const noted = sessionStorage.getItem(ENDED) !== null;
  sessionStorage.removeItem(ENDED);
  return noted;
}

const CARD = "mykey.card-insertion";
const NO_CARD = "none";

/**
 * The agent's id of the card that lies in the reader now, new for each insertion; null while there is none.
 * @param {any} reader of the agent's status
 * @returns {string|null}
 */
export function insertionOf(reader) {
  if (!reader?.card_present) return null;
  return reader.insertion ?? `movement ${reader.movements}`; // an agent of before has only the number
}

/**
 * The session is that of this insertion. An agent that could not tell which card signed gives null: then of none.
 * @param {string|null|undefined} insertion undefined from an agent that knows nothing of insertions
 */
export function rememberCard(insertion) {
  if (insertion === undefined) forgetCard();
  else sessionStorage.setItem(CARD, insertion ?? NO_CARD);
}

/**
 * Whether it is the card that signed in. A tab in which nobody signed in holds to the first card that it sees.
 * @param {string} insertion
 */
export function isSessionsCard(insertion) {
  const known = sessionStorage.getItem(CARD);
  if (known === null) rememberCard(insertion);
  return known === null || known === insertion;
}

/** The insertion that signed in here, as far as this tab knows. @returns {string|null} */
export function sessionsCard() {
  return sessionStorage.getItem(CARD);
}

/** The next card that is seen is the session's. */
export function forgetCard() {
  sessionStorage.removeItem(CARD);
}
