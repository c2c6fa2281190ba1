// The page with the QR code: looks every two seconds whether the other device has answered. Without script, a link does.

const LOOK_EVERY_MS = 2_000;

async function look() {
  const response = await fetch(String(document.body.dataset.state), { credentials: "same-origin", cache: "no-store" });
  const answer = response.ok ? await response.json() : { state: "open" };
  if (answer.state !== "open") location.assign(String(document.body.dataset.here));
}

window.setInterval(() => look().catch(() => undefined), LOOK_EVERY_MS);
