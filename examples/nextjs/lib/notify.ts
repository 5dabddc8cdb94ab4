import "server-only";
import { NOTIFY_URL, apiKey } from "@/lib/settings";

const PATIENCE_MS = 5_000;

/** The service has refused, or did not answer. */
export class ServiceError extends Error {}

/** A short-lived token with which a user's browser reaches that user's inbox, and nothing else. */
export async function tokenFor(userId: string): Promise<string> {
  const { token } = await call<{ token: string }>("/v1/tokens", { user_id: userId });
  return token;
}

export interface Message {
  readonly to: string;
  readonly title: string;
  readonly body?: string;
  readonly type: string;
  readonly url: string;
  readonly actor: { readonly id: string; readonly name: string };
}

/** Answered once it is stored. With the same key it is sent once, however often it is asked for. */
export async function send(message: Message, key: string): Promise<void> {
  await call("/v1/notifications", message, { "Idempotency-Key": key });
}

async function call<Answer>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await fetch(NOTIFY_URL + path, {
    method: "POST",
    headers: { Authorization: `Bearer ${apiKey()}`, "Content-Type": "application/json", ...headers },
    body: JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch(() => null);
  const said = await answer?.json().catch(() => null);
  if (!answer?.ok) throw new ServiceError(said?.detail ?? "The notification service does not answer.");
  return said;
}
