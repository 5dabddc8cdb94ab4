"use client";

import "@notify/client/react";
import { useEffect } from "react";

/** The element brings a list of its own, and shares the connection of the page. */
export function Bell({ url, user }: { readonly url: string; readonly user: string }) {
  // Only a browser has custom elements.
  useEffect(() => void import("@notify/client/bell"), []);
  return <notify-bell key={user} url={url} token-url="/api/notify-token" />;
}
