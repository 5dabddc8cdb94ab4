/**
 * @file What a tab knows of an inbox, and what it shows: the truth as the service told it, in the order of positions, and over
 * it the changes that are under way. Such a change is laid aside once the truth has reached it, or at once if it is refused.
 */

import { isSameEpoch, reaches, sequenceOf } from "./positions.js";

/** @typedef {import("./notify.d.ts").Notification} Notification */
/** @typedef {import("./notify.d.ts").Snapshot} Snapshot */
/** @typedef {import("./notify.d.ts").Filters} Filters */
/** @typedef {import("./notify.d.ts").Counts} Counts */
/** @typedef {import("./notify.d.ts").Events} Events */
/** @typedef {Counts & { position: string }} CountsAt */
/** @typedef {{ items: Notification[], next_cursor: string | null } & CountsAt} Page */
/** @typedef {{ event: string, id?: string, data: any }} Event as `/v1/changes` shows it */
/** @typedef {{ position: string | null, events: Event[], counts?: CountsAt | null }} Batch */
/** @typedef {{ position: string, counts: CountsAt, items: Notification[], pages: Loaded[] }} Saved */
/** @typedef {{ oldest: string, cursor: string | null }} Loaded a page: from which time on everything is there, and what comes next */

/**
 * @typedef {object} Entry
 * @property {Notification | null} item null once it is deleted
 * @property {number} seq of the state that is held
 * @property {string} key by which lists are ordered
 * @property {number} arrived a position by which it had arrived
 * @property {number} order among those that arrived at the same time
 */

/**
 * @typedef {object} Change under way
 * @property {(item: Notification) => Notification | null} patch gives the same object if there is nothing to do
 * @property {string} [id] the one that it is for; otherwise it is for all
 * @property {string} [type] of this type
 * @property {number} [before] that had arrived by this position
 * @property {readonly (keyof Counts)[]} [counted] what it changes of the counts, also of what is not loaded
 * @property {string} [until] accepted: the position at which it is part of the truth
 * @property {boolean} [isAccepted]
 */

const MOST_SAVED = 200;
const MOST_BESIDES = 500;

/** @param {Notification} item */
const isInInbox = (item) => !item.archived_at && !item.snoozed_until;

/** @type {Record<keyof Counts, (item: Notification) => boolean>} */
const COUNTED = {
  unread: (item) => isInInbox(item) && !item.read_at,
  unseen: (item) => isInInbox(item) && !item.read_at && !item.seen_at,
  total: isInInbox,
};
const KINDS = /** @type {(keyof Counts)[]} */ (Object.keys(COUNTED));

/** @type {Record<NonNullable<Filters["status"]>, (item: Notification) => boolean>} */
const SHOWN = {
  inbox: isInInbox,
  unread: COUNTED.unread,
  read: (item) => isInInbox(item) && !!item.read_at,
  archived: (item) => !!item.archived_at,
  snoozed: (item) => !!item.snoozed_until,
  all: () => true,
};

/** Whole seconds are written without a fraction, which would put them behind. @param {string} time */
const keyOf = (time) => (time.includes(".") ? time : time.replace("Z", "."));

/** @param {Filters} filters @returns {(item: Notification) => boolean} */
const matching = ({ status = "inbox", type, topic, since, until }) => (item) =>
  SHOWN[status](item) &&
  (!type || item.type === type) &&
  (!topic || item.topic === topic) &&
  (!since || Date.parse(item.arrived_at) >= Date.parse(since)) &&
  (!until || Date.parse(item.arrived_at) < Date.parse(until));

export class Store {
  /** @type {string | null} Everything up to here is known. */
  position = null;
  /** @type {Map<string, Entry>} */
  #known = new Map();
  /** @type {CountsAt | null} */
  #counts = null;
  /** @type {Loaded[]} */
  #pages = [];
  /** @type {Set<Change>} */
  #changes = new Set();
  #listed = 0;
  #isOutdated = false;
  /** @type {Filters} */
  #filters;
  /** @type {Snapshot} */
  #snapshot;
  /** @type {Map<string, Set<(...about: any[]) => void>>} */
  #listeners = new Map();

  /** @param {Pick<Snapshot, "filters" | "transport">} beginning */
  constructor(beginning) {
    const counts = { unread: 0, unseen: 0, total: 0 };
    const nothing = { position: null, hasMore: false, isLoading: true, reason: null, error: null };
    this.#snapshot = { ...beginning, ...nothing, items: [], counts, status: "connecting" };
    this.#filters = beginning.filters;
  }

  // Showing

  getSnapshot = () => this.#snapshot;

  /** @param {() => void} listener */
  subscribe = (listener) => this.on("", listener);

