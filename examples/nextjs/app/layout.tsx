import type { Metadata } from "next";
import Link from "next/link";
import type { ReactNode } from "react";
import { logOut } from "@/app/actions";
import { Bell } from "@/components/bell";
import { Notify } from "@/components/notify";
import { UnreadCount } from "@/components/unread-count";
import { currentUser } from "@/lib/session";
import { NOTIFY_URL } from "@/lib/settings";
import "./globals.css";

export const metadata: Metadata = { title: "Shop", icons: "data:," };

export default async function Layout({ children }: { readonly children: ReactNode }) {
  const user = await currentUser();
  return (
    <html lang="en">
      <body>
        {user ? (
          <Notify url={NOTIFY_URL} user={user.id}>
            <header>
              <Link href="/">
                Shop <UnreadCount />
              </Link>
              <span className="who">{user.name}</span>
              <form action={logOut}>
                <button className="quiet">Log out</button>
              </form>
              <Bell key={user.id} url={NOTIFY_URL} />
            </header>
            <main>{children}</main>
          </Notify>
        ) : (
          <main>{children}</main>
        )}
      </body>
    </html>
  );
}
