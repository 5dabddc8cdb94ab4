/** The JavaScript client of notify: a user's inbox, live, in every tab of a browser. */

export type Level = "info" | "success" | "warning" | "error";

export interface Action {
  readonly label: string;
  readonly url?: string;
  readonly id?: string;
  readonly primary?: boolean;
}

export interface Actor {
  readonly name: string;
  readonly id?: string;
  readonly image_url?: string;
}

/** As the service shows it. Times are RFC 3339. */
export interface Notification {
  readonly id: string;
  readonly user_id: string;
  readonly type: string | null;
  readonly level: Level;
  readonly title: string;
  readonly body: string | null;
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly url: string | null;
  readonly actions: readonly Action[] | null;
  readonly actor: Actor | null;
  readonly topic: string | null;
  readonly collapse_key: string | null;
  readonly progress: number | null;
  readonly created_at: string;
  readonly arrived_at: string;
  readonly updated_at: string;
  readonly seen_at: string | null;
  readonly read_at: string | null;
  readonly archived_at: string | null;
  readonly snoozed_until: string | null;
  readonly expires_at: string | null;
}

export interface Counts {
  readonly unread: number;
  readonly unseen: number;
  readonly total: number;
}

export interface CountAnswer extends Counts {
  readonly position: string;
  /** Of each type that was asked for. */
  readonly types?: Readonly<Record<string, Counts>>;
}

/** Which notifications a list shows. */
export interface Filters {
  /** Default `inbox`: what is neither archived nor snoozed. */
  readonly status?: "inbox" | "unread" | "read" | "archived" | "snoozed" | "all";
  readonly type?: string;
  readonly topic?: string;
  /** Arrived at this time or later. */
  readonly since?: string;
  /** Arrived before this time. */
  readonly until?: string;
}

export type Transport = "sse" | "websocket" | "polling";

/**
 * `connecting` until the first connection stands, `live` while one does (or polling works), `reconnecting` when it was lost,
 * `offline` when the browser says that there is no network, and `stopped` for good: `reason` says why.
 */
export type Status = "connecting" | "live" | "reconnecting" | "offline" | "stopped";

/**
 * `closed`: by `close()`. `logged-out`: by `logOut()`, here or in another tab. `revoked`: the application ended the session.
 * `unauthorized`: `getToken` gave no token, or none that is valid. `forbidden`: the token may not. `another-user`: `getToken`
 * gave the token of somebody else. `refused`: the service takes this client's requests for wrong.
 */
export type Reason = "closed" | "logged-out" | "revoked" | "unauthorized" | "forbidden" | "another-user" | "refused";

/** What there is to show. It is the same object until something changed, and so is each part of it. */
export interface Snapshot {
  /** Those loaded so far that match `filters`, latest arrival first. */
  readonly items: readonly Notification[];
  readonly counts: Counts;
  readonly status: Status;
  readonly reason: Reason | null;
  /** The one in use, or to be used next. */
  readonly transport: Transport;
  /** Up to where the inbox is known; null before the first answer. */
  readonly position: string | null;
  readonly filters: Filters;
  /** Whether `loadMore()` would bring more. */
  readonly hasMore: boolean;
  /** While a list is being loaded. */
  readonly isLoading: boolean;
  /** Why it is not live, where that is known. */
  readonly error: NotifyError | null;
}

