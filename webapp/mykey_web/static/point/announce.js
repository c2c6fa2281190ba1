// Saying to screen readers what changed where the eye sees it.

import { byId } from "./dom.js";

/**
 * Announce politely. The region is emptied first, so that the same words are read again.
 * @param {...(string|undefined|null)} sentences
 */
export function announce(...sentences) {
  const region = byId("announcer");
  region.textContent = "";
  const words = sentences.filter(Boolean).join(" ");
  window.setTimeout(() => (region.textContent = words), 50);
}
