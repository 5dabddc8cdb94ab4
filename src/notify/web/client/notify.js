/**
 * @file A user's inbox, live, in every tab of a browser:
 *
 *     import { connect } from "https://notify.example.com/client/notify.min.js";
 *     const inbox = connect({ url: "https://notify.example.com", getToken: async () => (await fetch("/token")).text() });
 *     inbox.subscribe(() => render(inbox.getSnapshot()));
 */

import { Calls, NotifyError, backoff, pause, query } from "./calls.js";
import { Link } from "./link.js";
import { reaches, sequenceOf } from "./positions.js";
import { Store } from "./store.js";
import { Tabs } from "./tabs.js";
import { news } from "./transports.js";

/** @typedef {import("./notify.d.ts").Inbox} Inbox */
/** @typedef {import("./notify.d.ts").Options} Options */
/** @typedef {import("./notify.d.ts").Notification} Notification */
/** @typedef {import("./notify.d.ts").Filters} Filters */
/** @typedef {import("./notify.d.ts").Reason} Reason */
/** @typedef {import("./notify.d.ts").BulkOptions} BulkOptions */
/** @typedef {import("./notify.d.ts").Counts} Counts */
/** @typedef {(item: Notification) => Notification | null} Patch */

const DEFAULT_APP = "default";
const MARK_TRIES = 4;

/** What each mark makes of a notification. @type {Record<string, (time: string) => Patch>} */
const PATCHES = {
  read: (now) => (item) => (item.read_at ? item : { ...item, read_at: now, seen_at: item.seen_at ?? now }),
  unread: () => (item) => (item.read_at ? { ...item, read_at: null } : item),
  seen: (now) => (item) => (item.seen_at ? item : { ...item, seen_at: now }),
  archive: (now) => (item) => (item.archived_at ? item : { ...item, archived_at: now, snoozed_until: null }),
  unarchive: () => (item) => (item.archived_at ? { ...item, archived_at: null } : item),
  snooze: (until) => (item) => ({ ...item, snoozed_until: until, archived_at: null }),
  unsnooze: (now) => (item) =>
    item.snoozed_until ? { ...item, snoozed_until: null, seen_at: null, read_at: null, arrived_at: now } : item,
  delete: () => () => null,
};

/** @type {Record<string, (keyof Counts)[]>} */
const COUNTED = { read: ["unread", "unseen"], seen: ["unseen"], archive: ["unread", "unseen", "total"] };

/** @implements {Inbox} */
class Client {
  #options;
  #base;
  #calls;
  #store;
  #link;
  /** @type {Tabs | null} */
  #tabs = null;
  #closing = new AbortController();
  /** Whose inbox this is, once that is known. @type {string | null} */
  #owner = null;
  /** @type {Filters} */
  #filters;
  #listings = 0;
  /** @type {Promise<import("./notify.d.ts").Snapshot> | null} */
  #loading = null;
  /** The last call about each notification, and about all of them (""). @type {Map<string, Promise<unknown>>} */
  #turns = new Map();
  /** How far the leader is. @type {string | null} */
  #target = null;
  #isCatchingUp = false;

