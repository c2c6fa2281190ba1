// One reader, two cards: while a citizen's card is read, the staff card may be out, for three minutes and no longer.
// Cards are told apart by the agent's id of each insertion: the one that was read is not taken for the staff card.

import { insertionOf, sessionsCard } from "../point/session.js";

const KEY = "mykey-card-exchange";
const FOREIGN = "mykey-card-foreign";
const LENGTH_MS = 180_000;
const BACK_MS = 60_000;

/** The staff card may leave the reader now. */
export function beginExchange() {
  sessionStorage.setItem(KEY, String(Date.now() + LENGTH_MS));
  sessionStorage.removeItem(FOREIGN);
}

/** This is a citizen's card, for which the staff card had to leave. @param {any} reader of the agent's status */
export function noteForeign(reader) {
  const insertion = insertionOf(reader);
  if (!insertion || insertion === sessionsCard()) return;
  sessionStorage.setItem(KEY, String(Date.now() + LENGTH_MS));
  sessionStorage.setItem(FOREIGN, insertion);
}

/** The citizen's card has been read: one minute to take it out and to put the staff card back. */
export function endExchange() {
  sessionStorage.setItem(KEY, String(Date.now() + BACK_MS));
}

/** True while the staff card may be out. */
export function exchanging() {
  return Date.now() < Number(sessionStorage.getItem(KEY) ?? 0);
}

/** How long the staff card may still be out. */
export function remainingMs() {
  return Number(sessionStorage.getItem(KEY) ?? 0) - Date.now();
}

/**
 * Whether the staff card is back: a card that came after the citizen's. Before one was read nobody can tell.
 * @param {string} insertion of the card in the reader
 */
export function isBack(insertion) {
  const foreign = sessionStorage.getItem(FOREIGN);
  return exchanging() && foreign !== null && foreign !== insertion && document.body.dataset.reading !== "true";
}

/** The staff card is back: from now on the session ends with it again. */
export function finishExchange() {
  sessionStorage.removeItem(KEY);
  sessionStorage.removeItem(FOREIGN);
}
