/** @file What both elements are: where their inbox comes from, their language, and that all they began ends with them. */

import { ENDED, shared } from "./bell-clients.js";
import { parentOf } from "./bell-dom.js";
import { Speech } from "./bell-languages.js";
import { STYLE } from "./bell-style.js";

/** @typedef {import("./notify.d.ts").Inbox} Inbox */
/** @typedef {import("./notify.d.ts").Snapshot} Snapshot */
/** @typedef {import("./notify.d.ts").Filters} Filters */

const WHERE = ["url", "token-url", "user", "app", "transport"];
const HOW = ["lang", "dir"];

/** By what is in them. @type {Map<string, CSSStyleSheet>} */
const sheets = new Map();

/** @param {string} text */
function sheetOf(text) {
  const sheet = sheets.get(text) ?? new CSSStyleSheet();
  if (!sheets.has(text)) sheet.replaceSync(text);
  sheets.set(text, sheet);
  return sheet;
}

/** Where there is no browser the module can be loaded all the same, by what renders pages on a server. */
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (/** @type {unknown} */ (class {}));

export class NotifyElement extends Base {
  /** @type {string[]} */
  static observedAttributes = [...WHERE, ...HOW];
  /** Those that an application may have set before the element was defined. @type {string[]} */
  static properties = ["inbox", "getToken", "styleSheets"];
  /** What this kind of element has of style. */
  static style = "";

  /** @protected */
  root = this.attachShadow({ mode: "open" });
  /** @protected */
  speech = new Speech("en");
  /** Ends when the element leaves the page. @protected */
  life = new AbortController();
  /** @type {Inbox | null} */
  #given = null;
  /** @type {import("./notify.d.ts").Options["getToken"]} */
  #getToken;
  /** @type {ReturnType<typeof shared>} */
  #shared = null;
  /** @type {Inbox | null} */
  #inbox = null;
  #unsubscribe = () => {};
  #isAttaching = false;
  #isShowing = false;
  /** @type {readonly CSSStyleSheet[]} */
  #styleSheets = [];

  /** The client in use: the one that was given, or the one of the attributes. */
  get inbox() {
    return this.#inbox ?? this.#given;
  }

  set inbox(inbox) {
    this.#given = inbox ?? null;
    this.#attachSoon();
  }

  get getToken() {
    return this.#getToken;
  }

  set getToken(getToken) {
    this.#getToken = getToken;
    this.#attachSoon();
  }

  /** Those of the application, for what is within the shadow. */
  get styleSheets() {
    return this.#styleSheets;
  }

  set styleSheets(sheets) {
    this.#styleSheets = sheets ?? [];
    this.#adopt();
  }

  connectedCallback() {
    const own = /** @type {Record<string, unknown>} */ (/** @type {unknown} */ (this));
    for (const name of /** @type {typeof NotifyElement} */ (this.constructor).properties) {
      if (!Object.hasOwn(own, name)) continue;
      const value = own[name];
      delete own[name];
      own[name] = value;
    }
    this.#adopt();
    this.life = new AbortController();
    const watcher = new MutationObserver(() => this.adapt());
    watcher.observe(document.documentElement, { attributeFilter: HOW });
    this.life.signal.addEventListener("abort", () => watcher.disconnect());
    this.adapt();
    this.begin();
    this.#attachSoon();
  }

  disconnectedCallback() {
    this.life.abort();
    this.#detach();
  }

  /** @param {string} name @param {string | null} was @param {string | null} is */
  attributeChangedCallback(name, was, is) {
    if (was === is || !this.isConnected) return;
    if (WHERE.includes(name)) this.#attachSoon();
    else this.adapt();
  }

  // What the elements make of it

  /** It came to the page. @protected */
  begin() {}

  /** The inbox is another one, or there is none. @protected */
  change() {}

  /** The language may be another one. @protected */
  speak() {}

  /** @protected @param {Snapshot} _snapshot */
  render(_snapshot) {}

  /** What a client that is made for this element lists at first. @protected @returns {Filters} */
  get firstFilters() {
    return {};
  }

  // For them

  /** As long as the element is on the page. @protected @param {EventTarget} target @param {string} name @param {(event: any) => void} act @param {AddEventListenerOptions} [how] */
  listen(target, name, act, how) {
    target.addEventListener(name, act, { ...how, signal: this.life.signal });
  }

  /** @protected @param {string} name @param {object} [detail] @returns {boolean} whether nobody prevented what follows */
  tell(name, detail) {
    return this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable: true }));
  }

  /** Tries again, whatever it was that ended; null if nothing can: a client of the application's own that it has closed. */
  get again() {
    const [own, inbox] = [this.#shared, this.#inbox];
    if (own) return () => own.retry();
    return inbox && !ENDED.includes(inbox.getSnapshot().reason) ? () => inbox.reconnect() : null;
  }

  /** Speaks the language of the element or of what it is in. */
  adapt() {
    const tag = languageOf(this);
    this.speech = new Speech(tag);
    const own = this.hasAttribute("lang") && !this.hasAttribute("dir") ? this.speech.direction : "";
    for (const element of this.root.children) if (element instanceof HTMLElement) element.dir = own;
    this.speak();
    this.showSoon();
  }

  /** Once for all that happens at the same time; not with frames, of which a hidden tab has none. @protected */
  showSoon() {
    if (this.#isShowing) return;
    this.#isShowing = true;
    queueMicrotask(() => {
      this.#isShowing = false;
      this.showNow();
    });
  }

  showNow() {
    if (this.#inbox && this.isConnected) this.render(this.#inbox.getSnapshot());
  }

  #adopt() {
    const { style } = /** @type {typeof NotifyElement} */ (this.constructor);
    this.root.adoptedStyleSheets = [sheetOf(STYLE), sheetOf(style), ...this.#styleSheets];
  }

  #attachSoon() {
    if (this.#isAttaching) return;
    this.#isAttaching = true;
    queueMicrotask(() => {
      this.#isAttaching = false;
      if (this.isConnected) this.#attach();
    });
  }

  #attach() {
    const found = this.#given ? null : shared(this.#where, this.firstFilters);
    if (this.#given ? this.#inbox === this.#given : found && found === this.#shared) return;
    this.#detach();
    this.#shared = found;
    if (found) found.join(this.#follow);
    else this.#follow(this.#given);
  }

  get #where() {
    const [url, tokenUrl, user, app, transport] = WHERE.map((name) => this.getAttribute(name));
    // This module is served by the service that is meant, unless something else is said. (Cut off by hand, since bundlers
    // take a `new URL("…", import.meta.url)` for a file that is to be brought along.)
    const base = new URL(url ?? import.meta.url.replace(/client\/[^/]*$/, ""), document.baseURI).href;
    return { url: base, tokenUrl, getToken: this.#getToken, user, app, transport };
  }

  #detach() {
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    this.#shared?.leave(this.#follow);
    this.#shared = this.#inbox = null;
  }

  /** @param {Inbox | null} inbox */
  #follow = (inbox) => {
    this.#unsubscribe();
    this.#inbox = inbox;
    this.#unsubscribe = inbox?.subscribe(() => this.showSoon()) ?? (() => {});
    this.change();
    this.showSoon();
  };
}

/** @param {Node} element */
function languageOf(element) {
  for (let at = /** @type {Node | null} */ (element); at; at = parentOf(at))
    if (at instanceof Element && at.getAttribute("lang")) return /** @type {string} */ (at.getAttribute("lang"));
  return "en";
}
