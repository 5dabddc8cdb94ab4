import { NextResponse, type NextRequest } from "next/server";
import { NOTIFY_URL } from "@/lib/settings";

/** A strict content security policy. Next.js puts the nonce on its own scripts. */
export function proxy(request: NextRequest) {
  const nonce = crypto.randomUUID();
  const isDevelopment = process.env.NODE_ENV === "development";
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${isDevelopment ? " 'unsafe-eval'" : ""}`,
    `style-src 'self'${isDevelopment ? " 'unsafe-inline'" : ""}`,
    `connect-src 'self' ${NOTIFY_URL} ${NOTIFY_URL.replace(/^http/, "ws")}`,
    // Those of its own error messages.
    ...(isDevelopment ? ["font-src 'self'"] : []),
    "img-src 'self' https: data:",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  const headers = new Headers(request.headers);
  headers.set("Content-Security-Policy", policy);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "same-origin");
  return response;
}

export const config = { matcher: "/((?!_next/static|api/).*)" };
