/** The demo for a developer: two users' bells, a form that sends, the events as they arrive, and code to take along. */

import { connect } from "/client/notify.min.js";
import { byId, copies, element } from "/assets/pages/dom.js";
import { snippets } from "/assets/pages/snippets.js";
import { blocks } from "/assets/pages/stream.js";

/** @typedef {"alice" | "bob"} Name */
/** @typedef {{id: string, token: string, expires_at: string}} User */
/** @typedef {{app: string, key: string, users: User[], psql: string, schema: string}} Demo */

const TOPIC = "kitchen/news";
const NAMES = /** @type {const} */ ({ alice: "Alice", bob: "Bob" });
const MOST_BLOCKS = 100;
const MOST_LATEST = 4;
const EXAMPLES = {
    message: { to: "alice", title: "Your table is ready", body: "Table 7, by the window.", level: "success", action: "Show me", url: "/docs" },
    progress: { to: "alice", title: "Uploading the menu", body: "", level: "info", progress: true },
    news: { to: "everyone", title: "The kitchen closes at ten today", body: "Last orders at half past nine.", level: "warning" },
    typing: { to: "bob", title: "Alice is typing…", body: "", level: "info", durable: false },
};

const form = /** @type {HTMLFormElement} */ (byId("form"));
const fields = /** @type {Record<string, HTMLInputElement>} */ (/** @type {unknown} */ (form.elements));
const log = byId("log");
const happened = byId("happened");

/** @type {Demo} */
let demo;
/**
 * What was sent last, and when: whom it has reached is told.
 * @type {{title: string, begun: number, reached: Map<Name, number>} | undefined}
 */
let underWay;

// What it works with

async function ask() {
    const answer = await fetch("/demo", { method: "POST" });
    if (!answer.ok) throw new Error("The service gives keys to its own page only, in a browser on its own machine with nothing in between.");
    demo = await answer.json();
}

/**
 * @param {Name} name
 * @returns {Promise<string>}
 */
async function tokenOf(name) {
    let user = demo.users.find(({ id }) => id === name);
    if (user === undefined || Date.parse(user.expires_at) < Date.now() + 60_000) {
        await ask();
        user = demo.users.find(({ id }) => id === name);
    }
    return user?.token ?? "";
}

/**
 * @param {string} method
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>}
 */
async function call(method, path, body) {
    const headers = { Authorization: `Bearer ${demo.key}`, "Content-Type": "application/json" };
    const answer = await fetch(path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    const told = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) {
        const where = (told.errors ?? []).map((/** @type {{pointer: string, detail: string}} */ error) => `${error.pointer}: ${error.detail}`);
        throw new Error([told.detail, ...where].join(" "));
    }
    return told;
}

// The people

/** @param {Name} name */
async function person(name) {
    const inbox = connect({ url: location.origin, getToken: () => tokenOf(name) });
    const bell = /** @type {HTMLElement & {inbox?: unknown}} */ (document.createElement("notify-bell"));
    bell.inbox = inbox;
    const latest = element("ul", { class: "latest" });
    const count = element("span", { class: "count" });
    const follows = element("input", { type: "checkbox", id: `follows-${name}` });
    const card = element(
        "article",
        { class: "person", "aria-label": NAMES[name], "data-user": name },
        element("div", { class: "who" }, element("span", { class: "face", "aria-hidden": "true" }, NAMES[name].slice(0, 1)), element("h3", {}, NAMES[name]), count, bell),
        latest,
        element("label", { class: "check small" }, follows, element("span", {}, "follows the topic ", element("code", {}, TOPIC))),
    );
    byId("people").append(card);
    const show = () => {
        count.textContent = inbox.counts.unread === 0 ? "all read" : `${inbox.counts.unread} unread`;
        const shown = inbox.items.slice(0, MOST_LATEST).map(summary);
        latest.replaceChildren(...(shown.length > 0 ? shown : [element("li", { class: "soft" }, "Nothing yet.")]));
        if (name === "alice") showStatus(inbox.status);
    };
    inbox.subscribe(show);
    inbox.on("notification", ({ title }) => reached(name, title));
    show();
    const query = new URLSearchParams({ topic: TOPIC, user_id: name });
    const { items } = await call("GET", `/v1/subscriptions?user_id=${name}`);
    const isNew = !localStorage.getItem(`asked-${name}`);
    follows.checked = items.some((/** @type {{topic: string}} */ each) => each.topic === TOPIC);
    if (isNew && name === "alice" && !follows.checked) {
        await call("PUT", `/v1/subscriptions?${query}`);
        follows.checked = true;
    }
    localStorage.setItem(`asked-${name}`, "yes");
    follows.addEventListener("change", () =>
        attempt(async () => {
            await call(follows.checked ? "PUT" : "DELETE", `/v1/subscriptions?${query}`);
            tell(`${NAMES[name]} ${follows.checked ? "follows" : "no longer follows"} ${TOPIC}. Send to the topic to see it.`);
        }),
    );
}

