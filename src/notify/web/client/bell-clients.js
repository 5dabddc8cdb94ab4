/** @file The clients of a page: elements that show the same user's inbox have one between them. */

import { connect } from "./notify.js";

/** @typedef {import("./notify.d.ts").Inbox} Inbox */
/** @typedef {import("./notify.d.ts").Options} Options */

const PAGE_SIZE = 30;
/** Reasons for which a client is over for good. @type {unknown[]} */
export const ENDED = ["closed", "logged-out", "another-user"];

/** @type {Map<string, Shared>} */
const clients = new Map();
/** Functions are told apart by a number. @type {WeakMap<Function, number>} */
const numbers = new WeakMap();
let numbered = 0;

/** One client, and those who show it. */
class Shared {
  /** @type {Set<(inbox: Inbox) => void>} */
  #users = new Set();
  #key;
  #options;

  /** @param {string} key @param {Options} options */
  constructor(key, options) {
    this.#key = key;
    this.#options = options;
    this.inbox = connect(options);
  }

  /** @param {(inbox: Inbox) => void} user is told of another client that takes its place */
  join(user) {
    this.#users.add(user);
    user(this.inbox);
  }

  /** @param {(inbox: Inbox) => void} user */
  leave(user) {
    this.#users.delete(user);
    // An element that is only moved comes back at once.
    setTimeout(() => {
      if (this.#users.size || clients.get(this.#key) !== this) return;
      clients.delete(this.#key);
      this.inbox.close();
    });
  }

  /** Tries again, also after an end for good. */
  retry() {
    if (!ENDED.includes(this.inbox.getSnapshot().reason)) return this.inbox.reconnect();
    this.inbox.close();
    this.inbox = connect(this.#options);
    for (const user of this.#users) user(this.inbox);
  }
}

/**
 * @param {{ url: string, getToken: Options["getToken"] | undefined, [name: string]: any }} where
 * @param {Options["filters"]} filters of a client that is not there yet
 * @returns {Shared | null} null as long as nothing says whose inbox it is
 */
export function shared({ url, tokenUrl, getToken, user, app, transport }, filters) {
  if (!tokenUrl && !getToken && !user) return null;
  const key = JSON.stringify([url, getToken ? number(getToken) : tokenUrl, user, app, transport]);
  const there = clients.get(key);
  if (there) return there;
  /** @type {Record<string, unknown>} */
  const options = { url, pageSize: PAGE_SIZE };
  const ask = getToken ?? (tokenUrl ? () => fetchToken(tokenUrl) : undefined);
  for (const [name, value] of Object.entries({ getToken: ask, user, app, transport, filters })) if (value) options[name] = value;
  const made = new Shared(key, /** @type {any} */ (options));
  clients.set(key, made);
  return made;
}

/** @param {Function} asked */
function number(asked) {
  if (!numbers.has(asked)) numbers.set(asked, ++numbered);
  return numbers.get(asked);
}

/** As text, or as JSON `{"token"}`. Nothing: nobody is logged in. @param {string} url @returns {Promise<string | null>} */
async function fetchToken(url) {
  const answer = await fetch(url, { credentials: "same-origin", cache: "no-store" });
  if (answer.status === 401 || answer.status === 403 || answer.status === 204) return null;
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const text = (await answer.text()).trim();
  return text.startsWith("{") ? JSON.parse(text).token : text;
}
