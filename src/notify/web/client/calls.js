/** @file What is asked of the service: with a token that is fresh, and again where that is safe. */

/** @typedef {import("./notify.d.ts").Options} Options */
/** @typedef {import("./notify.d.ts").NotifyError} Declared */
/** @typedef {{ sub?: string, app?: string, iat?: number, exp?: number }} Claims */
/** @typedef {{ method?: string, body?: unknown, headers?: Record<string, string>, tries?: number, signal?: AbortSignal }} Call */

const MARGIN_MS = 30_000;
const ANSWER_MS = 20_000;
const LONGEST_BACKOFF_MS = 15_000;

/** @implements {Declared} */
export class NotifyError extends Error {
  /** @override @readonly @type {"NotifyError"} */
  name = "NotifyError";

  /**
   * @param {string} message
   * @param {number} status
   * @param {Readonly<Record<string, unknown>> | null} problem
   * @param {number} retryMs when the service wants to be asked again
   */
  constructor(message, status = 0, problem = null, retryMs = 0) {
    super(message);
    /** @readonly */ this.status = status;
    /** @readonly */ this.problem = problem;
    /** @readonly @internal */ this.retryMs = retryMs;
  }

  /** Whether the same may succeed later: there was no answer, the service is not well, or something else answered. */
  get isPassing() {
    return this.status === 0 || this.status >= 500 || [408, 425, 429].includes(this.status) || !this.problem;
  }
}

/** Full jitter: anything from nothing to twice as long as before. @param {number} attempt */
export const backoff = (attempt) => Math.random() * Math.min(LONGEST_BACKOFF_MS, 500 * 2 ** attempt);

/** @param {number} ms @returns {Promise<void>} */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Calls {
  #base;
  #getToken;
  #onClaims;
  #token = "";
  #staleAt = 0;
  /** @type {Promise<string> | null} */
  #asking = null;

  /**
   * @param {string} base
   * @param {Options["getToken"]} getToken
   * @param {(claims: Claims) => void} onClaims may refuse a token by throwing
   */
  constructor(base, getToken, onClaims) {
    this.#base = base;
    this.#getToken = getToken;
    this.#onClaims = onClaims;
  }

  /** One that is not `spent` and has some time left; "" where the cookie is used. @param {string} [spent] */
  async token(spent) {
    if (!this.#getToken) return "";
    if (this.#token && this.#token !== spent && Date.now() < this.#staleAt) return this.#token;
    this.#asking ??= this.#ask(this.#getToken).finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** The one in hand is not good any more. */
  dropToken() {
    this.#staleAt = 0;
  }

  /** @param {NonNullable<Options["getToken"]>} getToken */
  async #ask(getToken) {
    const token = await getToken();
    if (!token) throw Object.assign(new NotifyError("getToken gave no token", 401, {}), { reason: "unauthorized" });
    const claims = claimsOf(token);
    this.#onClaims(claims);
    const { iat, exp } = claims;
    // By the issuer's clock, since that of the browser may be wrong. Without times, a 401 will tell.
    const life = exp ? exp * 1000 - (iat ? iat * 1000 : Date.now()) : 0;
    this.#staleAt = life > 0 ? Date.now() + life - Math.min(MARGIN_MS, life / 5) : Infinity;
    return (this.#token = token);
  }

  /** The answer, whatever it is. @param {string} path @param {Call} call @param {string} [spent] @returns {Promise<Response>} */
  async #fetch(path, call, spent) {
    const { method = "GET", body, headers = {}, signal } = call;
    const token = await this.token(spent);
    /** @type {RequestInit} */
    const init = { method, signal: signal ?? AbortSignal.timeout(ANSWER_MS), credentials: this.#getToken ? "omit" : "include" };
    init.headers = { ...headers, ...(token && { Authorization: `Bearer ${token}` }) };
    if (body !== undefined) {
      init.headers["Content-Type"] = "application/json";
      init.body = JSON.stringify(body);
    }
    // A change reaches the service even if its page is just being left.
    if (method !== "GET") init.keepalive = true;
    let answer;
    try {
      answer = await fetch(this.#base + path, init);
    } catch (error) {
      signal?.throwIfAborted();
      throw new NotifyError(`No answer from ${this.#base}: ${error instanceof Error ? error.message : error}`);
    }
    return answer.status === 401 && token && spent === undefined ? this.#fetch(path, call, token) : answer;
  }

  /** The answer, if it is none that refuses. @param {string} path @param {Call} [call] */
  async open(path, call = {}) {
    const answer = await this.#fetch(path, call);
    if (answer.ok || answer.status === 304) return answer;
    const isProblem = answer.headers.get("Content-Type")?.startsWith("application/problem+json");
    const problem = isProblem ? await answer.json().catch(() => null) : null;
    const retryMs = Number(answer.headers.get("Retry-After")) * 1000 || 0;
    throw new NotifyError(problem?.detail ?? `${this.#base} answered ${answer.status}`, answer.status, problem, retryMs);
  }

  /** What it says. Null: nothing new. @param {string} path @param {Call} [call] @returns {Promise<any>} */
  async json(path, call = {}) {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.open(path, call);
        return answer.status < 204 ? await answer.json() : null;
      } catch (error) {
        if (!(error instanceof NotifyError && error.isPassing) || attempt >= (call.tries ?? 3)) throw error;
        await pause(Math.max(error.retryMs, backoff(attempt)));
      }
    }
  }
}

/** @param {string} token @returns {Claims} */
function claimsOf(token) {
  try {
    const payload = atob(/** @type {string} */ (token.split(".")[1]).replace(/-/g, "+").replace(/_/g, "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (byte) => byte.charCodeAt(0))));
  } catch {
    return {};
  }
}

/** @param {Record<string, unknown>} parameters those without a value are left out */
export function query(parameters) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    for (const each of [value].flat()) if (each !== undefined && each !== null) found.append(name, String(each));
  return `${found}` && `?${found}`;
}