/** @param {import("../client/notify.d.ts").Notification} notification */
function summary({ title, level, progress, read_at: readAt }) {
    const item = element("li", { class: `${level}${readAt === null ? "" : " read"}` }, element("span", {}, title));
    if (progress !== null && progress < 1) {
        const bar = element("progress", { "aria-label": title });
        bar.value = progress;
        item.append(bar);
    }
    return item;
}

/** @param {string} status */
function showStatus(status) {
    const shown = byId("status");
    if (shown.textContent === status) return;
    shown.textContent = status;
    shown.className = `status ${status === "live" ? "good" : status === "stopped" ? "bad" : "busy"}`;
}

// Sending

/** @param {keyof typeof EXAMPLES} name */
function fillIn(name) {
    const given = { action: "", url: "", progress: false, durable: true, ...EXAMPLES[name] };
    form.reset();
    for (const [key, value] of Object.entries(given)) {
        const field = /** @type {HTMLInputElement | RadioNodeList} */ (form.elements.namedItem(key));
        if (typeof value === "boolean") /** @type {HTMLInputElement} */ (field).checked = value;
        else field.value = value;
    }
    const details = form.querySelector("details");
    if (details) details.open = given.progress || !given.durable;
    weigh();
}

/** What excludes what. */
function weigh() {
    const when = fields.when?.value;
    byId("at-field").hidden = when !== "at";
    if (fields.at) fields.at.required = when === "at";
    const isLater = when !== "now";
    const durable = /** @type {HTMLInputElement} */ (fields.durable);
    const progress = /** @type {HTMLInputElement} */ (fields.progress);
    durable.disabled = isLater || progress.checked;
    if (durable.disabled) durable.checked = true;
    progress.disabled = isLater || !durable.checked;
    if (progress.disabled) progress.checked = false;
}

function asked() {
    const given = new FormData(form);
    /** @param {string} name */
    const text = (name) => String(given.get(name) ?? "").trim();
    const to = text("to");
    const when = text("when");
    const sendAt = when === "soon" ? new Date(Date.now() + 10_000) : when === "at" ? new Date(text("at")) : null;
    return {
        to: to === "topic" ? { topic: TOPIC } : to === "everyone" ? { everyone: true } : to,
        title: text("title"),
        ...(text("body") && { body: text("body") }),
        level: text("level"),
        ...(text("url") && { url: text("url") }),
        ...(text("action") && { actions: [{ label: text("action"), primary: true, ...(text("url") ? { url: text("url") } : { id: "demo" }) }] }),
        ...(fields.progress?.checked && { progress: 0 }),
        ...(sendAt && { send_at: sendAt.toISOString() }),
        ...(!fields.durable?.checked && { durable: false }),
    };
}

async function send() {
    const body = asked();
    const begun = performance.now();
    underWay = { title: body.title, begun, reached: new Map() };
    byId("arrived").textContent = "";
    const answer = await call("POST", "/v1/notifications", body);
    const took = Math.round(performance.now() - begun);
    if (body.send_at !== undefined) return showWaiting(answer.id, new Date(body.send_at));
    const position = answer.items?.[0]?.position;
    if (body.durable === false) tell(`Shown to whoever is connected, and kept nowhere. Answered in ${took} ms.`);
    else if (position) tell(`Stored at position ${position} of the inbox, and answered in ${took} ms.`);
    else tell(`Stored in one row, whoever it is for, and answered in ${took} ms.`);
    if (body.progress !== undefined) await advance(answer.id, typeof body.to === "object", body.title);
}

/**
 * @param {Name} name
 * @param {string} title
 */
function reached(name, title) {
    if (underWay?.title !== title) return;
    underWay.reached.set(name, Math.round(performance.now() - underWay.begun));
    const whom = [...underWay.reached].map(([each, ms]) => `${NAMES[each]} ${ms > 9000 ? "in time" : `${ms} ms after the click`}`);
    byId("arrived").textContent = `It reached ${whom.join(", and ")}.`;
}

/**
 * @param {string} id
 * @param {boolean} isPublished
 * @param {string} title
 */
async function advance(id, isPublished, title) {
    const path = isPublished ? `/v1/operations/${id}` : `/v1/notifications/${id}`;
    for (let done = 1; done <= 10; done += 1) {
        await new Promise((resolve) => setTimeout(resolve, 400));
        await call("PATCH", path, done === 10 ? { progress: 1, level: "success", body: "Done." } : { progress: done / 10 });
        if (done < 10) happened.textContent = `“${title}” is edited in place: ${done * 10} %.`;
    }
    tell(`“${title}” is done: one notification, edited ten times.`);
}

/** @type {ReturnType<typeof setInterval> | undefined} */
let countdown;

/**
 * @param {string} id
 * @param {Date} at
 */
