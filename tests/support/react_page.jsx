// The page that the tests of the hooks look at: bundled with React 18 and with React 19, both as for development.

import { StrictMode, useEffect, version } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { renderToString } from "react-dom/server.browser";
import { connect } from "../../src/notify/web/client/notify.js";
import { NotifyProvider, useInbox, useNotifications, useUnreadCount } from "../../src/notify/web/client/react.js";

Object.assign(globalThis, { version, connect, asked: 0, rendered: { unread: 0, lists: [] }, trouble: [] });

function Unread() {
  rendered.unread++;
  globalThis.inbox = useInbox();
  return <output>{useUnreadCount()}</output>;
}

function List({ of, filters }) {
  const list = useNotifications(filters);
  const titles = list.items.map(({ title }) => title);
  rendered.lists.push([of, titles]);
  useEffect(() => void (globalThis.shown = { ...globalThis.shown, [JSON.stringify(filters ?? null)]: list }));
  return <p data-status={list.status}>{titles.join()}</p>;
}

function App({ lists = [null], user, loggedIn = user, options, inbox }) {
  const how = inbox === undefined ? { getToken: () => tokenOf(loggedIn), ...(user && { user }), ...options } : { inbox };
  return (
    <NotifyProvider {...how}>
      <Unread />
      {lists.map((filters, place) => (
        <List key={place} of={user} filters={filters ?? undefined} />
      ))}
    </NotifyProvider>
  );
}

const tokenOf = async (user) => ++asked && (await fetch(`/token?user=${user}&seconds=${globalThis.seconds ?? 900}`)).text();
const strict = (props) => (
  <StrictMode>
    <App {...props} />
  </StrictMode>
);
const container = document.body.appendChild(document.createElement("div"));
let root;

globalThis.show = (props) => (root ??= createRoot(container)).render(strict(props));
globalThis.leave = () => root.unmount();
globalThis.hydrate = (props) => {
  container.innerHTML = renderToString(strict(props));
  const served = container.innerHTML;
  root = hydrateRoot(container, strict(props), { onRecoverableError: (error) => trouble.push(error.message) });
  return served;
};
globalThis.renderAlone = () => renderToString(<Unread />);
