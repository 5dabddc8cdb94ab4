// As an application in TypeScript uses the hooks: checked, never run.

import { useEffect, useRef } from "react";
import type { NotifyBell } from "../../../src/notify/web/client/bell.js";
import { connect } from "../../../src/notify/web/client/notify.js";
import {
  NotifyProvider,
  useInbox,
  useNotifications,
  useUnreadCount,
} from "../../../src/notify/web/client/react.js";

const own = connect({ url: "/", user: "alice" });

export const app = (
  <NotifyProvider url={new URL("https://notify.example.com")} user="alice" getToken={async () => "a token"} filters={{ status: "all" }}>
    <List />
    <NotifyProvider inbox={own} />
    <NotifyProvider inbox={null} />
  </NotifyProvider>
);
// @ts-expect-error: an address is needed
export const without = <NotifyProvider getToken={() => null} />;
// @ts-expect-error: an inbox that is connected takes no options
export const both = <NotifyProvider inbox={own} url="/" />;

function List() {
  const { items, counts, status, hasMore, isLoading, loadMore, markRead, readAll, position } = useNotifications({ status: "unread", type: "chat" });
  const unread: number = useUnreadCount();
  const bell = useRef<NotifyBell>(null);
  const inbox = useInbox();
  // @ts-expect-error: there is none before the provider has mounted
  inbox.reconnect();
  useEffect(() => inbox?.on("notification", ({ title }) => console.log(title)), [inbox]);
  // @ts-expect-error: there is no such status
  useNotifications({ status: "lost" });
  return (
    <ul aria-busy={isLoading} data-status={status}>
      <notify-bell ref={bell} url="https://notify.example.com" token-url="/token" lang="ar" dir="rtl" color-scheme="dark" />
      {/* @ts-expect-error: there is no such scheme */}
      <notify-inbox user="alice" color-scheme="blue" />
      {items.map(({ id, title }) => (
        <li key={id} onClick={() => void markRead(id)}>
          {title}
        </li>
      ))}
      {hasMore && <button onClick={() => void loadMore()}>{counts.total - unread}</button>}
      <button onClick={() => void readAll(position ? { before: position } : {})} />
    </ul>
  );
}
