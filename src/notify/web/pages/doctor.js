/** Measures the way from this browser to the service, and says what to change. */

import { byId, copies, element } from "/assets/pages/dom.js";
import { check, checks } from "/assets/pages/measures.js";

/** @typedef {import("./measures.js").Finding} Finding */
/** @typedef {import("./measures.js").Measure} Measure */

const WORDS = { fine: ["good", "fine"], look: ["warn", "look at this"], broken: ["bad", "broken"] };
const RANKS = /** @type {const} */ (["fine", "look", "broken"]);
const OVERALL = {
    fine: ["good", "Everything is fine."],
    look: ["warn", "It works; some of it could be better."],
    broken: ["bad", "Something is broken."],
};

/** @type {Map<string, Finding>} */
const findings = new Map();

/** @param {Measure} measure */
function row(measure) {
    const badge = element("span", { class: "status busy" }, "waiting");
    const figure = element("p", { class: "figure" }, measure.about);
    const item = element("li", { "data-check": measure.id }, element("span", { class: "name" }, measure.name), badge, figure);
    byId("results").append(item);
    return async () => {
        const bar = element("progress", { "aria-label": measure.name });
        item.append(bar);
        badge.textContent = "measuring";
        const found = await check(measure, (done, words) => {
            bar.value = done;
            figure.textContent = words;
        });
        bar.remove();
        findings.set(measure.name, found);
        const [kind = "", word = ""] = WORDS[found.verdict];
        item.dataset.verdict = found.verdict;
        badge.className = `status ${kind}`;
        badge.textContent = word;
        figure.textContent = found.figure;
        if (found.advice) item.append(element("p", { class: "advice" }, found.advice));
    };
}

async function measureAll() {
    const overall = byId("overall");
    const again = /** @type {HTMLButtonElement} */ (byId("again"));
    byId("results").replaceChildren();
    findings.clear();
    overall.className = "status busy";
    overall.textContent = "measuring";
    again.disabled = true;
    const { quick, slow } = checks(silence());
    const soon = quick.map(row);
    const waiting = slow.map(row).map((run) => run());
    // One after the other, so that none is in another's way.
    for (const run of soon) await run();
    overall.textContent = "measuring how long silence is borne";
    await Promise.all(waiting);
    const worst = RANKS[Math.max(...[...findings.values()].map(({ verdict }) => RANKS.indexOf(verdict)))] ?? "fine";
    const [kind = "", words = ""] = OVERALL[worst];
    overall.className = `status ${kind}`;
    overall.textContent = words;
    again.disabled = false;
}

/** Seconds for which nothing is said. `#silence=30` in the address makes it shorter. */
function silence() {
    const asked = Number(new URLSearchParams(location.hash.slice(1)).get("silence") ?? 120);
    return Number.isInteger(asked) && asked > 0 && asked <= 150 ? asked : 120;
}

function asText() {
    const lines = [...findings].flatMap(([name, { verdict, figure, advice }]) => [
        `${WORDS[verdict][1]}: ${name}: ${figure}`,
        ...(advice ? [`    ${advice}`] : []),
    ]);
    return [`notify doctor, ${location.origin}, ${new Date().toISOString()}`, navigator.userAgent, "", ...lines, ""].join("\n");
}

async function askAboutOrigin() {
    const given = /** @type {HTMLInputElement} */ (byId("origin")).value.trim();
    const answer = byId("answer");
    /** @type {string} */
    let origin;
    try {
        origin = new URL(given).origin;
        if (origin === "null") throw new TypeError();
    } catch {
        answer.textContent = "An origin is a scheme, a host and perhaps a port, such as https://shop.example.";
        return;
    }
    if (origin === location.origin) {
        answer.textContent = `${origin} is this service’s own origin: its pages may call it.`;
        return;
    }
    const response = await fetch(`/doctor/look?${new URLSearchParams({ origin })}`);
    const { origin: seen } = await response.json();
    if (!seen.is_allowed) answer.textContent = `No. Add ${origin} to NOTIFY_CORS_ORIGINS and start the service again (docs/javascript.md).`;
    else if (seen.with_cookies) answer.textContent = `Yes: pages of ${origin} may call it, with tokens and with the cookie.${aboutSites(origin)}`;
    else answer.textContent = `Yes, as may any page (NOTIFY_CORS_ORIGINS=*): with tokens, but never with the cookie.`;
}

/** @param {string} origin */
function aboutSites(origin) {
    const mine = location.hostname.split(".").slice(-2).join(".");
    const theirs = new URL(origin).hostname.split(".").slice(-2).join(".");
    return mine === theirs ? "" : " The cookie is of another site there, and browsers withhold those: use tokens.";
}

byId("cors").addEventListener("submit", (event) => {
    event.preventDefault();
    askAboutOrigin().catch((error) => (byId("answer").textContent = `The service did not answer: ${error.message}`));
});
byId("again").addEventListener("click", measureAll);
copies(byId("copy"), asText);
measureAll();
