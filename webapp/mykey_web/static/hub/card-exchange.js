// One reader, two cards: while a citizen's card is read, the staff card may be out, for three minutes and no longer.

const KEY = "mykey-card-exchange";
const LENGTH_MS = 180_000;
const BACK_MS = 60_000;

/** The staff card may leave the reader now. */
export function beginExchange() {
  sessionStorage.setItem(KEY, String(Date.now() + LENGTH_MS));
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

/** The staff card is back: from now on the session ends with it again. */
export function finishExchange() {
  sessionStorage.removeItem(KEY);
}
