"use server";

import { redirect } from "next/navigation";
import { ServiceError, send } from "@/lib/notify";
import { beginSession, currentUser, endSession } from "@/lib/session";
import { userOf } from "@/lib/users";

export async function logIn(form: FormData): Promise<void> {
  const user = userOf(form.get("user"));
  if (!user) redirect("/login");
  await beginSession(user);
  redirect("/");
}

export async function logOut(): Promise<void> {
  await endSession();
  redirect("/login");
}

/** What the form says and holds. */
export interface Draft {
  /** The same until it is sent, so that trying again never sends it twice. */
  readonly key: string;
  readonly title: string;
  readonly body: string;
  readonly says: string;
}

export async function sendMessage({ key }: Draft, form: FormData): Promise<Draft> {
  const from = await currentUser();
  if (!from) redirect("/login");
  const to = userOf(form.get("to"));
  const title = textOf(form, "title");
  const body = textOf(form, "body");
  if (!to || !title) return { key, title, body, says: "Say to whom, and what." };
  try {
    await send({ to: to.id, title, ...(body && { body }), type: "message", url: "/", actor: from }, key);
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    return { key, title, body, says: error.message };
  }
  return { key: crypto.randomUUID(), title: "", body: "", says: `Sent to ${to.name}.` };
}

function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value.trim() : "";
}
