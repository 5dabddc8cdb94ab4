/** @file Keeps a connection: opens it, opens it again when it is lost, not too soon, and gives up where that is all there is to do. */

import { NotifyError, backoff, pause } from "./calls.js";
import { poll, socket, stream } from "./transports.js";

/** @typedef {import("./notify.d.ts").Snapshot} Snapshot */
/** @typedef {import("./notify.d.ts").Reason} Reason */
/** @typedef {import("./store.js").Batch} Batch */

/**
 * @typedef {object} Events
 * @property {() => Promise<void>} load the list, and so a position to go on from
 * @property {() => string | null} position
 * @property {(batch: Batch) => void} batch
 * @property {(state: Partial<Pick<Snapshot, "status" | "reason" | "transport" | "error">>) => void} state
 * @property {() => void} reset
 */

const TRANSPORTS = { sse: stream, websocket: socket, polling: poll };
const POLL_INSTEAD_MS = 600_000;
const MOST_UNAUTHORIZED = 4;

/** Why an attempt is ended by ourselves: nothing more is wanted, or another one is, at once. */
const STOPPED = new Error("stopped");
const AGAIN = new Error("again");

export class Link {
  #calls;
  #base;
  #options;
  #on;
  /** @type {AbortController | null} Of all attempts. */
  #running = null;
  /** @type {AbortController | null} Of this one. */
  #attempt = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #watch;
  /** @type {(() => void) | null} */
  #wake = null;
  #notBefore = 0;
  /** By the clock on the wall, which goes on while a machine sleeps. */
  #expectedBy = Infinity;
  #failures = 0;
  #unauthorized = 0;
  #hintMs = 0;
  #pollUntil = 0;

  /** @param {import("./calls.js").Calls} calls @param {string} base @param {import("./notify.d.ts").Options} options @param {Events} on */
  constructor(calls, base, options, on) {
    this.#calls = calls;
    this.#base = base;
    this.#options = options;
    this.#on = on;
  }

