"use client";

import { NotifyProvider } from "@notify/client/react";
import type { ReactNode } from "react";
import { getToken } from "@/lib/token";

export function Notify({ url, user, children }: { readonly url: string; readonly user: string; readonly children: ReactNode }) {
  return (
    <NotifyProvider url={url} user={user} getToken={getToken}>
      {children}
    </NotifyProvider>
  );
}
