/** The bell of notify: `<notify-bell>` and `<notify-inbox>`, defined by importing this module. */

import type { Action, Filters, Inbox, Notification, Options } from "./notify.d.ts";

/** One of those above the list. */
export interface Tab {
  readonly filters: Filters;
  /** Without it, what the language says of the filters. */
  readonly label?: string;
}

/** A sentence for each of the forms that Intl.PluralRules tells apart. `{count}` is the number. */
export interface Plural {
  readonly zero?: string;
  readonly one?: string;
  readonly two?: string;
  readonly few?: string;
  readonly many?: string;
  readonly other: string;
}

/** What is said. Words that a language does not have are those of English. */
export interface Words {
  readonly title: string;
  /** The name of the button. */
  readonly bell: Plural;
  readonly inbox: string;
  readonly unread: string;
  readonly read: string;
  readonly archived: string;
  readonly snoozed: string;
  readonly filters: string;
  readonly readAll: string;
  readonly settings: string;
  readonly close: string;
  readonly isUnread: string;
  readonly info: string;
  readonly success: string;
  readonly warning: string;
  readonly error: string;
  readonly progress: string;
  /** With `{title}`. */
  readonly actions: string;
  readonly markRead: string;
  readonly markUnread: string;
  readonly archive: string;
  readonly unarchive: string;
  readonly snooze: string;
  readonly snoozeHour: string;
  readonly snoozeTomorrow: string;
  readonly snoozeWeek: string;
  readonly unsnooze: string;
  readonly remove: string;
  readonly isRead: string;
  readonly isMarkedUnread: string;
  readonly isArchived: string;
  readonly isUnarchived: string;
  readonly isSnoozed: string;
  readonly isUnsnoozed: string;
  readonly isRemoved: string;
  readonly areRead: Plural;
  /** On the pill. */
  readonly news: Plural;
  /** With `{title}` of the first. */
  readonly arrived: Plural;
  readonly empty: string;
  readonly emptyAbout: string;
  readonly emptyUnread: string;
  readonly emptyUnreadAbout: string;
  readonly emptyArchived: string;
  readonly emptySnoozed: string;
  readonly loading: string;
  readonly loaded: Plural;
  readonly offline: string;
  readonly reconnecting: string;
  readonly again: string;
  readonly loggedOut: string;
  readonly stopped: string;
  readonly stoppedAbout: string;
  readonly failed: string;
  /** With `{reason}`. */
  readonly refused: string;
  readonly noAnswer: string;
}

export interface Language {
  readonly direction?: "ltr" | "rtl";
  readonly words: Partial<Words>;
}

/** Gives what is shown of a notification. It is called again whenever that changes. */
export type RenderItem = (
  notification: Notification,
  about: {
    /** The language that is spoken. */
    readonly lang: string;
    /** How long ago that was, in this language. */
    readonly ago: (time: string) => string;
  },
) => Node | string;

declare class NotifyElement extends HTMLElement {
  /** By language tag: add others, or change what is there, before the elements are shown. */
  static readonly languages: Map<string, Language>;

  /** The client in use. Set it to one of your own, from `connect()`; elements may share it. */
  get inbox(): Inbox | null;
  set inbox(inbox: Inbox | null | undefined);
  /** Gives a fresh token, instead of the attribute `token-url`. */
  getToken: Options["getToken"];
  /** Those above the list; null: those of the attribute `tabs`. */
  get tabs(): readonly Tab[];
  set tabs(tabs: readonly Tab[] | null);
  renderItem: RenderItem | null;
  /** Style sheets of yours for what is within the shadow. */
  styleSheets: readonly CSSStyleSheet[];

  addEventListener<Name extends keyof NotifyEventMap>(
    name: Name,
    listener: (event: NotifyEventMap[Name]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    name: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** A button with the count of what is unread, which opens a panel with the list. */
export declare class NotifyBell extends NotifyElement {
  /** Whether the panel is. Also an attribute. */
  open: boolean;
  show(): void;
  hide(): void;
  toggle(): void;
}

/** The list on its own. */
export declare class NotifyInbox extends NotifyElement {}

export interface NotifyEventMap {
  "notify-open": CustomEvent<null>;
  "notify-close": CustomEvent<null>;
  /** `preventDefault()` keeps it from following the notification's `url`. */
  "notify-select": CustomEvent<Notification>;
  /** `preventDefault()` keeps it from following the action's `url`. */
  "notify-action": CustomEvent<{ readonly notification: Notification; readonly action: Action }>;
  /** Somebody wants to change what they are told. */
  "notify-settings": CustomEvent<null>;
}

declare global {
  interface HTMLElementTagNameMap {
    "notify-bell": NotifyBell;
    "notify-inbox": NotifyInbox;
  }
  interface HTMLElementEventMap extends NotifyEventMap {}
}
