// After a citizen's card was read: until the staff card is back, the record says so and counts down.
// Whether it is back, `card-watch.js` decides, which runs on every page of the counter.

import { exchanging, remainingMs } from "./card-exchange.js";

const LOOK_EVERY_MS = 1_000;
const place = /** @type {HTMLElement} */ (document.getElementById("put-back"));

function look() {
  place.hidden = !exchanging();
  if (place.hidden) return window.clearInterval(timer);
  const left = Math.ceil(remainingMs() / 1000);
  place.textContent = String(place.dataset.text).replace("{seconds}", String(left));
}

const timer = window.setInterval(look, LOOK_EVERY_MS);
look();
