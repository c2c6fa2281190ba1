// Dragging with the mouse or a pen. Fingers scroll the tray and tap instead; the keyboard presses the button.

const THRESHOLD_PX = 6;

/**
 * Let `node` be dragged onto `target`.
 * @param {HTMLElement} node
 * @param {HTMLElement} target
 * @param {() => void} dropped
 */
export function makeDraggable(node, target, dropped) {
  node.addEventListener("pointerdown", (start) => {
    if (start.pointerType === "touch" || start.button !== 0) return;
    new Drag(node, target, dropped, start);
  });
}

class Drag {
  /**
   * @param {HTMLElement} node
   * @param {HTMLElement} target
   * @param {() => void} dropped
   * @param {PointerEvent} start
   */
  constructor(node, target, dropped, start) {
    this.node = node;
    this.target = target;
    this.dropped = dropped;
    this.start = start;
    /** @type {HTMLElement|null} */
    this.ghost = null;
    this.listening = new AbortController();
    const { signal } = this.listening;
    document.addEventListener("pointermove", (event) => this.move(event), { signal });
    document.addEventListener("pointerup", (event) => this.end(event), { signal });
    document.addEventListener("pointercancel", () => this.stop(), { signal });
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.stop(), { signal });
  }

  /** @param {PointerEvent} event */
  move(event) {
    const [dx, dy] = [event.clientX - this.start.clientX, event.clientY - this.start.clientY];
    if (!this.ghost && Math.hypot(dx, dy) < THRESHOLD_PX) return;
    this.ghost ??= this.lift();
    this.ghost.style.left = `${event.clientX}px`;
    this.ghost.style.top = `${event.clientY}px`;
    this.target.classList.toggle("reader--ready", this.over(event));
  }

  /** A picture of the card that follows the pointer. */
  lift() {
    const picture = /** @type {HTMLElement} */ (this.node.querySelector("img")?.cloneNode());
    picture.className = "card-ghost";
    document.body.append(picture);
    this.target.classList.add("reader--waiting");
    return picture;
  }

  /** @param {PointerEvent} event */
  end(event) {
    const dragged = this.ghost !== null;
    const hit = dragged && this.over(event);
    this.stop();
    if (dragged) swallowNextClick();
    if (hit) this.dropped();
  }

  /** @param {PointerEvent} event */
  over(event) {
    const box = this.target.getBoundingClientRect();
    const [x, y] = [event.clientX, event.clientY];
    return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom;
  }

  stop() {
    this.listening.abort();
    this.ghost?.remove();
    this.target.classList.remove("reader--waiting", "reader--ready");
  }
}

/** The click that the browser sends after a drag must not press the card. */
function swallowNextClick() {
  const swallow = (/** @type {Event} */ event) => event.stopPropagation();
  document.addEventListener("click", swallow, { capture: true, once: true });
  window.setTimeout(() => document.removeEventListener("click", swallow, { capture: true }), 0);
}
