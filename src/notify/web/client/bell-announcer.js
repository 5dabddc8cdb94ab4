/** @file What is said to those who hear the page: politely, in one place, and one thing at a time. */

import { make } from "./bell-dom.js";

const PAUSE_MS = 150;

export class Announcer {
  element = make("div", { class: "unseen", role: "status", "aria-live": "polite", "aria-atomic": "true" });
  /** @type {string[]} */
  #waiting = [];
  #timer = 0;

  /** @param {AbortSignal} signal */
  begin(signal) {
    signal.addEventListener("abort", () => {
      clearTimeout(this.#timer);
      this.#waiting = [];
      this.element.textContent = "";
    });
  }

  /** @param {string} text */
  say(text) {
    if (!this.#waiting.includes(text)) this.#waiting.push(text);
    // The same again is only heard if it was gone in between.
    this.element.textContent = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.element.textContent = this.#waiting.join(". ");
      this.#waiting = [];
    }, PAUSE_MS);
  }
}
