/** In the browser: a token of whoever is logged in, or null when nobody is. When it fails it is asked for again. */
export async function getToken(): Promise<string | null> {
  const answer = await fetch("/api/notify-token");
  if (!answer.ok) throw new Error(`no token: ${answer.status}`);
  const { token } = (await answer.json()) as { token: string | null };
  return token;
}
