/** Code to paste, with a key that works. */

/** @typedef {{url: string, app: string, key: string, token: string, psql: string, schema: string}} Known */
/** @typedef {{id: string, name: string, about: string, text: string}} Snippet */

/**
 * @param {Known} known
 * @returns {Snippet[]}
 */
export function snippets({ url, app, key, token, psql, schema }) {
    return [
        {
            id: "curl",
            name: "curl",
            about: "In a terminal on this machine. It sends to Alice.",
            text: `curl -s ${url}/v1/notifications \\
  -H 'Authorization: Bearer ${key}' \\
  -H 'Content-Type: application/json' \\
  -d '{"to": "alice", "title": "Hello from curl", "level": "success"}'`,
        },
        {
            id: "html",
            name: "The bell",
            about: "On any page whose origin NOTIFY_CORS_ORIGINS names. The token is one of Alice’s and lives for 15 minutes; your "
                + "own server gives out fresh ones, and token-url says where.",
            text: `<script type="module">
  import "${url}/client/bell.min.js";
  document.querySelector("notify-bell").getToken = () =>
    "${token}";
</script>
<notify-bell url="${url}"></notify-bell>`,
        },
        {
            id: "javascript",
            name: "JavaScript",
            about: "In the console of this page, or in a module of yours: Alice’s inbox, live, with nothing to look at.",
            text: `const { connect } = await import("${url}/client/notify.min.js");
const inbox = connect({
  url: "${url}",
  getToken: () => "${token}",
});
inbox.on("notification", (notification) => console.log(notification.title));
inbox.on("counts", ({ unread }) => console.log(unread, "unread"));`,
        },
        {
            id: "react",
            name: "React",
            about: "A page whose import map names React imports it from here; for a bundler, copy react.min.js and notify.min.js from "
                + "/client beside your code. In the end, getToken asks your own server.",
            text: `import { NotifyProvider, useNotifications, useUnreadCount } from "${url}/client/react.min.js";

const getToken = async () =>
  "${token}";

function Inbox() {
  const { items } = useNotifications();
  const unread = useUnreadCount();
  return (
    <section>
      <h2>{unread} unread</h2>
      <ul>{items.map((item) => <li key={item.id}>{item.title}</li>)}</ul>
    </section>
  );
}

export default function App() {
  return (
    <NotifyProvider url="${url}" getToken={getToken}>
      <Inbox />
    </NotifyProvider>
  );
}`,
        },
        {
            id: "python",
            name: "Python",
            about: "With the client that this service brings along, for example by .venv/bin/python.",
            text: `from notify.client import Client, Message

with Client("${url}", "${key}") as notify:
    sent = notify.send(Message("alice", "Hello from Python", level="success"))
    print(sent.id)`,
        },
        {
            id: "sql",
            name: "SQL",
            about: "In a terminal on this machine: a notification as part of your own transaction. Rolled back, nothing happened. "
                + "The role may send, and read nothing.",
            text: `${psql} <<'SQL'
BEGIN;
-- Your own changes, in the same transaction.
SELECT ${schema}.send('alice', 'Hello from SQL', level => 'success', app_id => '${app}');
COMMIT;
SQL`,
        },
    ];
}