function showWaiting(id, at) {
    const waiting = byId("waiting");
    const text = byId("waiting-text");
    tell(`It waits in the database until ${at.toLocaleTimeString()}. Restart the service meanwhile, if you like.`);
    waiting.hidden = false;
    clearInterval(countdown);
    const show = () => {
        const left = Math.ceil((at.getTime() - Date.now()) / 1000);
        text.textContent = left > 90 ? `Sent at ${at.toLocaleString()}.` : `Sent in ${left} s.`;
        if (left <= 0) {
            waiting.hidden = true;
            clearInterval(countdown);
        }
    };
    countdown = setInterval(show, 250);
    show();
    byId("cancel").onclick = () =>
        attempt(async () => {
            await call("DELETE", `/v1/scheduled/${id}`);
            waiting.hidden = true;
            clearInterval(countdown);
            tell("Cancelled in time: it will not be sent.");
        });
}

/** @param {...string} words */
function tell(...words) {
    happened.className = "";
    happened.textContent = words.filter(Boolean).join(" ");
}

/** @param {() => Promise<unknown>} work */
async function attempt(work) {
    try {
        await work();
    } catch (error) {
        happened.className = "problem";
        happened.textContent = error instanceof Error ? error.message : String(error);
    }
}

// The events as they arrive

let isPaused = false;
/** @type {AbortController | undefined} */
let following;

/** @param {Name} name */
async function follow(name) {
    following?.abort();
    const mine = (following = new AbortController());
    let lastId = "";
    while (!mine.signal.aborted) {
        try {
            const headers = { Authorization: `Bearer ${await tokenOf(name)}`, ...(lastId && { "Last-Event-ID": lastId }) };
            const answer = await fetch("/v1/stream", { headers, signal: mine.signal, cache: "no-store" });
            for await (const block of blocks(answer)) {
                lastId = block.id ?? lastId;
                show(block);
            }
        } catch {
            // It is opened again below, or somebody else's is.
        }
        await new Promise((resolve) => setTimeout(resolve, 1000));
    }
}

/** @param {import("./stream.js").Block} block */
function show(block) {
    if (isPaused) return;
    byId("quiet").hidden = true;
    const kind = block.event ?? (block.text.startsWith(":") ? "comment" : "retry");
    const time = element("time", {}, new Date().toLocaleTimeString([], { hour12: false }));
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(element("pre", { class: `block ${kind}` }, time, block.text));
    const shown = log.querySelectorAll("pre");
    if (shown.length > MOST_BLOCKS) shown[0]?.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
}

// Code to take along

async function showSnippets() {
    const token = await tokenOf("alice");
    const all = snippets({ ...demo, url: location.origin, token });
    const tabs = byId("tabs");
    byId("key-note").textContent = "The key is of this page’s own app, and is taken from this machine only.";
    const buttons = all.map(({ id, name }) => element("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": "panel" }, name));
    /** @param {number} index */
    const choose = (index) => {
        const chosen = all[index];
        if (chosen === undefined) return;
        for (const [place, button] of buttons.entries()) {
            button.setAttribute("aria-selected", String(place === index));
            button.tabIndex = place === index ? 0 : -1;
        }
        byId("panel").setAttribute("aria-labelledby", `tab-${chosen.id}`);
        byId("about").textContent = chosen.about;
        byId("code").textContent = chosen.text;
    };
    for (const [index, button] of buttons.entries()) button.addEventListener("click", () => choose(index));
    tabs.addEventListener("keydown", (event) => {
        const now = buttons.findIndex((button) => button === document.activeElement);
        const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: all.length - 1 }[event.key];
        if (now < 0 || next === undefined) return;
        event.preventDefault();
        const index = (next + all.length) % all.length;
        choose(index);
        buttons[index]?.focus();
    });
    tabs.append(...buttons);
    choose(0);
}

async function begin() {
    await ask();
    await import("/client/bell.min.js");
    await Promise.all([person("alice").then(() => person("bob")), showSnippets()]);
    const whose = /** @type {HTMLSelectElement} */ (byId("whose"));
    whose.addEventListener("change", () => {
        log.querySelectorAll("pre").forEach((block) => block.remove());
        byId("quiet").hidden = false;
        follow(/** @type {Name} */ (whose.value));
    });
    follow("alice");
}

fillIn("message");
form.addEventListener("input", weigh);
form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(send);
});
for (const button of document.querySelectorAll("[data-example]")) {
    const name = /** @type {keyof typeof EXAMPLES} */ (button.getAttribute("data-example"));
    button.addEventListener("click", () => {
        fillIn(name);
        fields.title?.focus();
    });
}
byId("pause").addEventListener("click", () => {
    isPaused = !isPaused;
    byId("pause").setAttribute("aria-pressed", String(isPaused));
    byId("pause").textContent = isPaused ? "Go on" : "Pause";
});
byId("clear").addEventListener("click", () => log.querySelectorAll("pre").forEach((block) => block.remove()));
copies(byId("copy"), () => byId("code").textContent ?? "");
begin().catch((error) => {
    const trouble = byId("trouble");
    trouble.hidden = false;
    trouble.textContent = error.message;
    showStatus("stopped");
});
