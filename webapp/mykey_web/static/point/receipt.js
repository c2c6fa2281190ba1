// Printing what the screen shows: the agent on this computer makes a PDF, the browser prints it, nobody keeps it.

import { announce } from "./announce.js";
import { theAgent } from "./connection.js";
import { now } from "./store.js";
import { t } from "./texts.js";

const FRAME = "receipt";

/**
 * The receipt of an answer, as the agent takes it.
 * @param {any} result
 */
export function receiptOf(result) {
  const { place } = now();
  return {
    town: place?.municipality.title ?? "",
    point: place?.service_point.title ?? "",
    title: result.message.title,
    text: result.message.text ?? "",
    blocks: (result.view ?? []).filter((/** @type {any} */ block) => block.rows?.length).map(blockOf),
  };
}

/** @param {any} block */
function blockOf(block) {
  const rows = block.rows.map((/** @type {any} */ row) => (Array.isArray(row) ? row.map(String) : [row.label, String(row.value)]));
  return { title: block.title ?? "", columns: block.columns ?? [], rows };
}

/** @param {any} result */
export async function printReceipt(result) {
  try {
    const { pdf } = await theAgent().receipt(receiptOf(result));
    const bytes = Uint8Array.from(atob(pdf), (sign) => sign.charCodeAt(0));
    show(URL.createObjectURL(new Blob([bytes], { type: "application/pdf" })));
    announce(t("page.receipt.ready"));
  } catch {
    announce(t("page.receipt.failed"));
    window.print(); // the answer itself on paper, by the page's own print style
  }
}

/** @param {string} address of the PDF in this tab's memory */
function show(address) {
  forgetReceipt();
  const frame = document.createElement("iframe");
  frame.id = FRAME;
  frame.className = "receipt";
  frame.title = t("page.receipt.print");
  frame.addEventListener("load", () => frame.contentWindow?.print());
  frame.src = address;
  document.body.append(frame);
}

/** When the visit ends nothing of the receipt stays in the tab. */
export function forgetReceipt() {
  const frame = document.getElementById(FRAME);
  if (!(frame instanceof HTMLIFrameElement)) return;
  URL.revokeObjectURL(frame.src);
  frame.remove();
}
