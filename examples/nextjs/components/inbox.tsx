"use client";

import type { Filters, Notification } from "@notify/client";
import { useNotifications } from "@notify/client/react";
import { useState } from "react";
import { When } from "@/components/when";

const LISTS = { All: {}, Unread: { status: "unread" }, Archived: { status: "archived" } } satisfies Record<string, Filters>;
type ListName = keyof typeof LISTS;
const NAMES = Object.keys(LISTS) as ListName[];

const SAYS = {
  connecting: "Connecting …",
  live: "Live",
  reconnecting: "Reconnecting …",
  offline: "Offline",
  stopped: "Stopped",
} as const;

export function Inbox() {
  const [list, setList] = useState<ListName>("All");
  const { items, counts, status, hasMore, isLoading, position, loadMore, readAll, ...marks } = useNotifications(LISTS[list]);
  return (
    <section className="card" aria-busy={isLoading}>
      <div className="row">
        <h1>Inbox</h1>
        <span className={`status ${status}`} role="status">
          {SAYS[status]}
        </span>
      </div>
      <div className="row">
        {NAMES.map((name) => (
          <button key={name} className="tab" aria-pressed={name === list} onClick={() => setList(name)}>
            {name}
          </button>
        ))}
        {/* Only what was on the screen: what arrives meanwhile stays unread. */}
        <button className="quiet" disabled={!counts.unread} onClick={() => void readAll(position ? { before: position } : {})}>
          Mark all as read
        </button>
      </div>
      <ul>
        {items.map((item) => (
          <Item key={item.id} item={item} {...marks} />
        ))}
      </ul>
      {!items.length && <p className="empty">{isLoading || !position ? "Loading …" : "There is nothing here."}</p>}
      {hasMore && (
        <button className="quiet" disabled={isLoading} onClick={() => void loadMore()}>
          Show more
        </button>
      )}
    </section>
  );
}

type Marks = Pick<ReturnType<typeof useNotifications>, "markRead" | "markUnread" | "archive" | "unarchive">;

function Item({ item, markRead, markUnread, archive, unarchive }: Marks & { readonly item: Notification }) {
  const { id, title, body, actor, read_at, archived_at, arrived_at } = item;
  return (
    <li className={read_at ? "read" : "unread"}>
      <div>
        <strong>{title}</strong>
        {body && <p>{body}</p>}
        <small>
          {actor && `${actor.name}, `}
          <When time={arrived_at} />
        </small>
      </div>
      <button className="quiet" onClick={() => void (read_at ? markUnread(id) : markRead(id))}>
        {read_at ? "Unread" : "Read"}
      </button>
      <button className="quiet" onClick={() => void (archived_at ? unarchive(id) : archive(id))}>
        {archived_at ? "Back" : "Archive"}
      </button>
    </li>
  );
}
