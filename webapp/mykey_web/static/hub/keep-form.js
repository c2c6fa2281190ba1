// Changing the language keeps what has been typed. It waits in this tab until the page is there in the other language;
// passwords and PINs never do.

const KEY = "mykey.typed";
const NEVER = new Set(["hidden", "password", "file", "submit", "button"]);

/** @returns {(HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement)[]} */
function fields() {
  const all = document.querySelectorAll("main :is(input, select, textarea)");
  return /** @type {any[]} */ ([...all]).filter((field) => field.name && !NEVER.has(field.type));
}

/** @param {any} field */
const isChoice = (field) => field.type === "checkbox" || field.type === "radio";

function keep() {
  const values = fields().map((field) => [field.name, isChoice(field) ? /** @type {any} */ (field).checked : field.value]);
  sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, values }));
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  sessionStorage.removeItem(KEY);
  if (kept?.path !== location.pathname) return;
  fields().forEach((field, place) => {
    const [name, value] = kept.values[place] ?? [];
    if (name !== field.name) return;
    if (isChoice(field)) /** @type {any} */ (field).checked = value;
    else field.value = value;
  });
}

for (const link of document.querySelectorAll(".languages a")) link.addEventListener("click", keep);
restore();
