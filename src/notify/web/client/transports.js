/** @file The ways in which changes come. Each ends when its connection does, or fails with what went wrong. */

import { NotifyError, query } from "./calls.js";
import { parser } from "./events.js";
import { sequenceOf } from "./positions.js";

/** @typedef {import("./store.js").Batch} Batch */
/** @typedef {{ event?: string, id?: string, data?: any, retry?: number }} Message what a stream and a socket say alike */

/**
 * @typedef {object} Way
 * @property {import("./calls.js").Calls} calls
 * @property {string} base
 * @property {import("./notify.d.ts").Options} options
 * @property {() => string} position
 * @property {AbortSignal} signal
 * @property {(messages: Message[]) => void} take
 * @property {(seconds: number) => void} expect something within this time, or give up
 */

const ACK_MS = 1_000;
const CONNECT_SECONDS = 15;
const KEEP_ALIVE_SECONDS = 15;
/** So many signs of life may be missing. */
const PATIENCE = 2.5;
const SOCKET_GATHER_MS = 20;
/** Ends of a socket after which trying again would end the same way. */
const FINAL_CODES = [1002, 1007, 1009, 4400, 4403];

/** Server-Sent Events, read by `fetch`: the token goes in a header, and refusals can be told apart. @param {Way} way */
export async function stream({ calls, options, position, signal, take, expect }) {
  expect(CONNECT_SECONDS);
  const path = `/v1/stream${query({ last_event_id: position() })}`;
  const answer = await calls.open(path, { signal, headers: { Accept: "text/event-stream" } });
  // The service writes at once. Where nothing comes, something on the way keeps it.
  expect(-(options.patienceSeconds ?? 5));
  const reader = /** @type {ReadableStream<Uint8Array>} */ (answer.body).getReader();
  const decoder = new TextDecoder();
  const parse = parser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    expect(PATIENCE * (options.keepAliveSeconds ?? KEEP_ALIVE_SECONDS));
    take(parse(decoder.decode(value, { stream: true })).map((block) => ({ ...block, data: block.data && JSON.parse(block.data) })));
  }
}

/** @param {Way} way @returns {Promise<void>} */
export async function socket({ calls, base, options, position, signal, take, expect }) {
  expect(CONNECT_SECONDS);
  // A socket sends no header, and its address may end up in a log: there it is a ticket, good once.
  const { ticket } = await calls.json("/v1/tickets", { method: "POST", body: { endpoint: "websocket" }, signal, tries: 1 });
  const path = `/v1/ws${query({ ticket, device: options.device, last_event_id: position() })}`;
  const connection = new WebSocket(base.replace(/^http/, "ws") + path, "notify.v1.json");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let gathering, acking;
  /** @type {Message[]} */
  let gathered = [];
  let acked = position();
  /** @param {object} message */
  const say = (message) => connection.readyState === 1 && connection.send(JSON.stringify(message));
  const ack = () => {
    acking = undefined;
    if (acked !== position()) say({ type: "ack", id: (acked = position()) });
  };
  const flush = () => {
    clearTimeout(gathering);
    gathering = undefined;
    const messages = gathered;
    gathered = [];
    take(messages);
    acking ??= setTimeout(ack, ACK_MS);
  };
  // A page does not see the service's pings, so it asks for signs of life itself.
  const heartbeat = options.keepAliveSeconds ?? KEEP_ALIVE_SECONDS;
  const beating = setInterval(() => say({ type: "ping", ref: "ping" }), heartbeat * 1000);
  try {
    await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      connection.onclose = ({ code }) =>
        FINAL_CODES.includes(code) ? reject(new NotifyError(`The socket was closed with ${code}`, 403, { code })) : resolve(null);
      connection.onmessage = ({ data }) => {
        const { type, ...said } = JSON.parse(data);
        expect(PATIENCE * heartbeat);
        if (type === "reply") return;
        const content = type === "delete" ? { id: said.notification_id } : (said.notification ?? said);
        gathered.push({ event: type, id: said.id, data: content, retry: said.retry_ms });
        // The counters are the last of what belongs together.
        if (["notification", "update", "delete"].includes(type)) gathering ??= setTimeout(flush, SOCKET_GATHER_MS);
        else flush();
      };
    });
  } finally {
    flush();
    clearTimeout(acking);
    ack();
    clearInterval(beating);
    connection.onmessage = connection.onclose = null;
    connection.close();
  }
}

/** Asks now and then, for where nothing else passes. @param {Way & { rest: (ms: number) => Promise<void> }} way */
export async function poll({ calls, options, position, signal, take, rest }) {
  for (;;) {
    const { events, counts, position: id } = await news(calls, position(), signal);
    take([...events, ...(id ? [{ event: "inbox", id, data: counts ?? {} }] : [])]);
    await rest((options.pollSeconds ?? 5) * 1000 * (0.8 + 0.4 * Math.random()));
  }
}

/**
 * What happened after a position, with counters of the moment at which it ends.
 * @param {import("./calls.js").Calls} calls @param {string} after @param {AbortSignal} [signal] @returns {Promise<Batch>}
 */
export async function news(calls, after, signal) {
  /** @type {import("./store.js").Event[]} */
  const events = [];
  const call = signal ? { signal, tries: 1 } : {};
  let position = after;
  let counts = await calls.json("/v1/notifications/count", { ...call, headers: { "If-None-Match": `"${after}"` } });
  while (counts) {
    for (let more = true; more; ) {
      const page = await calls.json(`/v1/changes${query({ after: position })}`, call);
      events.push(...page.items);
      ({ position, more } = page);
    }
    if (sequenceOf(counts.position) === sequenceOf(position)) break;
    counts = await calls.json("/v1/notifications/count", call);
  }
  return { position, events, counts };
}
