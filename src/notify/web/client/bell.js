/**
 * @file A bell for any page, with the count of what is unread and a panel with the list:
 *
 *     <script type="module" src="https://notify.example.com/client/bell.min.js"></script>
 *     <notify-bell token-url="/notify-token"></notify-bell>
 *
 * and `<notify-inbox>`, the list on its own.
 */

import { Announcer } from "./bell-announcer.js";
import { hasFocus, icon, make, place, raise, set, write } from "./bell-dom.js";
import { NotifyElement } from "./bell-element.js";
import { NotifyInbox } from "./bell-inbox.js";
import { languages } from "./bell-languages.js";
import { BELL_STYLE } from "./bell-style.js";
import { Toasts } from "./bell-toasts.js";

/** @typedef {import("./notify.d.ts").Snapshot} Snapshot */
/** @typedef {import("./notify.d.ts").Notification} Notification */

const PASSED_ON = ["tabs", "settings", "color-scheme"];
const SLOTS = ["header", "empty", "settings"];
const MOST = 99;
const GAP = 8;
/** Parts of the list that pages can style from outside of the bell. */
const PARTS =
  "inbox header heading read-all settings tabs tab tab-selected banner notice pill list skeleton state item item-unread item-read " +
  "item-info item-success item-warning item-error avatar title body meta actor time progress actions action action-primary dot more menu menu-item";

export class NotifyBell extends NotifyElement {
  /** @override */
  static observedAttributes = [...NotifyElement.observedAttributes, ...PASSED_ON, "toasts", "open"];
  /** @override */
  static properties = [...NotifyElement.properties, "tabs", "renderItem", "open"];
  /** @override */
  static style = BELL_STYLE;
  /** More languages, or other words. */
  static languages = languages;

