/**
 * @file A list of any length, of which only what is near the window is in the page: rows as high as they turn out to be, and
 * space for the others. What the reader looks at stays where it is, whatever comes, goes or grows above it.
 */

import { focused, hasFocus } from "./bell-dom.js";
import { Row } from "./bell-item.js";

/** @typedef {import("./notify.d.ts").Notification} Notification */
/** @typedef {{ id: string, gap: number }} Anchor a row, and how far below the upper edge it is */

const MARGIN = 600;
const MOST_ROWS = 120;
const FIRST_GUESS = 84;
const AT_TOP = 4;
const TRIES = 5;
const MOST_GONE = 1000;

export class List {
  #scroller;
  #feed;
  #speech;
  #look;
  #onRow;
  #onMove;
  /** @type {readonly Notification[]} */
  #items = [];
  #hasMore = false;
  /** @type {Map<string, number>} */
  #places = new Map();
  /** @type {Map<string, number>} */
  #heights = new Map();
  #measuredSum = 0;
  /** Where each begins, and the end. @type {Float64Array | null} */
  #tops = null;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {WeakMap<Element, Row>} */
  #rowOf = new WeakMap();
  /** The row that Tab goes to. @type {string | null} */
  #current = null;
  #frame = 0;
  /** Nothing moves, not even at the top. */
  isHeld = false;
  #sizes = new ResizeObserver((entries) => this.#resized(entries));

