// As an application in TypeScript uses the client: checked, never run.

import { NotifyInbox, type Words } from "../../../src/notify/web/client/bell.js";
import { connect, NotifyError, type Inbox, type Snapshot } from "../../../src/notify/web/client/notify.js";

const inbox: Inbox = connect({ url: "https://notify.example.com", getToken: async () => "a token" });
connect({ url: new URL("https://notify.example.com"), user: "alice", transport: "websocket", device: "laptop-1" });
// @ts-expect-error: an address is needed
connect({ getToken: () => null });
// @ts-expect-error: there is no such transport
connect({ url: "/", getToken: () => null, transport: "carrier pigeon" });

// The form of React's useSyncExternalStore.
declare function useSyncExternalStore<Value>(subscribe: (listener: () => void) => () => void, get: () => Value): Value;
const snapshot: Snapshot = useSyncExternalStore(inbox.subscribe, inbox.getSnapshot);
// @ts-expect-error: what is shown is not for changing
snapshot.items.push();

const stop = inbox.on("notification", (notification, { durable }) => console.log(notification.title, durable));
inbox.on("status", (status, reason) => status === "stopped" && reason === "revoked" && stop());
// @ts-expect-error: there is no such event
inbox.on("nothing", () => {});

export async function use(): Promise<number> {
  const { items } = await inbox.list({ status: "unread", type: "chat" });
  const ids = items.map(({ id }) => id);
  const [first] = await inbox.markRead(ids);
  const one = await inbox.snooze(ids[0] ?? "", new Date());
  await inbox.remove(one.id).catch((error) => error instanceof NotifyError && error.problem?.["detail"]);
  const { types } = await inbox.count({ type: ["chat"] });
  return (types?.["chat"]?.unread ?? 0) + (first?.title.length ?? 0) + (await inbox.readAll({ before: snapshot.position ?? "" }));
}

const bell = document.querySelector("notify-bell");
if (bell) {
  bell.inbox = inbox;
  bell.tabs = [{ label: "Chat", filters: { type: "chat" } }];
  bell.renderItem = ({ title, created_at }, { ago }) => `${title} ${ago(created_at)}`;
  bell.addEventListener("notify-select", (event) => event.preventDefault());
  bell.addEventListener("notify-action", ({ detail: { notification, action } }) => console.log(notification.id, action.label));
  bell.show();
  // @ts-expect-error: there is no such status
  bell.tabs = [{ filters: { status: "lost" } }];
}
NotifyInbox.languages.set("de", { words: { title: "Mitteilungen" } satisfies Partial<Words> });
