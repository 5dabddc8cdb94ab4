"use client";

/**
 * @file The inbox for React 18 and 19:
 *
 *     <NotifyProvider url="https://notify.example.com" user={user.id} getToken={getToken}><App /></NotifyProvider>
 *     const unread = useUnreadCount();
 *     const { items, markRead } = useNotifications({ status: "unread" });
 */

import { createContext, createElement, useContext, useEffect, useInsertionEffect, useMemo, useState, useSyncExternalStore } from "react";
import { connect } from "./notify.js";

/** @typedef {import("./notify.d.ts").Inbox} Inbox */
/** @typedef {import("./notify.d.ts").Options} Options */
/** @typedef {import("./notify.d.ts").Filters} Filters */
/** @typedef {import("./notify.d.ts").Snapshot} Snapshot */
/** @typedef {{ inbox: Inbox, holders: number }} Held */
/** @typedef {{ lists: Lists | null, inbox: Inbox | null }} Provided */

const ACTIONS = /** @type {const} */ ([
  "loadMore",
  "markRead",
  "markUnread",
  "markSeen",
  "archive",
  "unarchive",
  "snooze",
  "unsnooze",
  "remove",
  "readAll",
  "seenAll",
  "archiveAll",
]);

/** What there is before anything is known, and on the server. @type {Snapshot} */
const NOTHING = {
  items: [],
  counts: { unread: 0, unseen: 0, total: 0 },
  status: "connecting",
  reason: null,
  transport: "sse",
  position: null,
  filters: {},
  hasMore: false,
  isLoading: true,
  error: null,
};
const nothing = () => NOTHING;
const none = () => () => {};
const notYet = () => Promise.reject(new Error("There is no inbox before NotifyProvider has mounted"));

/** The lists of one user that are shown. Each is a client's; in a browser these share one connection. */
class Lists {
  /** @type {Options["getToken"]} As last rendered. */
  getToken;
  /** The filters of the provider's own. */
  main;
  #open;
  /** @type {Map<string, Held>} */
  #held = new Map();

  /** @param {string} main @param {(filters: Filters, lists: Lists) => Inbox} open */
  constructor(main, open) {
    this.main = main;
    this.#open = open;
  }

  /** @param {string} key its filters, as JSON @returns {[inbox: Inbox, release: () => void]} */
  hold(key) {
    // First the one that stays: the connection is that of the first.
    const releaseMain = key === this.main ? () => {} : this.hold(this.main)[1];
    const held = this.#held.get(key) ?? { inbox: this.#open(JSON.parse(key), this), holders: 0 };
    this.#held.set(key, held);
    held.holders++;
    const release = () => {
      releaseMain();
      held.holders--;
      // Not at once: StrictMode mounts again in the same breath, and so does the next page.
      queueMicrotask(() => {
        if (held.holders || this.#held.get(key) !== held) return;
        this.#held.delete(key);
        held.inbox.close();
      });
    };
    return [held.inbox, release];
  }
}

const Context = createContext(/** @type {Provided | null} */ (null));

/** @type {typeof import("./react.d.ts").NotifyProvider} */
export function NotifyProvider({ children, inbox: own, ...options }) {
  const { getToken, ...rest } = /** @type {Options} */ (options);
  const [turn, setTurn] = useState(0);
  // By value, since objects that are written where they are passed are others each time.
  const key = JSON.stringify([rest, !!getToken, turn]);
  const lists = useMemo(() => {
    const [fixed, hasToken] = JSON.parse(key);
    return new Lists(JSON.stringify(fixed.filters ?? {}), (filters, lists) =>
      connect({ ...fixed, filters, ...(hasToken && { getToken: () => lists.getToken?.() }) }),
    );
  }, [key]);
  // Before any effect connects.
  useInsertionEffect(() => void (lists.getToken = getToken), [lists, getToken]);
  const connected = useHeld(own === undefined ? lists : null, lists.main);
  const inbox = own === undefined ? connected : own;

  // Somebody else has logged in: theirs is another inbox. Who names the user does this by naming another.
  useEffect(() => {
    if (!connected || rest.user) return;
    return connected.on("status", (_, reason) => reason === "another-user" && setTurn((turn) => turn + 1));
  }, [connected, rest.user]);

  const provided = useMemo(() => ({ lists: own === undefined ? lists : null, inbox }), [own, lists, inbox]);
  return createElement(Context.Provider, { value: provided }, children);
}

/** @type {typeof import("./react.d.ts").useInbox} */
export const useInbox = () => useProvided().inbox;

/** @type {typeof import("./react.d.ts").useUnreadCount} */
export const useUnreadCount = () => useSnapshot(useInbox(), (snapshot) => snapshot.counts.unread);

/** @type {typeof import("./react.d.ts").useNotifications} */
export function useNotifications(filters) {
  const { lists, inbox: main } = useProvided();
  const key = filters && JSON.stringify(filters);
  const held = useHeld(lists, key);
  const inbox = lists && key ? held : main;

  // An inbox of the application's own has one list.
  useEffect(() => {
    if (!lists && main && key) main.list(JSON.parse(key)).catch(() => {});
  }, [lists, main, key]);

  const snapshot = useSnapshot(inbox, (snapshot) => snapshot);
  const actions = useMemo(() => Object.fromEntries(ACTIONS.map((name) => [name, inbox?.[name] ?? notYet])), [inbox]);
  return useMemo(() => /** @type {any} */ ({ ...snapshot, ...actions }), [snapshot, actions]);
}

function useProvided() {
  const provided = useContext(Context);
  if (!provided) throw new Error("This hook needs a <NotifyProvider> around it");
  return provided;
}

/** Held while it is mounted, and only shown for what was asked for last. @param {Lists | null} lists @param {string | undefined} key */
function useHeld(lists, key) {
  const [held, setHeld] = useState(/** @type {{ lists: Lists, key: string, inbox: Inbox } | null} */ (null));
  useEffect(() => {
    if (!lists || !key) return;
    const [inbox, release] = lists.hold(key);
    setHeld({ lists, key, inbox });
    return release;
  }, [lists, key]);
  return held && held.lists === lists && held.key === key ? held.inbox : null;
}

/** @template Value @param {Inbox | null} inbox @param {(snapshot: Snapshot) => Value} pick @returns {Value} */
function useSnapshot(inbox, pick) {
  const get = inbox?.getSnapshot ?? nothing;
  return useSyncExternalStore(
    inbox?.subscribe ?? none,
    () => pick(get()),
    () => pick(NOTHING),
  );
}
