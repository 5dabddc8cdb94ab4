function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: copy .env.example to .env.local and fill it in`);
  return value;
}

/** Where the service is, without a slash at its end. */
export const NOTIFY_URL = (process.env["NOTIFY_URL"] ?? "http://127.0.0.1:8000").replace(/\/+$/, "");

// Secrets are read when they are needed, and so never while building.
export const apiKey = () => setting("NOTIFY_API_KEY");

export function sessionSecret(): string {
  const secret = setting("SESSION_SECRET");
  if (secret.length < 32) throw new Error("SESSION_SECRET has fewer than 32 characters");
  return secret;
}
