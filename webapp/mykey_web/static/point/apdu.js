// Plain words for APDUs, from their headers alone: nothing here needs, or sees, the bytes of a PIN.
// Sources of the identifiers: ISO/IEC 7816-4 and the public descriptions of the My Number Card's applications.

/** @typedef {{key: string, values: Record<string, string|number>}} Explanation */

/** @type {Record<string, string>} */
const APPLICATIONS = {
  D392F000260100000001: "jpki",
  D3921000310001010408: "text",
  D3921000310001010402: "face",
  D3921000310001010401: "resident",
  D3921000310001010100: "common",
};
/** Files of the JPKI application that a tap touches. @type {Record<string, string>} */
const FILES = {
  "0001": "sign_certificate",
  "0006": "token",
  "0008": "availability",
  "000A": "auth_certificate",
  "000B": "auth_ca",
  "0017": "auth_key",
  "0018": "auth_pin",
  "001A": "sign_key",
  "001B": "sign_pin",
};
/** @type {Record<string, string>} */
const STATUS = {
  "9000": "ok",
  "6982": "security",
  "6983": "blocked",
  "6984": "blocked",
  "6A82": "not_found",
  "6A86": "parameters",
  "6B00": "past_end",
  "6D00": "unknown",
  "6700": "length",
};
const SHOWN_BYTES = 24;

/** @param {string} text hexadecimal, perhaps with blanks and masked bytes */
function compact(text) {
  return text.replace(/\s+/g, "").toUpperCase();
}

/**
 * Bytes in pairs; a long command is cut, and its length told. The agent has cut answers already.
 * @param {string} text
 */
export function readable(text) {
  const bytes = text.split(" ");
  if (text.includes("…") || bytes.length <= SHOWN_BYTES + 8) return text;
  return `${bytes.slice(0, SHOWN_BYTES).join(" ")} … (${bytes.length} bytes)`;
}

/** @param {string} text @returns {Explanation} */
export function explainCommand(text) {
  const hex = compact(text);
  const instruction = hex.slice(2, 4);
  if (instruction === "A4") return explainSelect(hex);
  if (instruction === "20") return { key: hex.length <= 8 ? "page.apdu.ask_tries" : "page.apdu.verify", values: {} };
  if (instruction === "B0") return { key: "page.apdu.read", values: { offset: offsetOf(hex) } };
  if (instruction === "2A") return { key: "page.apdu.sign", values: {} };
  if (instruction === "24") return { key: "page.apdu.change_pin", values: {} };
  if (instruction === "CA") return { key: "page.apdu.get_data", values: {} };
  if (instruction === "84") return { key: "page.apdu.challenge", values: {} };
  return { key: "page.apdu.other", values: { instruction } };
}

/** @param {string} hex @returns {Explanation} */
function explainSelect(hex) {
  const data = hex.slice(10, 10 + 2 * parseInt(hex.slice(8, 10) || "0", 16));
  if (hex.slice(4, 6) === "04") return { key: `page.apdu.select.${APPLICATIONS[data] ?? "application"}`, values: { id: data } };
  return { key: `page.apdu.select.${FILES[data] ?? "file"}`, values: { id: data } };
}

/** The offset of a READ BINARY: 15 bits, or 8 bits when a short file identifier is in P1. @param {string} hex */
function offsetOf(hex) {
  const p1 = parseInt(hex.slice(4, 6), 16);
  const p2 = parseInt(hex.slice(6, 8), 16);
  return p1 & 0x80 ? p2 : p1 * 256 + p2;
}

/**
 * @param {string} text
 * @param {string} command
 * @returns {Explanation & {good: boolean}}
 */
export function explainResponse(text, command) {
  const status = compact(text).slice(-4);
  const bytes = lengthOf(text);
  if (!status) return { key: "page.sw.none", values: {}, good: false };
  if (/^63C[0-9A-F]$/.test(status)) return explainTries(parseInt(status[3], 16), compact(command));
  const known = STATUS[status];
  if (known === "ok" && bytes > 0) return { key: "page.sw.ok_data", values: { bytes, status }, good: true };
  return { key: `page.sw.${known ?? "other"}`, values: { status }, good: known === "ok" };
}

/** How many bytes came before the status word. @param {string} text */
function lengthOf(text) {
  const told = /\((\d+) bytes\)/.exec(text);
  return told ? Number(told[1]) : Math.max(0, compact(text).length / 2 - 2);
}

/**
 * @param {number} attempts
 * @param {string} command
 */
function explainTries(attempts, command) {
  const asking = command.length <= 8;
  return { key: asking ? "page.sw.tries" : "page.sw.wrong", values: { attempts }, good: asking && attempts > 0 };
}
