/** What the doctor measures, each against this very origin. */

import { blocks } from "/assets/pages/stream.js";

/** @typedef {"fine" | "look" | "broken"} Verdict */
/** @typedef {{verdict: Verdict, figure: string, advice?: string}} Finding */
/** @typedef {(done: number, words: string) => void} Progress */
/** @typedef {{id: string, name: string, about: string, measure: (progress: Progress) => Promise<Finding>}} Measure */

const PATIENCE_MS = 8000;
const ROUNDS = 7;
const SLOW_MS = 300;

/**
 * A measure that fails has found something, too.
 *
 * @param {Measure} measure
 * @param {Progress} progress
 * @returns {Promise<Finding>}
 */
export async function check({ measure }, progress) {
    try {
        return await measure(progress);
    } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return { verdict: "broken", figure: `It could not be measured: ${why}`, advice: "Is the service reachable? See /health/ready." };
    }
}

/**
 * @param {number} silence
 * @returns {{quick: Measure[], slow: Measure[]}}
 */
export function checks(silence) {
    return {
        quick: [
            { id: "stream", name: "Streaming", about: "Events at known times: do they arrive at those times?", measure: streaming },
            { id: "protocol", name: "HTTP version", about: "HTTP/2 shares one connection among all tabs.", measure: protocol },
            { id: "socket", name: "WebSocket", about: "Does one open?", measure: socket },
            { id: "latency", name: "Round trip", about: `The median of ${ROUNDS}.`, measure: latency },
            { id: "clock", name: "Clock", about: "Yours against the service’s.", measure: clock },
            { id: "cookies", name: "Cookies", about: "Does one come back?", measure: cookies },
            { id: "proxy", name: "What the service sees", about: "Host and address, as they arrive.", measure: proxy },
        ],
        slow: [
            { id: "idle-stream", name: "Silence on a stream", about: "", measure: (progress) => idleStream(silence, progress) },
            { id: "idle-socket", name: "A WebSocket that stays", about: "", measure: (progress) => idleSocket(silence, progress) },
        ],
    };
}