export interface Options {
  /** Where the service is, such as `https://notify.example.com`. */
  readonly url: string | URL;
  /**
   * Gives a fresh token of the user who is logged in, asked of your own server; nothing when nobody is. It is called again
   * before a token runs out. Without it the cookie `notify_token` is used; then name the `user`.
   */
  readonly getToken?: () => string | null | undefined | Promise<string | null | undefined>;
  /** Whose inbox: only needed without `getToken`. Tabs of the same user share one connection. */
  readonly user?: string;
  /** The user's app, where it is not the default one: only needed without `getToken`. */
  readonly app?: string;
  /** Default `sse`. A stream that something on the way holds back is replaced by polling, by itself. */
  readonly transport?: Transport;
  /** With `websocket`: under this name the service remembers what this device has acknowledged. */
  readonly device?: string;
  /** What `items` shows at first. */
  readonly filters?: Filters;
  /** How many a page of the list has: 1 to 100, default 20. */
  readonly pageSize?: number;
  /** Seconds between two polls, where it comes to that. Default 5. */
  readonly pollSeconds?: number;
  /** The service's `NOTIFY_KEEP_ALIVE_SECONDS`, if that was changed. Default 15. */
  readonly keepAliveSeconds?: number;
  /** How long to keep answers waiting before a stream counts as held back. Default 5. */
  readonly patienceSeconds?: number;
}

export interface Events {
  /** It arrived, or arrived again. `durable: false`: it is in no inbox, cannot be marked, and never comes again. */
  notification: [notification: Notification, about: { readonly durable: boolean }];
  update: [notification: Notification];
  delete: [id: string];
  counts: [counts: Counts];
  status: [status: Status, reason: Reason | null];
  /** What was held is not known to the service any more; the list was loaded anew. */
  reset: [];
}

export interface BulkOptions {
  /** Only this type. */
  readonly type?: string;
  /** Only what had arrived by this position: that of the snapshot which was shown. Default: the latest. */
  readonly before?: string;
}

export interface Inbox {
  readonly items: readonly Notification[];
  readonly counts: Counts;
  readonly status: Status;

  /** Fits React's `useSyncExternalStore`, and does not need `this`. Gives a function that ends it. */
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => Snapshot;
  /** Gives a function that ends it. */
  on<Name extends keyof Events>(name: Name, listener: (...about: Events[Name]) => void): () => void;

  /** Shows what matches these filters instead, from the beginning. */
  list(filters?: Filters): Promise<Snapshot>;
  /** The next page of it. */
  loadMore(): Promise<Snapshot>;
  /** Of the whole inbox, and of each type that is named. */
  count(filters?: { readonly type?: string | readonly string[] }): Promise<CountAnswer>;

  // Changes show at once. One that is refused is undone, and the promise fails with the problem.
  markRead(id: string): Promise<Notification>;
  markRead(ids: readonly string[]): Promise<Notification[]>;
  markUnread(id: string): Promise<Notification>;
  markUnread(ids: readonly string[]): Promise<Notification[]>;
  markSeen(id: string): Promise<Notification>;
  markSeen(ids: readonly string[]): Promise<Notification[]>;
  archive(id: string): Promise<Notification>;
  archive(ids: readonly string[]): Promise<Notification[]>;
  unarchive(id: string): Promise<Notification>;
  unarchive(ids: readonly string[]): Promise<Notification[]>;
  snooze(id: string, until: string | Date): Promise<Notification>;
  snooze(ids: readonly string[], until: string | Date): Promise<Notification[]>;
  unsnooze(id: string): Promise<Notification>;
  unsnooze(ids: readonly string[]): Promise<Notification[]>;
  remove(id: string): Promise<void>;
  remove(ids: readonly string[]): Promise<void[]>;
  /** How many were marked. */
  readAll(options?: BulkOptions): Promise<number>;
  seenAll(options?: BulkOptions): Promise<number>;
  archiveAll(options?: BulkOptions): Promise<number>;

  /** Tries again now, also after `stopped`. */
  reconnect(): void;
  /** Ends it in this tab, and forgets everything. */
  close(): void;
  /** The same in all tabs of this user. */
  logOut(): void;
}

/** What went wrong with a call. */
export declare class NotifyError extends Error {
  readonly name: "NotifyError";
  /** 0 if there was no answer. */
  readonly status: number;
  /** What the service said (RFC 9457); null where it was not the service that answered. */
  readonly problem: Readonly<Record<string, unknown>> | null;
}

export declare function connect(options: Options): Inbox;
