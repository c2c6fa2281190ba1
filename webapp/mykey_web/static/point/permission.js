// Why a request to the agent did not get through: the browser asks, the browser refuses, or nobody listens.
// All three look alike to fetch; Chromium's Local Network Access permission tells them apart.

const NAMES = ["loopback-network", "local-network-access", "local-network"];
const LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"];

/** @typedef {"agent_missing"|"permission_asking"|"permission_denied"} Cause */

/** A page that itself comes from loopback needs no permission for loopback. */
export function needsPermission() {
  return !LOOPBACK_HOSTS.includes(location.hostname);
}

/** @returns {Promise<Cause>} */
export async function causeOfSilence() {
  if (!needsPermission()) return "agent_missing";
  const state = await permissionState();
  if (state === "denied") return "permission_denied";
  return state === "prompt" ? "permission_asking" : "agent_missing";
}

/** What the browser will put in the way of the first request, or null. @returns {Promise<Cause|null>} */
export async function obstacleAhead() {
  const cause = await causeOfSilence();
  return cause === "agent_missing" ? null : cause;
}

/** @returns {Promise<PermissionState|null>} null where the browser knows no such permission */
async function permissionState() {
  for (const name of NAMES) {
    const state = await query(name);
    if (state) return state;
  }
  return null;
}

/** @param {string} name */
async function query(name) {
  try {
    const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ (name) });
    return status.state;
  } catch {
    return null;
  }
}