  /** @param {string} name @param {(...about: any[]) => void} listener */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    /** @param {any[]} about */
    const own = (...about) => listener(...about);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Shows what is true now. @param {Partial<Snapshot>} [news] @param {[string, ...unknown[]][]} [told] what listeners hear of it */
  show(news = {}, told = []) {
    const was = this.#snapshot;
    const { items, counts } = this.#visible();
    const isSame = items.length === was.items.length && items.every((item, place) => item === was.items[place]);
    const isCountSame = KINDS.every((kind) => counts[kind] === was.counts[kind]);
    /** @type {Snapshot} */
    const now = {
      ...was,
      items: isSame ? was.items : items,
      counts: isCountSame ? was.counts : counts,
      position: this.position,
      hasMore: !!this.#pages.at(-1)?.cursor,
      ...news,
    };
    const keys = /** @type {(keyof Snapshot)[]} */ (Object.keys(now));
    if (keys.some((key) => now[key] !== was[key])) {
      this.#snapshot = now;
      told.unshift([""]);
    }
    if (!isCountSame) told.push(["counts", now.counts]);
    if (now.status !== was.status || now.reason !== was.reason) told.push(["status", now.status, now.reason]);
    for (const [name, ...about] of told)
      for (const listener of [...(this.#listeners.get(name) ?? [])]) void heard(listener, about);
  }

  #visible() {
    /** @type {Map<string, Entry>} */
    const over = new Map();
    const counts = { unread: 0, unseen: 0, total: 0 };
    for (const kind of KINDS) counts[kind] = this.#counts?.[kind] ?? 0;
    for (const change of this.#changes) {
      for (const id of change.id ? [change.id] : this.#known.keys()) {
        const was = over.get(id) ?? this.#known.get(id);
        if (!was?.item || !isMeant(change, was)) continue;
        const item = change.patch(was.item);
        if (item === was.item) continue;
        over.set(id, { ...was, item, key: item ? keyOf(item.arrived_at) : was.key });
        for (const kind of KINDS) counts[kind] += Number(!!item && COUNTED[kind](item)) - Number(COUNTED[kind](was.item));
      }
      // Of what is not loaded nothing is left of these either, but what has arrived since.
      for (const kind of change.counted ?? []) {
        counts[kind] = 0;
        for (const [id, entry] of this.#known) {
          const item = (over.get(id) ?? entry).item;
          if (item && COUNTED[kind](item) && !isMeant(change, entry)) counts[kind]++;
        }
      }
    }
    const entries = this.#listing([...this.#known].map(([id, entry]) => over.get(id) ?? entry));
    for (const kind of KINDS) counts[kind] = Math.max(0, counts[kind]);
    return { items: entries.map((entry) => /** @type {Notification} */ (entry.item)), counts };
  }

  /** Those of them that are listed, in their order. @param {Iterable<Entry>} entries */
  #listing(entries) {
    const matches = matching(this.#filters);
    const oldest = this.#pages.at(-1)?.oldest ?? "";
    return [...entries]
      .filter(({ item, key }) => item && key >= oldest && matches(item))
      .sort((one, other) => (one.key < other.key ? 1 : one.key > other.key ? -1 : other.order - one.order));
  }

  // The truth

  /** The first page of a list. @param {Page} page @param {Filters} filters */
  open(page, filters) {
    if (this.#isOutdated || (this.position && !isSameEpoch(this.position, page.position))) this.clear();
    this.position ??= page.position;
    this.#pages = [];
    this.#filters = filters;
    this.#take(page, sequenceOf(page.position));
    this.show({ filters, isLoading: false });
  }

  /** The cursor of the next page, if there is one. */
  get cursor() {
    return this.#pages.at(-1)?.cursor ?? null;
  }

  /** @param {Page} page */
  extend(page) {
    if (!this.position || !isSameEpoch(this.position, page.position)) return;
    // They arrived before what was listed last.
    const last = this.#listing(this.#known.values()).at(-1);
    this.#take(page, last?.arrived ?? sequenceOf(page.position));
    this.show({ isLoading: false });
  }

  /** @param {Page} page @param {number} arrived */
  #take(page, arrived) {
    const seq = sequenceOf(page.position);
    for (const item of page.items) {
      const was = this.#known.get(item.id);
      if (was && was.seq >= seq) continue;
      const key = keyOf(item.arrived_at);
      const isSame = was?.key === key;
      this.#known.set(item.id, { item, seq, key, arrived: isSame ? was.arrived : arrived, order: isSame ? was.order : -++this.#listed });
    }
    const last = page.items.at(-1);
    this.#pages.push({ oldest: page.next_cursor && last ? keyOf(last.arrived_at) : "", cursor: page.next_cursor });
    this.#count(page);
  }

  /** What happened, in order. What is held already is passed over, so that nothing comes twice. @param {Batch} batch */
  apply({ position, events, counts }) {
    /** @type {[string, ...unknown[]][]} */
    const told = [];
    for (const { event, id, data } of events) {
      if (!id) {
        told.push([event, data, { durable: false }]);
        continue;
      }
      const seq = sequenceOf(id);
      const was = this.#known.get(data.id);
      if (was && was.seq >= seq) continue;
      if (event === "delete") {
        this.#known.set(data.id, { item: null, seq, key: "", arrived: 0, order: 0 });
        told.push([event, data.id]);
        continue;
      }
      const key = keyOf(data.arrived_at);
      const isSame = was?.key === key;
      this.#known.set(data.id, { item: data, seq, key, arrived: isSame ? was.arrived : seq, order: isSame ? was.order : seq });
      told.push(event === "update" ? [event, data] : [event, data, { durable: true }]);
    }
    if (position && (!this.position || reaches(position, this.position))) this.position = position;
    if (counts) this.#count(counts);
    for (const change of this.#changes) this.#layAside(change);
    this.#tidy();
    this.show({}, told);
  }

  /** @param {CountsAt} counts */
  #count(counts) {
    if (!this.#counts || !isSameEpoch(counts.position, this.#counts.position) || reaches(counts.position, this.#counts.position))
      this.#counts = counts;
  }

  /** @param {CountsAt} counts */
  count(counts) {
    this.#count(counts);
    this.show();
  }

  #tidy() {
    if (this.#changes.size || this.#snapshot.isLoading || this.#known.size < this.#snapshot.items.length + MOST_BESIDES) return;
    const listed = new Set(this.#listing(this.#known.values()));
    for (const [id, entry] of this.#known) if (!listed.has(entry)) this.#known.delete(id);
  }

  /** What is shown is replaced by the next page or state that comes. */
  outdate() {
    this.position = null;
    this.#isOutdated = true;
    this.show({ isLoading: true }, [["reset"]]);
  }

  /** Nothing is known any more. */
  clear() {
    this.position = this.#counts = null;
    this.#isOutdated = false;
    this.#known.clear();
    this.#pages = [];
    this.#changes.clear();
  }

  // Changes under way

  /** Shows a change before it is accepted. @param {Change} change */
  begin(change) {
    const { patch } = change;
    /** @type {WeakMap<Notification, Notification | null>} */
    const patched = new WeakMap();
    // What is the same stays the same object.
    change.patch = (item) => {
      if (!patched.has(item)) patched.set(item, patch(item));
      return /** @type {Notification | null} */ (patched.get(item));
    };
    this.#changes.add(change);
    this.show();
  }

  /** It is, or will be, part of the truth at this position. @param {Change} change @param {string} [position] */
  accept(change, position) {
    change.isAccepted = true;
    if (position) change.until = position;
    this.#layAside(change);
    this.show();
  }

  /** @param {Change} change */
  undo(change) {
    this.#changes.delete(change);
    this.show();
  }

  /** @param {Change} change */
  #layAside(change) {
    if (!change.isAccepted) return;
    // Deleting answers with no position: it has been told once the notification is gone.
    const isTold = change.until ? reaches(this.position, change.until) : !this.#known.get(change.id ?? "")?.item;
    if (isTold) this.#changes.delete(change);
  }

  // Keeping

  /** What another tab, or this one after a reload, can go on from. @returns {Saved | null} */
  save() {
    if (!this.position || !this.#counts || !this.#pages.length) return null;
    const entries = this.#listing(this.#known.values());
    const pages = [...this.#pages];
    const isWithin = (/** @type {Entry} */ entry) => entry.key >= /** @type {Loaded} */ (pages.at(-1)).oldest;
    while (pages.length > 1 && entries.filter(isWithin).length > MOST_SAVED) pages.pop();
    const items = entries.filter(isWithin).map((entry) => /** @type {Notification} */ (entry.item));
    return { position: this.position, counts: this.#counts, items, pages };
  }

  /** @param {Saved} saved */
  restore({ position, counts, items, pages }) {
    this.clear();
    this.position = position;
    this.#take({ ...counts, items, next_cursor: null, position }, sequenceOf(position));
    this.#counts = counts;
    this.#pages = pages;
    this.show({ isLoading: false });
  }
}

/** @param {Change} change @param {Entry} entry */
function isMeant({ id, type, before }, entry) {
  return !!id || ((!type || entry.item?.type === type) && (before === undefined || entry.arrived <= before));
}

/** Called at once. Should it fail, that is a rejection that nobody handles, and the others are called all the same. */
const heard = async (/** @type {(...about: any[]) => void} */ listener, /** @type {unknown[]} */ about) => listener(...about);
