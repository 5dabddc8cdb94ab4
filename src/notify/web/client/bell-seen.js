/** @file A notification has been seen when it was in view for a second, in a tab that was looked at. */

/** @typedef {import("./bell-item.js").Row} Row */

const LOOK_MS = 1000;
const STEPS = [0, 0.25, 0.5, 0.75, 1];

export class Seen {
  #mark;
  /** @type {Map<Element, Row>} */
  #watched = new Map();
  /** @type {Set<Row>} */
  #inView = new Set();
  /** Since when each is looked at. @type {Map<Row, number>} */
  #since = new Map();
  /** Those that were told of; should it be refused, they are not told of over and over. @type {Set<string>} */
  #told = new Set();
  #timer = 0;
  #observer = new IntersectionObserver((entries) => this.#notice(entries), { threshold: STEPS });

  /** @param {(ids: string[]) => void} mark is told of all that have been seen by then */
  constructor(mark) {
    this.#mark = mark;
  }

  /** @param {AbortSignal} signal */
  begin(signal) {
    document.addEventListener("visibilitychange", () => this.look(), { signal });
    signal.addEventListener("abort", () => {
      clearTimeout(this.#timer);
      this.#observer.disconnect();
      this.#told.clear();
      for (const all of [this.#watched, this.#inView, this.#since]) all.clear();
    });
  }

  /** @param {Row} row @param {boolean} isThere */
  watch(row, isThere) {
    const { element } = row;
    if (isThere) {
      this.#watched.set(element, row);
      return this.#observer.observe(element);
    }
    this.#observer.unobserve(element);
    this.#watched.delete(element);
    this.#inView.delete(row);
    this.#since.delete(row);
  }

  /** What is in view may be another, or unseen again. */
  look() {
    const now = performance.now();
    const isLookedAt = document.visibilityState === "visible";
    if (!isLookedAt) this.#since.clear();
    else for (const row of this.#inView) if (this.#isUnseen(row) && !this.#since.has(row)) this.#since.set(row, now);
    this.#wait();
  }

  /** @param {Row} row */
  #isUnseen({ notification: item }) {
    return !!item && !item.seen_at && !item.read_at && !item.archived_at && !item.snoozed_until && !this.#told.has(keyOf(item));
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #notice(entries) {
    for (const { target, intersectionRatio, intersectionRect, rootBounds } of entries) {
      const row = this.#watched.get(target);
      if (!row) continue;
      // One that is higher than the window is seen when it fills half of that.
      const isInView = intersectionRatio >= 0.5 || intersectionRect.height >= (rootBounds?.height ?? Infinity) / 2;
      if (isInView) this.#inView.add(row);
      else {
        this.#inView.delete(row);
        this.#since.delete(row);
      }
    }
    this.look();
  }

  #wait() {
    clearTimeout(this.#timer);
    const first = Math.min(...this.#since.values());
    if (first < Infinity) this.#timer = setTimeout(() => this.#collect(), Math.max(0, first + LOOK_MS - performance.now()));
  }

  #collect() {
    const now = performance.now();
    /** @type {string[]} */
    const ids = [];
    for (const [row, since] of this.#since) {
      if (now - since < LOOK_MS) continue;
      this.#since.delete(row);
      if (!row.notification || !this.#isUnseen(row)) continue;
      this.#told.add(keyOf(row.notification));
      ids.push(row.notification.id);
    }
    if (ids.length) this.#mark(ids);
    this.#wait();
  }
}

/** When it arrives again, it is another one to see. @param {import("./notify.d.ts").Notification} item */
const keyOf = ({ id, arrived_at }) => `${id} ${arrived_at}`;
