/**
 * @file The tabs of one user: one of them leads, and has the connection. The browser's lock says which, and passes on by itself
 * when that tab closes or crashes. One that hangs is robbed of it by whoever is looked at.
 */

/** @typedef {{ kind: string, from?: string, [more: string]: any }} Message */

const CHECK_MS = 15_000;
const ANSWER_MS = 5_000;

export class Tabs {
  #name;
  #lead;
  #hear;
  #self = Math.random().toString(36).slice(2);
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {AbortController | null} */
  #queue = null;
  /** @type {(() => void) | null} Lets go of the lock. */
  #release = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  isLeader = false;

  /**
   * @param {string} name
   * @param {(isLeader: boolean) => void} lead
   * @param {(message: Message) => void} hear
   */
  constructor(name, lead, hear) {
    this.#name = name;
    this.#lead = lead;
    this.#hear = hear;
  }

  /** Takes part, as a follower until the lock is free. */
  enter() {
    // Not there on pages without TLS: then each has a connection of its own.
    if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) return this.#become(true);
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => {
      if (data.to && data.to !== this.#self) return;
      if (data.kind === "here") this.#settle(CHECK_MS);
      this.#hear(data);
    };
    this.#stand({});
  }

  leave() {
    clearTimeout(this.#timer);
    this.#queue?.abort();
    this.#channel?.close();
    this.#channel = null;
    this.#release?.();
    this.#become(false);
  }

  /** @param {Message} message */
  say(message) {
    this.#channel?.postMessage({ ...message, from: this.#self });
  }

  /** Whether somebody leads, and where they are. */
  check = () => {
    if (this.isLeader || !this.#channel) return;
    this.say({ kind: "hello" });
    this.#settle(ANSWER_MS, true);
  };

  /** @param {number} ms @param {boolean} [isAsked] */
  #settle(ms, isAsked) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // Who is not looked at may be slow to hear, and needs nothing now.
      if (globalThis.document?.visibilityState === "hidden") this.#settle(ms, isAsked);
      else if (isAsked) this.#stand({ steal: true });
      else this.check();
    }, ms);
  }

  /** @param {LockOptions} how */
  #stand(how) {
    this.#queue?.abort();
    const queue = (this.#queue = new AbortController());
    // To rob somebody cannot be called off.
    const options = how.steal ? how : { ...how, signal: queue.signal };
    navigator.locks
      .request(this.#name, options, () => {
        if (!this.#channel || queue !== this.#queue) return;
        clearTimeout(this.#timer);
        const held = new Promise((resolve) => (this.#release = () => resolve(null)));
        this.#become(true);
        return held;
      })
      .catch(({ name }) => {
        if (!this.#channel || queue !== this.#queue) return;
        // Not for this page, as in a frame without an origin: then it stands alone. Otherwise it was robbed.
        if (name !== "AbortError") return this.#become(true);
        this.#become(false);
        this.#stand({});
        this.check();
      });
    if (!how.steal) this.check();
  }

  /** @param {boolean} isLeader */
  #become(isLeader) {
    if (isLeader === this.isLeader) return;
    this.isLeader = isLeader;
    this.#lead(isLeader);
  }
}
