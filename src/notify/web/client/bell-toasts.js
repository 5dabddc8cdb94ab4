/** @file What arrives while nobody looks at the list, for a few seconds in the corner of the window. */

import { hasFocus, icon, make, raise, safeUrl, set } from "./bell-dom.js";
import { showActions, showAvatar } from "./bell-item.js";

/** @typedef {import("./notify.d.ts").Notification} Notification */
/** @typedef {import("./bell-languages.js").Speech} Speech */
/** @typedef {{ element: HTMLElement, notification: Notification, isDurable: boolean, timer: number }} Toast */

const MOST = 3;
const SHOWN_MS = 7000;

/** Elements that show the same inbox do not tell of the same thing twice. @type {WeakSet<Notification>} */
const told = new WeakSet();

export class Toasts {
  element = make("div", { class: "toasts", part: "toasts", role: "status", "aria-live": "polite", popover: "manual", hidden: true });
  /** @type {Toast[]} */
  #shown = [];
  #isPaused = false;
  #onSelect;
  #onAction;
  #onLeave;

  /**
   * @param {{
   *   onSelect: (notification: Notification, event: Event, isDurable: boolean) => void,
   *   onAction: (notification: Notification, place: number, event: Event, isDurable: boolean) => void,
   *   onLeave: () => void,
   * }} about
   */
  constructor({ onSelect, onAction, onLeave }) {
    this.#onSelect = onSelect;
    this.#onAction = onAction;
    this.#onLeave = onLeave;
    for (const name of ["pointerenter", "focusin"]) this.element.addEventListener(name, () => this.#pause(true));
    for (const name of ["pointerleave", "focusout"])
      this.element.addEventListener(name, () => this.#pause(this.element.matches(":hover") || hasFocus(this.element)));
    this.element.addEventListener("keydown", (event) => {
      const toast = this.#at(event.target);
      if (event.key === "Escape" && toast) this.#remove(toast, event);
    });
    this.element.addEventListener("click", (event) => this.#click(event));
  }

  /** @param {AbortSignal} signal */
  begin(signal) {
    signal.addEventListener("abort", () => this.clear());
  }

  /** @param {Notification} notification @param {Speech} speech @param {boolean} isDurable */
  show(notification, speech, isDurable) {
    if (told.has(notification) || document.visibilityState !== "visible") return;
    told.add(notification);
    const before = this.#shown.find((toast) => isDurable && toast.notification.id === notification.id);
    if (before) this.#remove(before);
    if (this.#shown.length === MOST) this.#remove(/** @type {Toast} */ (this.#shown.find(({ element }) => !hasFocus(element)) ?? this.#shown[0]));
    const toast = { element: made(notification, speech), notification, isDurable, timer: 0 };
    this.#shown.push(toast);
    // Anew, so that it is above what was shown since.
    raise(this.element, false);
    raise(this.element, true);
    this.element.append(toast.element);
    this.#time(toast);
  }

  /** It is known by now: read, or gone. @param {string} id */
  settle(id) {
    for (const toast of [...this.#shown]) if (toast.isDurable && toast.notification.id === id) this.#remove(toast);
  }

  clear() {
    for (const toast of [...this.#shown]) this.#remove(toast);
  }

  /** @param {EventTarget | null} target */
  #at(target) {
    return this.#shown.find(({ element }) => target instanceof Node && element.contains(target));
  }

  /** @param {boolean} isPaused */
  #pause(isPaused) {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    for (const toast of this.#shown) this.#time(toast);
  }

  /** @param {Toast} toast */
  #time(toast) {
    clearTimeout(toast.timer);
    if (!this.#isPaused) toast.timer = setTimeout(() => this.#remove(toast), SHOWN_MS);
  }

  /** @param {Toast} toast @param {Event} [event] of somebody who was in it */
  #remove(toast, event) {
    clearTimeout(toast.timer);
    const hadFocus = hasFocus(toast.element);
    this.#shown = this.#shown.filter((other) => other !== toast);
    toast.element.remove();
    if (!this.#shown.length) raise(this.element, false);
    if (hadFocus || event?.type === "keydown") {
      const next = this.#shown.at(-1)?.element.querySelector("a, button");
      if (next instanceof HTMLElement) next.focus();
      else this.#onLeave();
    }
    // What was under the pointer is not there any more.
    this.#pause(this.#shown.length > 0 && (this.element.matches(":hover") || hasFocus(this.element)));
  }

  /** @param {Event} event */
  #click(event) {
    const toast = this.#at(event.target);
    const doing = event.target instanceof Element ? event.target.closest("[data-notify-do]") : null;
    if (!toast || !doing) return;
    const { notification, isDurable } = toast;
    const what = doing.getAttribute("data-notify-do");
    if (what === "select") this.#onSelect(notification, event, isDurable);
    if (what === "action") this.#onAction(notification, Number(doing.getAttribute("data-place")), event, isDurable);
    this.#remove(toast);
  }
}

/** @param {Notification} notification @param {Speech} speech */
function made(notification, speech) {
  const { level, title, body, url } = notification;
  const href = safeUrl(url);
  const about = { class: "title", "data-notify-do": "select", part: "toast-title" };
  const avatar = make("div", { class: "avatar" });
  const actions = make("div", { class: "actions" });
  showAvatar(avatar, notification);
  showActions(actions, notification);
  const name = level === "info" ? null : make("span", { class: "unseen" }, `${speech.say(level)}: `);
  const element = make(
    "div",
    { class: "toast", part: `toast toast-${level}` },
    avatar,
    make(
      "div",
      { class: "text" },
      href ? make("a", { ...about, href }, name, title) : make("button", { ...about, type: "button" }, name, title),
      body ? make("p", { class: "body", part: "toast-body" }, body) : null,
      actions,
    ),
    make("button", { class: "plain dismiss", type: "button", "aria-label": speech.say("close"), "data-notify-do": "close" }, icon("cross")),
  );
  set(element, "data-id", notification.id);
  return element;
}