  start() {
    if (this.#running) return;
    this.#running = new AbortController();
    this.#failures = this.#unauthorized = this.#hintMs = 0;
    void this.#run(this.#running.signal);
  }

  stop() {
    this.#running?.abort(STOPPED);
    this.#running = null;
    this.#give(STOPPED);
  }

  /** The moment is a good one: it is not waited any longer, but for what the service asked for. */
  nudge() {
    if (this.#wake) Date.now() >= this.#notBefore && this.#wake();
    else if (Date.now() > this.#expectedBy) this.renew();
  }

  /** The network is another one, so that the connection may be gone without a word. */
  renew() {
    if (this.#wake) this.#wake();
    else this.#attempt?.abort(AGAIN);
  }

  /** @param {Error} reason */
  #give(reason) {
    clearTimeout(this.#watch);
    this.#attempt?.abort(reason);
    this.#wake?.();
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    while (!signal.aborted) {
      const transport = Date.now() < this.#pollUntil ? "polling" : (this.#options.transport ?? "sse");
      /** @type {unknown} */
      let error = null;
      const attempt = (this.#attempt = new AbortController());
      try {
        if (!this.#on.position()) await this.#on.load();
        signal.throwIfAborted();
        this.#on.state({ transport });
        await this.#go(transport, attempt);
      } catch (reason) {
        error = reason;
      }
      // Why we ended it ourselves says more than how that looked; a stream may also have ended before that was seen.
      if (attempt.signal.aborted) error = attempt.signal.reason;
      // By now another one may have begun.
      if (signal.aborted) return;
      this.#give(STOPPED);
      await this.#recover(error);
    }
  }

  /** @param {keyof typeof TRANSPORTS} transport @param {AbortController} attempt */
  #go(transport, attempt) {
    const { signal } = attempt;
    return TRANSPORTS[transport]({
      calls: this.#calls,
      base: this.#base,
      options: this.#options,
      signal,
      position: () => /** @type {string} */ (this.#on.position()),
      rest: async (ms) => {
        await this.#rest(ms, 0);
        // Perhaps streams pass by now.
        if (this.#pollUntil && Date.now() > this.#pollUntil) throw AGAIN;
      },
      take: (messages) => {
        if (!signal.aborted) this.#take(messages);
      },
      expect: (seconds) => {
        if (signal.aborted) return;
        clearTimeout(this.#watch);
        this.#expectedBy = Date.now() + Math.abs(seconds) * 1000;
        this.#watch = setTimeout(() => {
          if (seconds < 0) this.#pollUntil = Date.now() + POLL_INSTEAD_MS;
          attempt.abort(seconds < 0 ? AGAIN : new NotifyError("Nothing came for too long"));
        }, Math.abs(seconds) * 1000);
      },
    });
  }

  /** @param {import("./transports.js").Message[]} messages */
  #take(messages) {
    /** @type {Batch} */
    const batch = { position: null, events: [] };
    let isLive = false;
    for (const { event, id, data, retry } of messages) {
      if (retry !== undefined) this.#hintMs = retry;
      if (id) batch.position = id;
      if (event === "notification" || event === "update" || event === "delete") batch.events.push({ event, data, ...(id && { id }) });
      if (event === "inbox") {
        if (data.position) batch.counts = data;
        isLive ||= !!id;
      }
      if (event === "token") void this.#extend(data);
      if (event === "reset") {
        // What would follow is not all of what is shown.
        this.#on.reset();
        return this.#give(AGAIN);
      }
      if (event === "bye") this.#attempt?.abort(new NotifyError(`The service said goodbye: ${data.reason}`, 0, { bye: data.reason }));
    }
    if (batch.position || batch.events.length || batch.counts) this.#on.batch(batch);
    if (!isLive) return;
    this.#failures = this.#unauthorized = 0;
    this.#on.state({ status: "live", reason: null, error: null });
  }

  /** @param {{ expires_in: number, session: string }} data */
  async #extend({ expires_in, session }) {
    const signal = this.#attempt?.signal;
    try {
      // A short life is not spent on asking.
      if (expires_in < 10) await pause(expires_in * 300);
      if (signal?.aborted) return;
      this.#calls.dropToken();
      const body = { session };
      await this.#calls.json("/v1/stream/refresh", { method: "POST", body, ...(signal && { signal }) });
    } catch {
      // It ends with `token_expired` then, and begins again.
    }
  }

  /** What to do after an end. @param {any} error */
  async #recover(error) {
    if (error === AGAIN) return;
    const bye = error?.problem?.bye;
    const { status = 0 } = error ?? {};
    const isUnauthorized = status === 401 || bye === "auth" || bye === "token_expired";
    if (isUnauthorized) {
      this.#calls.dropToken();
      // To come back with the same token would be too soon; it is another one.
      this.#hintMs = 0;
      this.#unauthorized++;
    }
    const shown = error instanceof NotifyError ? error : null;
    const reason = this.#reasonToStop(error, isUnauthorized);
    if (reason) {
      this.stop();
      return this.#on.state({ status: "stopped", reason, error: shown });
    }
    const isOffline = globalThis.navigator?.onLine === false;
    this.#on.state({ status: isOffline ? "offline" : "reconnecting", error: shown });
    const hintMs = Math.max(this.#hintMs, error?.retryMs ?? 0);
    this.#hintMs = 0;
    await this.#rest(backoff(this.#failures++), hintMs);
  }

  /** @param {any} error @param {boolean} isUnauthorized @returns {Reason | null} */
  #reasonToStop(error, isUnauthorized) {
    const bye = error?.problem?.bye;
    if (error?.reason) return error.reason;
    if (bye === "revoked") return bye;
    if (bye === "abuse") return "refused";
    if (isUnauthorized) return this.#unauthorized > MOST_UNAUTHORIZED ? "unauthorized" : null;
    if (bye || !(error instanceof NotifyError) || error.isPassing) return null;
    return error.status === 403 ? "forbidden" : "refused";
  }

  /** @param {number} ms @param {number} leastMs @returns {Promise<void>} */
  #rest(ms, leastMs) {
    this.#notBefore = Date.now() + leastMs;
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake?.(), ms + leastMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = null;
        resolve();
      };
    });
  }
}
