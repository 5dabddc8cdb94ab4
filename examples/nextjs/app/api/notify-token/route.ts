import { tokenFor } from "@/lib/notify";
import { currentUser } from "@/lib/session";

/** Asked by the browser whenever it needs a fresh token. */
export async function GET(): Promise<Response> {
  const headers = { "Cache-Control": "no-store" };
  const user = await currentUser();
  if (!user) return Response.json({ token: null }, { headers });
  try {
    return Response.json({ token: await tokenFor(user.id) }, { headers });
  } catch (error) {
    // The browser tries again in a moment.
    console.error("no token:", error);
    return Response.json({ token: null }, { status: 502, headers });
  }
}
