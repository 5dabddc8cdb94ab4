/** The inbox for React 18 and 19. */

import type { DetailedHTMLProps, HTMLAttributes, ReactElement, ReactNode } from "react";
import type { NotifyBell, NotifyInbox } from "./bell.d.ts";
import type { Filters, Inbox, Options, Snapshot } from "./notify.d.ts";

export type NotifyProviderProps = { readonly children?: ReactNode } & (
  | (Options & {
      readonly inbox?: undefined;
      /** Who is logged in: when that changes, the inbox does. Without it a change shows when the token is renewed. */
      readonly user?: string;
    })
  | {
      /** One that the application has connected, and closes: null while there is none. */
      readonly inbox: Inbox | null;
    }
);

/**
 * Connects when it has mounted, and closes what it opened. Options are compared by value, so they may be written where they are
 * passed; `getToken` is the one that was passed last.
 */
export declare function NotifyProvider(props: NotifyProviderProps): ReactElement;

type Actions = Pick<
  Inbox,
  | "loadMore"
  | "markRead"
  | "markUnread"
  | "markSeen"
  | "archive"
  | "unarchive"
  | "snooze"
  | "unsnooze"
  | "remove"
  | "readAll"
  | "seenAll"
  | "archiveAll"
>;

/** What there is to show, and what can be done with it. The functions are the same as long as the inbox is. */
export type Notifications = Snapshot & Actions;

/**
 * The provider's list, or with filters one of its own, which components with the same filters share. Filters are compared by value.
 * On the server, and until the first answer, it is empty and `isLoading`.
 */
export declare function useNotifications(filters?: Filters): Notifications;

/** It renders again when this number changes, and for nothing else. */
export declare function useUnreadCount(): number;

/** For `on()`, `count()`, `reconnect()` and `logOut()`. Null on the server, and until the provider has mounted. */
export declare function useInbox(): Inbox | null;

/** What `<notify-bell>` and `<notify-inbox>` take in JSX; their properties are set by a `ref`. */
export interface NotifyElementAttributes<Element> extends HTMLAttributes<Element> {
  readonly url?: string;
  readonly "token-url"?: string;
  readonly user?: string;
  readonly app?: string;
  readonly transport?: "sse" | "websocket" | "polling";
  readonly "color-scheme"?: "light" | "dark";
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "notify-bell": DetailedHTMLProps<NotifyElementAttributes<NotifyBell>, NotifyBell>;
      "notify-inbox": DetailedHTMLProps<NotifyElementAttributes<NotifyInbox>, NotifyInbox>;
    }
  }
}