  /** @param {Options} options */
  constructor(options) {
    const { url, getToken, user, app, filters = {}, transport = "sse" } = options;
    if (!getToken && !user) throw new TypeError("connect() needs getToken, or with the cookie the user's id as `user`");
    if (options.device && transport !== "websocket") throw new TypeError('`device` goes with transport: "websocket"');
    this.#options = options;
    this.#filters = filters;
    this.#base = new URL(url, globalThis.location?.href).href.replace(/\/+$/, "");
    if (user) this.#owner = JSON.stringify([this.#base, app ?? DEFAULT_APP, user]);
    this.#calls = new Calls(this.#base, getToken, (claims) => this.#identify(claims));
    this.#store = new Store({ filters, transport });
    this.getSnapshot = this.#store.getSnapshot;
    this.subscribe = this.#store.subscribe;
    this.#link = new Link(this.#calls, this.#base, options, {
      load: () => this.#load(),
      position: () => this.#store.position,
      batch: (batch) => {
        this.#tabs?.say({ kind: "batch", batch, after: this.#store.position });
        this.#store.apply(batch);
      },
      state: (state) => {
        this.#store.show(state);
        this.#tabs?.say({ kind: "state", state: this.#state });
      },
      reset: () => {
        this.#tabs?.say({ kind: "reset" });
        this.#store.outdate();
      },
    });
    const on = (/** @type {any} */ target, /** @type {string} */ name, /** @type {(event: any) => void} */ act) =>
      target?.addEventListener?.(name, act, { signal: this.#closing.signal });
    on(globalThis.document, "visibilitychange", () => (document.visibilityState === "hidden" ? this.#save() : this.#look()));
    on(globalThis, "online", () => this.#link.renew());
    on(globalThis, "offline", () => this.#link.renew());
    on(globalThis, "pagehide", () => {
      this.#save();
      this.#tabs?.leave();
    });
    // Back from where the browser keeps pages that one may return to.
    on(globalThis, "pageshow", (event) => event.persisted && this.#tabs?.enter());
    void this.#start();
  }

  get items() {
    return this.getSnapshot().items;
  }

  get counts() {
    return this.getSnapshot().counts;
  }

  get status() {
    return this.getSnapshot().status;
  }

  /** @type {Inbox["on"]} */
  on = (name, listener) => this.#store.on(name, listener);

  // Beginning

  async #start() {
    const { signal } = this.#closing;
    for (let attempt = 0; !this.#owner && !signal.aborted; attempt++) {
      try {
        await this.#calls.token();
        this.#owner ??= "";
      } catch (error) {
        const reason = /** @type {any} */ (error).reason;
        if (reason) return this.#store.show({ status: "stopped", reason, error: /** @type {NotifyError} */ (error) });
        this.#store.show({ status: "reconnecting" });
        await pause(backoff(attempt));
      }
      if (this.#owner === "") break;
    }
    if (signal.aborted) return;
    this.#restore();
    // A token that does not say whose it is cannot be told from another user's.
    const name = this.#owner || `${Math.random()}`;
    this.#tabs = new Tabs(
      `notify:${name}`,
      (isLeader) => (isLeader ? this.#link.start() : this.#link.stop()),
      (message) => this.#hear(message),
    );
    this.#tabs.enter();
  }

  /** @param {import("./calls.js").Claims} claims */
  #identify({ sub, app = DEFAULT_APP }) {
    if (!sub) return;
    const owner = JSON.stringify([this.#base, app, sub]);
    this.#owner ||= owner;
    if (this.#owner === owner) return;
    // Nobody sees what is somebody else's.
    this.#end("another-user");
    throw Object.assign(new Error("getToken gave the token of another user"), { reason: "another-user" });
  }

  /** Where the service gives a position to go on from. */
  async #load() {
    await this.list(this.#filters);
    this.#tabs?.say(this.#here());
  }

  // Keeping. In the session's storage: it is gone with the tab, and holds what this very tab has shown.

  get #key() {
    return this.#owner && `notify:${this.#owner}${JSON.stringify(this.#filters)}`;
  }

  #save() {
    const saved = this.#store.save();
    if (!this.#key || !saved) return;
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(saved));
    } catch {
      // There is no storage, or no room in it: the next page starts anew.
    }
  }

  #restore() {
    try {
      const saved = JSON.parse(/** @type {string} */ (this.#key && sessionStorage.getItem(this.#key)));
      if (saved && !this.#store.position) this.#store.restore(saved);
    } catch {
      // As above.
    }
  }

  #forget() {
    try {
      for (const key of Object.keys(sessionStorage)) if (key.startsWith(`notify:${this.#owner}`)) sessionStorage.removeItem(key);
    } catch {
      // As above.
    }
  }

  // Between tabs

  get #state() {
    const { status, reason, transport } = this.getSnapshot();
    return { status, reason, transport };
  }

  /** What the leader tells the others of itself. @param {object} [more] */
  #here = (more) => ({ kind: "here", state: this.#state, position: this.#store.position, ...more });

  #look() {
    this.#link.nudge();
    this.#tabs?.check();
  }

  /** @param {import("./tabs.js").Message} message */
  #hear({ kind, from, state, position, saved, filters, batch, after, isForced }) {
    if (kind === "logout") return this.#end("logged-out");
    if (this.#tabs?.isLeader) {
      if (kind === "hello") this.#tabs.say(this.#here({ to: from }));
      if (kind === "ask") this.#tabs.say(this.#here({ to: from, filters: JSON.stringify(this.#filters), saved: this.#store.save() }));
      if (kind === "nudge") isForced ? this.#again() : this.#link.nudge();
      return;
    }
    if (state) this.#store.show(state);
    if (kind === "reset") this.#store.outdate();
    if (kind === "here" && position) {
      if (this.#store.position) void this.#catchUp(position);
      else if (!filters) this.#tabs?.say({ kind: "ask" });
      else if (saved && filters === JSON.stringify(this.#filters)) this.#store.restore(saved);
      else void this.list(this.#filters).catch(() => {});
    }
    if (kind === "batch" && this.#store.position) {
      if (reaches(this.#store.position, after)) this.#store.apply(batch);
      else void this.#catchUp(batch.position ?? after);
    }
  }

  /** Some of what the leader has told was not heard here. @param {string} position */
  async #catchUp(position) {
    this.#target = position;
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    try {
      while (this.#store.position && !reaches(this.#store.position, this.#target)) {
        const batch = await news(this.#calls, this.#store.position, this.#closing.signal);
        if (batch.events.some(({ event }) => event === "reset")) {
          this.#store.outdate();
          await this.list(this.#filters);
        } else this.#store.apply(batch);
      }
    } catch {
      // The next thing that is heard tells of it again.
    } finally {
      this.#isCatchingUp = false;
    }
  }

  // Lists

  /** @type {Inbox["list"]} */
  list = async (filters = {}) => {
    const listing = ++this.#listings;
    this.#filters = filters;
    this.#store.show({ isLoading: true });
    try {
      const page = await this.#page({});
      if (listing === this.#listings) this.#store.open(page, filters);
    } finally {
      if (listing === this.#listings) this.#store.show({ isLoading: false });
    }
    return this.getSnapshot();
  };

  /** @type {Inbox["loadMore"]} */
  loadMore = () => (this.#loading ??= this.#more().finally(() => (this.#loading = null)));

  async #more() {
    const { cursor } = this.#store;
    const listing = this.#listings;
    if (!cursor) return this.getSnapshot();
    this.#store.show({ isLoading: true });
    try {
      const page = await this.#page({ cursor });
      if (listing === this.#listings) this.#store.extend(page);
    } finally {
      if (listing === this.#listings) this.#store.show({ isLoading: false });
    }
    return this.getSnapshot();
  }

  /** @param {{ cursor?: string }} more */
  #page(more) {
    return this.#calls.json(`/v1/notifications${query({ limit: this.#options.pageSize, ...this.#filters, ...more })}`);
  }

  /** @type {Inbox["count"]} */
  count = async ({ type } = {}) => {
    const counts = await this.#calls.json(`/v1/notifications/count${query({ type })}`);
    if (this.#store.position) this.#store.count(counts);
    return counts;
  };

  // Changes

  markRead = this.#marking("read");
  markUnread = this.#marking("unread");
  markSeen = this.#marking("seen");
  archive = this.#marking("archive");
  unarchive = this.#marking("unarchive");
  snooze = this.#marking("snooze");
  unsnooze = this.#marking("unsnooze");
  remove = this.#marking("delete");
  readAll = this.#markingAll("read");
  seenAll = this.#markingAll("seen");
  archiveAll = this.#markingAll("archive");

  /** @param {string} mark @returns {any} for one id or several */
  #marking(mark) {
    return (/** @type {string | string[]} */ ids, /** @type {string | Date | undefined} */ until) => {
      const time = new Date(until ?? Date.now()).toISOString();
      const act = (/** @type {string} */ id) => this.#mark(mark, id, time);
      return typeof ids === "string" ? act(ids) : Promise.all(ids.map(act));
    };
  }

  /** @param {string} mark @param {string} id @param {string} time */
  async #mark(mark, id, time) {
    const path = `/v1/notifications/${encodeURIComponent(id)}`;
    const patch = /** @type {(time: string) => Patch} */ (PATCHES[mark])(time);
    const answer = await this.#change({ id, patch }, () =>
      mark === "delete"
        ? this.#calls.json(path, { method: "DELETE", tries: MARK_TRIES })
        : this.#post(`${path}/${mark}`, mark === "snooze" ? { until: time } : undefined),
    );
    return answer?.notification;
  }

  /** @param {string} mark */
  #markingAll(mark) {
    return async (/** @type {BulkOptions} */ { type, before = this.#store.position ?? undefined } = {}) => {
      const patch = /** @type {(time: string) => Patch} */ (PATCHES[mark])(new Date().toISOString());
      /** @type {import("./store.js").Change} */
      const change = { patch: (item) => (item.archived_at || item.snoozed_until ? item : patch(item)) };
      if (type) change.type = type;
      else change.counted = COUNTED[mark] ?? [];
      if (before) change.before = sequenceOf(before);
      const answer = await this.#change(change, () => this.#post(`/v1/notifications/${mark}-all`, { type, before }));
      return /** @type {number} */ (answer.updated);
    };
  }

  /** @param {string} path @param {unknown} [body] */
  #post(path, body) {
    return this.#calls.json(path, { method: "POST", body, tries: MARK_TRIES });
  }

  /** Shown at once; undone if it is refused. @param {import("./store.js").Change} change @param {() => Promise<any>} call */
  async #change(change, call) {
    this.#store.begin(change);
    try {
      const answer = await this.#inTurn(change.id ?? "", call);
      this.#store.accept(change, answer?.position);
      this.#nudge({});
      return answer;
    } catch (error) {
      this.#store.undo(change);
      throw error;
    }
  }

  /** One after the other where they concern the same. @param {string} id @param {() => Promise<any>} call */
  #inTurn(id, call) {
    const before = id ? [this.#turns.get(id), this.#turns.get("")] : [...this.#turns.values()];
    const turn = Promise.allSettled(before).then(call);
    const done = () => this.#turns.get(id) === turn && this.#turns.delete(id);
    this.#turns.set(id, turn);
    turn.then(done, done);
    return turn;
  }

  /** Where it is polled, what was just changed is looked for now. @param {{ isForced?: boolean }} how */
  #nudge(how) {
    if (!how.isForced && this.getSnapshot().transport !== "polling") return;
    if (this.#tabs?.isLeader) how.isForced ? this.#again() : this.#link.nudge();
    else this.#tabs?.say({ kind: "nudge", ...how });
  }

  #again() {
    this.#link.stop();
    this.#link.start();
  }

  // Ending

  reconnect = () => {
    if (this.#closing.signal.aborted) return;
    this.#store.show({ status: "connecting", reason: null });
    if (this.#tabs) this.#nudge({ isForced: true });
    else void this.#start();
  };

  close = () => this.#end("closed");

  logOut = () => {
    this.#tabs?.say({ kind: "logout" });
    this.#end("logged-out");
  };

  /** @param {Reason} reason */
  #end(reason) {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#listings++;
    this.#tabs?.leave();
    this.#forget();
    this.#store.clear();
    this.#store.show({ status: "stopped", reason, isLoading: false, error: null });
  }
}

/** @type {typeof import("./notify.d.ts").connect} */
export const connect = (options) => new Client(options);

export { NotifyError };
