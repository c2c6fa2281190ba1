// Who is signed in at the card counter: the hub gives a voucher for each order, and the agent hands it in with it.

import { noteForeign } from "../../hub/card-exchange.js";
import { now } from "../store.js";

/**
 * The clerk of this browser's session, with a voucher for this terminal; null when nobody is signed in.
 * @returns {Promise<{title: string, voucher: string, by_card: boolean}|null>}
 */
export async function clerkHere() {
  const terminal = now().status?.terminal_id;
  if (!terminal) return null;
  const address = `${location.pathname}/clerk/${encodeURIComponent(terminal)}`;
  try {
    const answer = await fetch(address, { credentials: "same-origin", cache: "no-store", redirect: "error" });
    return answer.ok ? (await answer.json()).clerk : null;
  } catch {
    return null; // the hub is away: the order says so itself
  }
}

/**
 * An order with the clerk's voucher, if there is one; `met` hears who it is.
 * @template {Record<string, any>} T
 * @param {T} order
 * @param {(title: string|null) => void} [met]
 */
export async function inNameOfClerk(order, met = () => undefined) {
  const clerk = await clerkHere();
  if (clerk?.by_card) noteForeign(now().status?.reader); // the staff card had to leave for this one
  met(clerk?.title ?? null);
  return clerk ? { ...order, clerk: clerk.voucher } : order;
}
