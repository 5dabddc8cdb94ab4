import "server-only";
import { createHmac, timingSafeEqual } from "node:crypto";
import { cookies } from "next/headers";
import { sessionSecret } from "@/lib/settings";
import { userOf, type User } from "@/lib/users";

// The cookie says who is logged in and until when, signed: `alice.1767225600.SIGNATURE`.
const COOKIE = "session";
const SECONDS = 8 * 60 * 60;

const signatureOf = (claim: string) => createHmac("sha256", sessionSecret()).update(claim).digest();

/** Who is logged in. */
export async function currentUser(): Promise<User | null> {
  const [id, expires, signature] = ((await cookies()).get(COOKIE)?.value ?? "").split(".");
  if (!id || !expires || !signature) return null;
  const given = Buffer.from(signature, "base64url");
  const expected = signatureOf(`${id}.${expires}`);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  return Number(expires) > Date.now() / 1000 ? userOf(id) : null;
}

export async function beginSession({ id }: User): Promise<void> {
  const claim = `${id}.${Math.floor(Date.now() / 1000) + SECONDS}`;
  (await cookies()).set(COOKIE, `${claim}.${signatureOf(claim).toString("base64url")}`, {
    httpOnly: true,
    sameSite: "lax",
    // Browsers take localhost for secure.
    secure: process.env.NODE_ENV === "production",
    maxAge: SECONDS,
    path: "/",
  });
}

export async function endSession(): Promise<void> {
  (await cookies()).delete(COOKIE);
}
