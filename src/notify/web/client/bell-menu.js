/** @file The menu of a notification: one for the whole list, opened by the button of each. */

import { hasFocus, make, place, raise, set } from "./bell-dom.js";

/** @typedef {{ label: string, hint?: string, act: () => void } | { group: string, entries: Entry[] } | null} Entry null: a line */

const TYPED_MS = 700;
const FAR = 4;

export class Menu {
  element = make("div", { class: "menu", part: "menu", role: "menu", popover: "manual", hidden: true });
  /** @type {HTMLElement | null} */
  #button = null;
  #onChange;
  /** Where the button was. */
  #top = 0;
  #typed = "";
  #typedAt = 0;

  /** @param {(isOpen: boolean) => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget && !this.element.contains(/** @type {Node} */ (relatedTarget))) this.close(false);
    });
  }

  /** @param {AbortSignal} signal */
  begin(signal) {
    const away = (/** @type {Event} */ event) => {
      const path = event.composedPath();
      if (this.#button && !path.includes(this.element) && !path.includes(this.#button)) this.close(false);
    };
    window.addEventListener("pointerdown", away, { capture: true, signal });
    const moved = () => this.#button && Math.abs(this.#button.getBoundingClientRect().top - this.#top) > FAR && this.close(false);
    window.addEventListener("scroll", moved, { capture: true, passive: true, signal });
    window.addEventListener("resize", () => this.close(false), { signal });
    signal.addEventListener("abort", () => this.close(false));
  }

  /** Whether what it belongs to is gone. */
  get isOrphan() {
    return !!this.#button && !this.#button.isConnected;
  }

  /** @param {HTMLElement} button @param {string} label @param {Entry[]} entries */
  open(button, label, entries) {
    const wasOpen = this.#button === button;
    this.close(wasOpen);
    if (wasOpen) return;
    this.#button = button;
    this.#typed = "";
    this.#top = button.getBoundingClientRect().top;
    set(button, "aria-expanded", "true");
    set(this.element, "aria-label", label);
    this.element.replaceChildren(...entries.map((entry) => this.#made(entry)));
    raise(this.element, true);
    place(this.element, button, 4);
    this.#items[0]?.focus({ preventScroll: true });
    this.#onChange(true);
  }

  /** @param {boolean} isFocusBack */
  close(isFocusBack) {
    const button = this.#button;
    if (!button) return;
    this.#button = null;
    const goesBack = isFocusBack || hasFocus(this.element);
    set(button, "aria-expanded", "false");
    if (goesBack) button.focus({ preventScroll: true });
    raise(this.element, false);
    this.#onChange(false);
  }

  get #items() {
    return /** @type {HTMLElement[]} */ ([...this.element.querySelectorAll("[role=menuitem]")]);
  }

  /** @param {Entry} entry @returns {HTMLElement} */
  #made(entry) {
    if (!entry) return make("div", { class: "line", role: "separator" });
    if ("group" in entry) {
      const { group, entries } = entry;
      const heading = make("div", { class: "group", "aria-hidden": "true" }, group);
      return make("div", { role: "group", "aria-label": group }, heading, ...entries.map((each) => this.#made(each)));
    }
    const { label, hint, act } = entry;
    const about = { class: "choice", part: "menu-item", role: "menuitem", type: "button", tabindex: -1 };
    const button = make("button", about, make("span", {}, label), hint ? make("span", { class: "hint" }, hint) : null);
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      this.close(true);
      act();
    });
    return button;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const items = this.#items;
    const at = items.indexOf(/** @type {HTMLElement} */ (event.target));
    const last = items.length - 1;
    /** @type {Record<string, number>} */
    const ways = { ArrowDown: at < last ? at + 1 : 0, ArrowUp: at > 0 ? at - 1 : last, Home: 0, End: last };
    const way = ways[event.key] ?? this.#typing(event, items, at);
    event.stopPropagation();
    if (event.key === "Escape") {
      event.preventDefault();
      this.close(true);
    } else if (event.key === "Tab") this.close(true);
    else if (way !== undefined) {
      event.preventDefault();
      items[way]?.focus({ preventScroll: true });
    }
  }

  /** The next that begins with what was typed. @param {KeyboardEvent} event @param {HTMLElement[]} items @param {number} at */
  #typing({ key, timeStamp, altKey, ctrlKey, metaKey }, items, at) {
    if ([...key].length !== 1 || key === " " || altKey || ctrlKey || metaKey) return undefined;
    this.#typed = timeStamp - this.#typedAt < TYPED_MS ? this.#typed + key : key;
    this.#typedAt = timeStamp;
    const order = [...items.slice(at + 1), ...items.slice(0, at + 1)];
    const found = order.find((item) => item.textContent?.toLocaleLowerCase().startsWith(this.#typed.toLocaleLowerCase()));
    return found ? items.indexOf(found) : undefined;
  }
}