  /**
   * @param {{
   *   scroller: HTMLElement, feed: HTMLElement,
   *   speech: () => import("./bell-languages.js").Speech, look: () => import("./bell-item.js").Look,
   *   onRow: (row: Row, isThere: boolean) => void, onMove: () => void,
   * }} about
   */
  constructor({ scroller, feed, speech, look, onRow, onMove }) {
    this.#scroller = scroller;
    this.#feed = feed;
    this.#speech = speech;
    this.#look = look;
    this.#onRow = onRow;
    this.#onMove = onMove;
    feed.addEventListener("keydown", (event) => this.#key(event));
    feed.addEventListener("focusin", (event) => this.#enter(event));
  }

  /** As long as the signal does not end it. @param {AbortSignal} signal */
  begin(signal) {
    this.#sizes.observe(this.#scroller);
    const how = { passive: true, signal };
    this.#scroller.addEventListener("scroll", this.#scrolled, how);
    // The page may be what scrolls.
    document.addEventListener("scroll", this.#scrolled, { ...how, capture: true });
    window.addEventListener("resize", this.#scrolled, how);
    signal.addEventListener("abort", () => {
      this.#sizes.disconnect();
      cancelAnimationFrame(this.#frame);
      this.clear();
    });
  }

  get isAtTop() {
    return this.#view().top <= AT_TOP;
  }

  /** @returns {Iterable<Row>} those in the page */
  get rows() {
    return this.#rows.values();
  }

  /** The one that this is in. @param {EventTarget | null} target */
  rowAt(target) {
    const element = target instanceof Element ? target.closest(".item") : null;
    return element ? this.#rowOf.get(element) : undefined;
  }

  /** @param {readonly Notification[]} items @param {boolean} hasMore */
  show(items, hasMore) {
    const anchor = this.#anchor(items);
    const wasFocused = hasFocus(this.#feed);
    if (items !== this.#items) {
      const was = this.#items;
      const place = this.#places.get(this.#current ?? "") ?? 0;
      this.#items = items;
      this.#places = new Map(items.map(({ id }, index) => [id, index]));
      this.#tops = null;
      if (this.#heights.size > items.length + MOST_GONE) this.#forget();
      if (this.#current && !this.#places.has(this.#current)) this.#current = this.#heir(was, place);
    }
    this.#hasMore = hasMore;
    const before = wasFocused ? focused() : null;
    this.#arrange(anchor);
    // To remove or to move an element takes the focus from it.
    if (before && focused() !== before) {
      const target = before.isConnected && hasFocusable(before) ? before : this.#rows.get(this.#current ?? "")?.element;
      (target instanceof HTMLElement ? target : this.#scroller).focus({ preventScroll: true });
    }
  }

  /** Everything anew, in another look or language. */
  clear() {
    for (const row of this.#rows.values()) this.#drop(row);
    this.#rows.clear();
    this.#heights.clear();
    this.#measuredSum = 0;
    this.#tops = null;
  }

  toTop() {
    this.#scrollBy(-this.#view().top);
    this.#arrange(null);
  }

  /** The row to go on with: the one that Tab goes to. @returns {boolean} whether there is one */
  focus() {
    const row = this.#rows.get(this.#current ?? "") ?? this.#rows.values().next().value;
    row?.element.focus({ preventScroll: true });
    return !!row;
  }

  /** The first, where reading begins. */
  focusFirst() {
    this.#go(0);
  }

  // Where everything is

  /** The part of the list that can be seen: where it begins in the list, and how high it is. */
  #view() {
    const box = this.#scroller.getBoundingClientRect();
    const edge = Math.max(box.top, 0);
    const bottom = Math.min(box.bottom, window.innerHeight);
    return { edge, top: edge - this.#feed.getBoundingClientRect().top, height: Math.max(0, bottom - edge) };
  }

  #allTops() {
    if (this.#tops) return this.#tops;
    const guess = this.#heights.size ? this.#measuredSum / this.#heights.size : FIRST_GUESS;
    const tops = new Float64Array(this.#items.length + 1);
    this.#items.forEach(({ id }, place) => {
      tops[place + 1] = /** @type {number} */ (tops[place]) + (this.#heights.get(id) ?? guess);
    });
    return (this.#tops = tops);
  }

  /** @param {number} place */
  #top(place) {
    return this.#allTops()[place] ?? 0;
  }

  /** The place of what is at this height. @param {number} height */
  #placeAt(height) {
    let [low, high] = [0, this.#items.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#top(middle) <= height) low = middle;
      else high = middle - 1;
    }
    return Math.max(0, low);
  }

  /** The first row in view that is there afterwards too; none at the top, where what is new is shown. @param {readonly Notification[]} items @returns {Anchor | null} */
  #anchor(items) {
    const { edge, top, height } = this.#view();
    if (!height || (top <= AT_TOP && !this.isHeld)) return null;
    const stays = items === this.#items ? this.#places : new Set(items.map(({ id }) => id));
    for (const element of this.#feed.children) {
      const { top: upper, bottom } = element.getBoundingClientRect();
      const id = this.#rowOf.get(element)?.notification?.id;
      if (id && stays.has(id) && bottom > edge && upper < edge + height) return { id, gap: upper - edge };
    }
    return null;
  }

  /** @param {number} distance */
  #scrollBy(distance) {
    if (Math.abs(distance) < 1) return;
    const isOwn = this.#scroller.scrollHeight > this.#scroller.clientHeight + 1;
    (isOwn ? this.#scroller : document.scrollingElement)?.scrollBy({ top: distance, behavior: "instant" });
  }

  // What is in the page

  #scrolled = () => {
    this.#arrange(this.#anchor(this.#items));
    this.#onMove();
  };

  /** @param {Anchor | null} anchor */
  #arrange(anchor) {
    const view = this.#view();
    if (!this.#scroller.getClientRects().length) return;
    for (let tries = 0; tries < TRIES; tries++) {
      const place = anchor && this.#places.get(anchor.id);
      const top = anchor && place !== undefined && place !== null ? this.#top(place) - anchor.gap : view.top;
      this.#put(top, view.height);
      if (!this.#measure()) break;
    }
    const held = anchor && this.#rows.get(anchor.id);
    if (held) this.#scrollBy(held.element.getBoundingClientRect().top - view.edge - anchor.gap);
  }

  /** @param {number} top @param {number} height */
  #put(top, height) {
    const { length } = this.#items;
    const first = this.#placeAt(Math.max(0, top - MARGIN));
    const last = Math.min(length - 1, this.#placeAt(top + height + MARGIN), first + MOST_ROWS);
    const wanted = Array.from({ length: Math.max(0, last - first + 1) }, (_, place) => first + place);
    this.#choose(first, last);
    const current = this.#places.get(this.#current ?? "");
    // What has the focus stays, wherever the window is.
    if (current !== undefined && (current < first || current > last)) wanted.push(current);
    wanted.sort((one, other) => one - other);
    const ids = new Set(wanted.map((place) => this.#items[place]?.id));
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      this.#rows.delete(id);
      this.#drop(row);
    }
    let end = 0;
    wanted.forEach((place, order) => {
      const { element } = this.#row(place);
      const gap = this.#top(place) - end;
      const margin = gap > 0 ? `${gap}px` : "";
      if (element.style.marginBlockStart !== margin) element.style.marginBlockStart = margin;
      const there = this.#feed.children[order] ?? null;
      if (there !== element) this.#feed.insertBefore(element, there);
      end = this.#top(place + 1);
    });
    const rest = `${Math.max(0, this.#top(length) - end)}px`;
    if (this.#feed.style.paddingBlockEnd !== rest) this.#feed.style.paddingBlockEnd = rest;
  }

  /** Without the focus, the row that Tab goes to is one in the window. @param {number} first @param {number} last */
  #choose(first, last) {
    const current = this.#places.get(this.#current ?? "");
    if (current !== undefined && ((current >= first && current <= last) || hasFocus(this.#feed))) return;
    this.#become(this.#items[this.#placeAt(Math.max(0, this.#view().top))]?.id ?? null);
  }

  /** @param {string | null} id */
  #become(id) {
    if (id === this.#current) return;
    const was = this.#rows.get(this.#current ?? "");
    const is = this.#rows.get(id ?? "");
    if (was) was.isCurrent = false;
    if (is) is.isCurrent = true;
    this.#current = id;
  }

  /** @param {number} place */
  #row(place) {
    const item = /** @type {Notification} */ (this.#items[place]);
    let row = this.#rows.get(item.id);
    const isNew = !row;
    row ??= new Row(this.#look());
    const isChanged = row.notification !== item;
    row.show(item, this.#speech(), place, this.#hasMore ? -1 : this.#items.length);
    if (row.isCurrent !== (item.id === this.#current)) row.isCurrent = item.id === this.#current;
    if (isChanged) row.isMeasured = false;
    if (isNew) {
      this.#rows.set(item.id, row);
      this.#rowOf.set(row.element, row);
      this.#sizes.observe(row.element);
      this.#onRow(row, true);
    }
    return row;
  }

  /** @param {Row} row */
  #drop(row) {
    this.#sizes.unobserve(row.element);
    this.#onRow(row, false);
    row.element.remove();
  }

  // How high they are

  /** Those that are not known yet. @returns {boolean} whether some are not as high as was thought */
  #measure() {
    let isOther = false;
    for (const [id, row] of this.#rows) {
      if (row.isMeasured) continue;
      row.isMeasured = true;
      isOther = this.#keep(id, row.element.getBoundingClientRect().height) || isOther;
    }
    return isOther;
  }

  /** @param {string} id @param {number} height */
  #keep(id, height) {
    const was = this.#heights.get(id);
    if (!height || (was !== undefined && Math.abs(was - height) < 0.5)) return false;
    this.#heights.set(id, height);
    this.#measuredSum += height - (was ?? 0);
    this.#tops = null;
    return true;
  }

  /** The heights of what is not in the list any more. */
  #forget() {
    for (const [id, height] of this.#heights) {
      if (this.#places.has(id)) continue;
      this.#heights.delete(id);
      this.#measuredSum -= height;
    }
  }

  /** @param {ResizeObserverEntry[]} entries */
  #resized(entries) {
    let isOther = false;
    for (const { target } of entries) {
      const row = this.#rowOf.get(target);
      if (!row) isOther = true;
      else if (row.notification && target.isConnected) isOther = this.#keep(row.notification.id, target.getBoundingClientRect().height) || isOther;
    }
    if (!isOther) return;
    // Not within the observer's own turn, which would have it called over and over.
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(this.#scrolled);
  }

  // The keyboard

  /** The one that takes the place of one that went. @param {readonly Notification[]} was @param {number} place */
  #heir(was, place) {
    for (let at = place + 1; at < was.length; at++) if (this.#places.has(was[at]?.id ?? "")) return was[at]?.id ?? null;
    for (let at = place - 1; at >= 0; at--) if (this.#places.has(was[at]?.id ?? "")) return was[at]?.id ?? null;
    return null;
  }

  /** @param {FocusEvent} event */
  #enter({ target }) {
    const row = this.rowAt(target);
    if (row?.notification) this.#become(row.notification.id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const row = this.rowAt(event.target);
    const place = this.#places.get(row?.notification?.id ?? "");
    if (place === undefined || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const last = this.#items.length - 1;
    const page = Math.max(1, Math.floor(this.#view().height / (this.#top(this.#items.length) / this.#items.length)) - 1);
    /** @type {Record<string, number>} */
    const ways = { ArrowDown: place + 1, ArrowUp: place - 1, PageDown: place + page, PageUp: place - page, Home: 0, End: last };
    const way = ways[event.key];
    if (way === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#go(Math.max(0, Math.min(last, way)));
  }

  /** @param {number} place */
  #go(place) {
    const item = this.#items[place];
    if (!item) return;
    const view = this.#view();
    const [top, bottom] = [this.#top(place), this.#top(place + 1)];
    this.#become(item.id);
    if (top < view.top) this.#scrollBy(top - view.top);
    else if (bottom > view.top + view.height) this.#scrollBy(bottom - view.top - view.height);
    this.#arrange(null);
    const row = this.#rows.get(item.id);
    row?.element.focus({ preventScroll: true });
    // It may be higher than was thought.
    row?.element.scrollIntoView({ block: "nearest" });
  }
}

/** @param {Element} element */
const hasFocusable = (element) => element instanceof HTMLElement && !element.hidden && element.getClientRects().length > 0;