/** @param {string} [query] */
async function look(query = "") {
    const answer = await fetch(`/doctor/look${query}`, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    return answer.json();
}

/** @returns {Promise<Finding>} */
async function streaming() {
    const begun = performance.now();
    const leaving = new AbortController();
    const timer = setTimeout(() => leaving.abort(), PATIENCE_MS);
    /** @type {{at: number, ms: number}[]} */
    const ticks = [];
    /** @type {Headers | null} */
    let headers = null;
    try {
        const answer = await fetch("/doctor/stream", { cache: "no-store", signal: leaving.signal });
        if (answer.status === 503) return { verdict: "look", figure: "Too much is being measured at this moment.", advice: "Try again in a few minutes." };
        if (!answer.ok) throw new Error(`it answers ${answer.status}`);
        headers = answer.headers;
        for await (const { at, data } of blocks(answer)) if (data !== null) ticks.push({ at, ms: JSON.parse(data).ms });
    } catch (error) {
        if (!leaving.signal.aborted) throw error;
    } finally {
        clearTimeout(timer);
    }
    const first = ticks[0];
    const last = ticks.at(-1);
    const buffering =
        "Something between holds the stream back (buffered). Turn off response buffering for /v1/stream and /doctor, and compression with it: " +
        "see “Buffering” in docs/proxies.md. Until then the JavaScript client notices, and polls.";
    if (first === undefined || last === undefined || ticks.length < 2)
        return { verdict: "broken", figure: `${ticks.length} of 6 events within ${PATIENCE_MS / 1000} s: buffered`, advice: buffering };
    const sent = last.ms - first.ms;
    const arrived = last.at - first.at;
    const figure = `first event after ${Math.round(first.at - begun)} ms; sent over ${sent} ms, arrived over ${Math.round(arrived)} ms`;
    if (arrived < sent / 2) return { verdict: "broken", figure: `${figure}: buffered`, advice: buffering };
    const changed = changedHeaders(headers);
    if (changed) return { verdict: "look", figure: `${figure}; ${changed}`, advice: "A proxy changes the answer: let it neither compress nor cache /v1/stream (docs/proxies.md)." };
    return { verdict: "fine", figure };
}

/** @param {Headers | null} headers */
function changedHeaders(headers) {
    const encoding = headers?.get("content-encoding");
    if (encoding && encoding !== "identity") return `compressed (${encoding})`;
    const caching = headers?.get("cache-control") ?? "none";
    return caching === "no-store, no-transform" ? "" : `Cache-Control came as “${caching}”`;
}

/** @returns {Promise<Finding>} */
async function protocol() {
    const url = new URL("/doctor/look?origin=protocol", location.href);
    await look(url.search);
    const entry = performance.getEntriesByName(url.href).at(-1);
    const used = entry instanceof PerformanceResourceTiming ? entry.nextHopProtocol : "";
    if (used === "h2" || used === "h3") return { verdict: "fine", figure: used === "h2" ? "HTTP/2" : "HTTP/3" };
    if (used === "") return { verdict: "look", figure: "The browser does not say." };
    return {
        verdict: "look",
        figure: `${used}: at most six connections, all tabs together`,
        advice: "Let the proxy speak HTTP/2, for which browsers want TLS (“Six connections” in docs/proxies.md). The JavaScript client needs one connection for all tabs; a plain EventSource one for each.",
    };
}

/** @returns {Promise<Finding>} */
async function socket() {
    const begun = performance.now();
    const opened = await open(PATIENCE_MS);
    if (opened === null)
        return { verdict: "broken", figure: "None opens.", advice: "Pass on Upgrade and Connection for /v1/ws, over HTTP/1.1: “WebSocket” in docs/proxies.md. Streams do without." };
    opened.close();
    return { verdict: "fine", figure: `open after ${Math.round(performance.now() - begun)} ms` };
}

/**
 * A socket that has said its first word, or null.
 *
 * @param {number} patience
 * @returns {Promise<WebSocket | null>}
 */
function open(patience) {
    return new Promise((resolve) => {
        const made = new WebSocket(new URL("/doctor/socket", location.href.replace(/^http/, "ws")));
        const timer = setTimeout(() => made.close(), patience);
        const end = (/** @type {WebSocket | null} */ result) => {
            clearTimeout(timer);
            resolve(result);
        };
        made.onmessage = () => end(made);
        made.onclose = () => end(null);
    });
}

/** @returns {Promise<Finding>} */
async function latency() {
    await look();
    const times = [];
    for (let round = 0; round < ROUNDS; round += 1) {
        const begun = performance.now();
        await look();
        times.push(performance.now() - begun);
    }
    const median = times.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
    const figure = `${median.toFixed(median < 10 ? 1 : 0)} ms`;
    return median < SLOW_MS ? { verdict: "fine", figure } : { verdict: "look", figure, advice: "Far away, or on a slow line: everything works, later by as much." };
}

/** @returns {Promise<Finding>} */
async function clock() {
    const before = Date.now();
    const { now } = await look();
    const after = Date.now();
    const offset = (Date.parse(now) - (before + after) / 2) / 1000;
    const doubt = (after - before) / 2000;
    const sure = Math.max(0, Math.abs(offset) - doubt);
    const figure = `yours is ${Math.abs(offset).toFixed(1)} s ${offset > 0 ? "behind" : "ahead"} (± ${doubt.toFixed(1)} s)`;
    if (sure < 2) return { verdict: "fine", figure };
    return {
        verdict: sure < 60 ? "look" : "broken",
        figure,
        advice: "Set both machines by NTP. Relative times are shown wrong, and a token is renewed too late or made with times that are refused (NOTIFY_TOKEN_LEEWAY_SECONDS).",
    };
}

/** @returns {Promise<Finding>} */
async function cookies() {
    await look();
    const { has_cookie: isBack } = await look();
    if (isBack) return { verdict: "fine", figure: "They come back to this origin. A page of another site gets none: use tokens there." };
    return { verdict: "look", figure: navigator.cookieEnabled ? "A cookie was set, and did not come back." : "This browser takes none.", advice: "Use tokens (getToken), not the cookie notify_token; or let the proxy pass on Cookie and Set-Cookie." };
}

/** @returns {Promise<Finding>} */
async function proxy() {
    const { host, address, is_forwarded: isForwarded, trusts_proxies: trusts, version } = await look();
    const figure = `called ${host ?? "nothing"}, by ${address ?? "an unknown address"}, version ${version}`;
    if (host?.toLowerCase() !== location.host)
        return { verdict: "look", figure, advice: `Pass on Host as the browser sent it (${location.host}): “Host” in docs/proxies.md. Changes with the cookie are refused without.` };
    if (isForwarded && !trusts)
        return { verdict: "look", figure, advice: "A proxy stands between that NOTIFY_TRUSTED_PROXIES does not name: limits and the audit log take its address for everybody’s. “The client’s address” in docs/proxies.md." };
    return { verdict: "fine", figure };
}

/**
 * @param {number} seconds
 * @param {Progress} progress
 * @returns {Promise<Finding>}
 */
async function idleStream(seconds, progress) {
    const { keep_alive_seconds: keepAlive } = await look();
    const leaving = new AbortController();
    const ticking = counting(seconds, progress);
    const timer = setTimeout(() => leaving.abort(), seconds * 1000 + PATIENCE_MS);
    const begun = performance.now();
    let ticks = 0;
    try {
        const answer = await fetch(`/doctor/stream?silence=${seconds}`, { cache: "no-store", signal: leaving.signal });
        if (answer.status === 503) return { verdict: "look", figure: "Too much is being measured at this moment.", advice: "Try again in a few minutes." };
        if (!answer.ok) throw new Error(`it answers ${answer.status}`);
        for await (const _ of blocks(answer)) ticks += 1;
    } catch {
        // Cut off, which is what we want to know the time of; or never heard of again.
    } finally {
        clearTimeout(timer);
        clearInterval(ticking);
    }
    return borne(ticks > 1, leaving.signal.aborted, (performance.now() - begun) / 1000, seconds, keepAlive, "NOTIFY_KEEP_ALIVE_SECONDS");
}

/**
 * @param {number} seconds
 * @param {Progress} progress
 * @returns {Promise<Finding>}
 */
async function idleSocket(seconds, progress) {
    const { heartbeat_seconds: heartbeat } = await look();
    const opened = await open(PATIENCE_MS);
    if (opened === null) return { verdict: "broken", figure: "None opens.", advice: "See WebSocket above." };
    const begun = performance.now();
    const ticking = counting(seconds, progress);
    const isWhole = await new Promise((resolve) => {
        opened.onclose = () => resolve(false);
        setTimeout(() => resolve(true), seconds * 1000);
    });
    clearInterval(ticking);
    opened.close();
    return borne(isWhole, false, (performance.now() - begun) / 1000, seconds, heartbeat, "NOTIFY_HEARTBEAT_SECONDS");
}

/**
 * @param {number} seconds
 * @param {Progress} progress
 */
function counting(seconds, progress) {
    const begun = performance.now();
    const tell = () => {
        const passed = Math.min(seconds, (performance.now() - begun) / 1000);
        progress(passed / seconds, `${Math.floor(passed)} of ${seconds} s`);
    };
    tell();
    return setInterval(tell, 250);
}

/**
 * @param {boolean} isWhole
 * @param {boolean} isLost
 * @param {number} passed
 * @param {number} asked
 * @param {number} beat
 * @param {string} setting
 * @returns {Finding}
 */
function borne(isWhole, isLost, passed, asked, beat, setting) {
    if (isWhole) return { verdict: "fine", figure: `borne for ${asked} s; the service says something every ${beat} s` };
    const figure = isLost ? `dead within ${asked} s, without a word` : `cut off after ${passed.toFixed(0)} s`;
    const advice = `Something between gives up on silence. Its timeout between two reads has to be longer than ${beat} s, 60 s is right: “Silence” in docs/proxies.md. Or lower ${setting}.`;
    return { verdict: !isLost && passed > 2 * beat ? "look" : "broken", figure, advice };
}
