"use client";

import { useUnreadCount } from "@notify/client/react";

export function UnreadCount() {
  const unread = useUnreadCount();
  return (
    unread > 0 && (
      <span className="count">
        {unread}
        <span className="said"> unread</span>
      </span>
    )
  );
}