  #announcer = new Announcer();
  #count = make("span", { class: "count", part: "count", "aria-hidden": "true", hidden: true });
  #button = make(
    "button",
    { class: "button", part: "button", type: "button", "aria-haspopup": "dialog", "aria-expanded": "false" },
    make("slot", { name: "icon" }, icon("bell")),
    this.#count,
  );
  #close = make("button", { class: "plain close", part: "close", slot: "close", type: "button" }, icon("cross"));
  #inbox = /** @type {NotifyInbox} */ (document.createElement("notify-inbox"));
  #panel = make("div", { class: "panel", part: "panel", role: "dialog", tabindex: -1, popover: "manual", hidden: true }, this.#inbox);
  #toasts = new Toasts({
    onSelect: (notification, event, isDurable) => this.#inbox.select(notification, event, isDurable),
    onAction: (notification, at, event, isDurable) => this.#inbox.act(notification, at, event, isDurable),
    onLeave: () => this.#button.focus(),
  });
  #isOpen = false;
  #stopHearing = () => {};

  constructor() {
    super();
    this.#inbox.keeper = this;
    this.#inbox.announcer = this.#announcer;
    this.#inbox.append(this.#close);
    set(this.#inbox, "exportparts", PARTS.replaceAll(" ", ", "));
    this.root.append(make("div", { class: "bell" }, this.#button, this.#panel, this.#toasts.element, this.#announcer.element));
    this.#button.addEventListener("click", () => this.toggle());
    this.#close.addEventListener("click", () => this.hide());
    this.root.addEventListener("keydown", (event) => this.#key(/** @type {KeyboardEvent} */ (event)));
    this.#panel.addEventListener("focusout", ({ relatedTarget }) => {
      // Nobody's focus is left behind the panel.
      if (relatedTarget instanceof Node && !this.contains(relatedTarget) && !this.root.contains(relatedTarget)) this.#shut();
    });
    this.#inbox.addEventListener("notify-select", (event) => {
      const { url } = /** @type {CustomEvent<Notification>} */ (event).detail;
      if (url) this.hide();
    });
  }

  /** Whether its panel is. */
  get open() {
    return this.#isOpen;
  }

  set open(isOpen) {
    if (isOpen) this.show();
    else this.hide();
  }

  /** Those above the list. */
  get tabs() {
    return this.#inbox.tabs;
  }

  set tabs(tabs) {
    this.#inbox.tabs = tabs;
  }

  /** Makes what is shown of a notification. */
  get renderItem() {
    return this.#inbox.renderItem;
  }

  set renderItem(renderItem) {
    this.#inbox.renderItem = renderItem;
  }

  /** Opens the panel. @param {{ isAtList?: boolean }} [how] with the focus in the list */
  show({ isAtList = false } = {}) {
    if (this.#isOpen || !this.isConnected) return;
    this.#isOpen = true;
    this.toggleAttribute("open", true);
    set(this.#button, "aria-expanded", "true");
    this.#toasts.clear();
    raise(this.#panel, true);
    this.#inbox.showNow();
    this.#inbox.toTop();
    this.#place();
    if (isAtList) this.#inbox.focus();
    else this.#panel.focus({ preventScroll: true });
    this.tell("notify-open");
  }

  /** Closes it; the focus, if it was there, goes back to the button. */
  hide() {
    const hadFocus = this.#isOpen && hasFocus(this.#panel);
    this.#shut();
    if (hadFocus) this.#button.focus({ preventScroll: true });
  }

  toggle() {
    if (this.#isOpen) this.hide();
    else this.show();
  }

  /** @override @param {FocusOptions} [options] */
  focus(options) {
    this.#button.focus(options);
  }

  /** @override @param {string} name @param {string | null} was @param {string | null} is */
  attributeChangedCallback(name, was, is) {
    if (name === "open") this.open = is !== null;
    else super.attributeChangedCallback(name, was, is);
  }

  /** @override @protected */
  begin() {
    const { signal } = this.life;
    this.#announcer.begin(signal);
    this.#toasts.begin(signal);
    this.listen(window, "pointerdown", (event) => !event.composedPath().includes(this) && this.#shut(), { capture: true });
    for (const name of ["scroll", "resize"]) this.listen(window, name, () => this.#place(), { capture: true, passive: true });
    const sizes = new ResizeObserver(() => this.#place());
    sizes.observe(this.#panel);
    const children = new MutationObserver(() => this.#passOn());
    children.observe(this, { childList: true });
    signal.addEventListener("abort", () => {
      sizes.disconnect();
      children.disconnect();
      this.#stopHearing();
      this.#shut();
    });
    this.#passOn();
    if (this.hasAttribute("open")) this.show();
  }

  /** @override @protected */
  change() {
    const { inbox } = this;
    this.#inbox.inbox = inbox;
    this.#stopHearing();
    this.#toasts.clear();
    if (!inbox) return;
    const ends = [
      inbox.on("notification", (notification, { durable }) => this.#hear(notification, durable)),
      inbox.on("update", ({ id, read_at, archived_at }) => (read_at || archived_at) && this.#toasts.settle(id)),
      inbox.on("delete", (id) => this.#toasts.settle(id)),
    ];
    this.#stopHearing = () => ends.forEach((end) => end());
  }

  /** @override @protected */
  get firstFilters() {
    return this.tabs[0]?.filters ?? {};
  }

  /** @override @protected */
  speak() {
    set(this.#panel, "aria-label", this.speech.say("title"));
    set(this.#close, "aria-label", this.speech.say("close"));
    for (const name of PASSED_ON) set(this.#inbox, name, this.getAttribute(name));
    this.#inbox.tellsAlways = !this.#hasToasts;
    if (this.#inbox.isConnected) this.#inbox.adapt();
    this.#label(this.inbox?.counts.unread ?? 0);
  }

  /** @override @protected @param {Snapshot} snapshot */
  render({ counts }) {
    this.#label(counts.unread);
  }

  /** @param {number} unread */
  #label(unread) {
    const { speech } = this;
    set(this.#button, "aria-label", speech.count("bell", unread));
    this.#count.hidden = !unread;
    write(this.#count, unread > MOST ? `${speech.number(MOST)}+` : speech.number(unread));
  }

  get #hasToasts() {
    return this.getAttribute("toasts") !== "off";
  }

  /** @param {Notification} notification @param {boolean} isDurable */
  #hear(notification, isDurable) {
    if (this.#hasToasts && !(isDurable && this.#isOpen)) this.#toasts.show(notification, this.speech, isDurable);
  }

  #shut() {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.toggleAttribute("open", false);
    set(this.#button, "aria-expanded", "false");
    raise(this.#panel, false);
    this.tell("notify-close");
  }

  #place() {
    if (this.#isOpen) place(this.#panel, this.#button, GAP);
  }

  /** What the page has put into the bell for its list. */
  #passOn() {
    for (const name of SLOTS) {
      const there = this.#inbox.querySelector(`:scope > slot[name="${name}"]`);
      const isGiven = !!this.querySelector(`:scope > [slot="${name}"]`);
      if (isGiven && !there) this.#inbox.append(make("slot", { name, slot: name }));
      if (!isGiven) there?.remove();
    }
    /** @type {HTMLTemplateElement | null} */
    const template = this.querySelector(':scope > template[slot="item"]');
    if (template === this.#inbox.itemTemplate) return;
    this.#inbox.itemTemplate = template;
    const own = [...(template?.content.querySelectorAll("[part]") ?? [])].map((element) => element.getAttribute("part") ?? "");
    set(this.#inbox, "exportparts", [...PARTS.split(" "), ...own.flatMap((parts) => parts.split(/\s+/u))].join(", "));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key, target } = event;
    const isAtButton = target === this.#button;
    const isInPanel = target instanceof Node && this.#panel.contains(target);
    if (key === "Escape" && this.#isOpen && (isAtButton || isInPanel)) this.hide();
    else if (key === "ArrowDown" && isAtButton && this.#isOpen) this.#inbox.focus();
    else if (key === "ArrowDown" && isAtButton) this.show({ isAtList: true });
    else if (key === "ArrowDown" && target === this.#panel) this.#inbox.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

if (globalThis.customElements && !customElements.get("notify-bell")) {
  customElements.define("notify-inbox", NotifyInbox);
  customElements.define("notify-bell", NotifyBell);
}

export { NotifyInbox };
