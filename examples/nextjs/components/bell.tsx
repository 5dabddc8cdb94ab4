"use client";

import type { NotifyBell, NotifyEventMap } from "@notify/client/bell";
import { useRouter } from "next/navigation";
import { useEffect, useRef } from "react";

/** It has a list of its own, and shares the connection of the page. */
export function Bell({ url }: { readonly url: string }) {
  const bell = useRef<NotifyBell>(null);
  const router = useRouter();

  // Only a browser has custom elements.
  useEffect(() => void import("@notify/client/bell"), []);

  useEffect(() => {
    const element = bell.current;
    const follow = (event: NotifyEventMap["notify-select"]) => {
      const to = event.detail.url;
      if (!to?.startsWith("/") || to.startsWith("//")) return;
      event.preventDefault();
      router.push(to);
    };
    element?.addEventListener("notify-select", follow);
    return () => element?.removeEventListener("notify-select", follow);
  }, [router]);

  return <notify-bell ref={bell} url={url} token-url="/api/notify-token" />;
}
