/** @file `<notify-inbox>`: the list, with its tabs, states and menus, anywhere in a page. */

import { Announcer } from "./bell-announcer.js";
import { hasFocus, icon, make, set, write } from "./bell-dom.js";
import { NotifyElement } from "./bell-element.js";
import { languages } from "./bell-languages.js";
import { List } from "./bell-list.js";
import { Menu } from "./bell-menu.js";
import { Seen } from "./bell-seen.js";
import { INBOX_STYLE } from "./bell-style.js";

/** @typedef {import("./notify.d.ts").Inbox} Inbox */
/** @typedef {import("./notify.d.ts").Snapshot} Snapshot */
/** @typedef {import("./notify.d.ts").Notification} Notification */
/** @typedef {import("./notify.d.ts").Filters} Filters */
/** @typedef {import("./bell.d.ts").Words} Words */
/** @typedef {import("./bell.d.ts").Tab} Tab */
/** @typedef {import("./bell.d.ts").RenderItem} RenderItem */
/** @typedef {"readAll" | "settings" | "again"} Doing */

const STATUSES = ["inbox", "unread", "read", "archived", "snoozed", "all"];
const DEFAULT_TABS = "all unread archived";
const TICK_MS = 20_000;
const BLINK_MS = 1_200;
const NOTICE_MS = 8_000;
const SKELETONS = 4;
const NEAR = 600;

export class NotifyInbox extends NotifyElement {
  /** @override */
  static observedAttributes = [...NotifyElement.observedAttributes, "tabs", "settings"];
  /** @override */
  static properties = [...NotifyElement.properties, "tabs", "renderItem", "itemTemplate"];
  /** More languages, or other words: `NotifyInbox.languages.set("de", { words })`. */
  static languages = languages;

  /** @override */
  static style = INBOX_STYLE;

  /** Where it says what is heard; that of the bell, within one. */
  #announcer = new Announcer();
  /** Whose client it is: its own, or that of the bell. @type {NotifyElement} */
  keeper = this;
  /** Tells of what arrives also while it cannot be seen. */
  tellsAlways = false;

  /** @type {readonly Tab[] | null} */
  #givenTabs = null;
  /** @type {RenderItem | null} */
  #renderItem = null;
  /** @type {HTMLTemplateElement | null} */
  #template = null;
  /** The filters that were asked for, until they are listed. @type {Filters | null} */
  #wanted = null;
  /** @type {Snapshot | null} */
  #shown = null;
  /** @type {Error | null} */
  #failure = null;
  /** What was there when the reader left the top: when it arrived, by id. @type {Map<string, string> | null} */
  #read = null;
  /** @type {readonly Notification[]} */
  #atTop = [];
  #isTroubled = false;
  #troubledTimer = 0;
  #noticeTimer = 0;
  #newsTimer = 0;
  /** @type {Notification[]} */
  #news = [];
  #stopHearing = () => {};
  #isRefused = false;

  #heading = make("h2", { class: "heading", part: "heading" });
  #readAll = make("button", { class: "plain read-all", part: "read-all", type: "button" }, icon("check"));
  #gear = make("button", { class: "plain", part: "settings", type: "button" }, icon("settings"));
  #settings = make("slot", { name: "settings" }, this.#gear);
  #tabs = make("div", { class: "tabs", part: "tabs", role: "tablist" });
  #banner = make("div", { class: "banner", part: "banner", hidden: true });
  #notice = make("div", { class: "notice", part: "notice", hidden: true });
  #pill = make("button", { class: "pill", part: "pill", type: "button", hidden: true }, icon("up"), make("span"));
  #feed = make("div", { class: "feed", role: "feed" });
  #skeleton = make("div", { class: "skeleton", part: "skeleton", "aria-hidden": "true" });
  #empty = make("slot", { name: "empty" });
  #state = make("div", { class: "state", part: "state", hidden: true });
  #end = make("div", { class: "end" });
  #scroller = make(
    "div",
    { class: "scroller", part: "list", id: "list", tabindex: -1 },
    this.#feed,
    this.#state,
    this.#skeleton,
    this.#end,
  );
  #menu = new Menu((isOpen) => (this.#list.isHeld = isOpen));
  #seen = new Seen((ids) => void this.#mark((inbox) => inbox.markSeen(ids), ""));
  #list = new List({
    scroller: this.#scroller,
    feed: this.#feed,
    speech: () => this.speech,
    look: () => ({ template: this.itemTemplate, renderItem: this.#renderItem }),
    onRow: (row, isThere) => this.#seen.watch(row, isThere),
    onMove: () => {
      this.#isRefused = false;
      this.#showPill();
      this.#more();
    },
  });

  constructor() {
    super();
    const header = make(
      "header",
      { class: "header", part: "header" },
      make("slot", { name: "header" }, this.#heading),
      this.#readAll,
      this.#settings,
      make("slot", { name: "close" }),
    );
    const stage = make("div", { class: "stage" }, this.#pill, this.#scroller);
    const template = make("slot", { name: "item", hidden: true });
    this.root.append(
      make("div", { class: "inbox", part: "inbox" }, header, this.#tabs, this.#banner, this.#notice, stage, this.#menu.element, this.#announcer.element, template),
    );
    this.#skeleton.append(
      ...Array.from({ length: SKELETONS }, () =>
        make("div", { class: "ghost" }, make("i"), make("div", {}, make("b"), make("b"))),
      ),
    );
    template.addEventListener("slotchange", () => {
      this.#template = null;
      this.#relook();
    });
    this.#pill.addEventListener("click", () => this.#toNews());
    this.#readAll.addEventListener("click", () => void this.#markAll());
    this.#settings.addEventListener("click", () => this.tell("notify-settings"));
    this.#tabs.addEventListener("keydown", (event) => this.#tabKey(event));
    this.#feed.addEventListener("click", (event) => this.#click(event));
    this.#feed.addEventListener("keydown", (event) => this.#key(event));
  }

  // What the application sets

  /** Those shown above the list, of the attribute unless set. @returns {readonly Tab[]} */
  get tabs() {
    return this.#givenTabs ?? tabsOf(this.getAttribute("tabs") ?? DEFAULT_TABS);
  }

  /** @param {readonly Tab[] | null} tabs */
  set tabs(tabs) {
    this.#givenTabs = tabs ?? null;
    this.showSoon();
  }

  /** Makes what is shown of a notification, instead of the template. */
  get renderItem() {
    return this.#renderItem;
  }

  set renderItem(renderItem) {
    this.#renderItem = renderItem ?? null;
    this.#relook();
  }

  /** @returns {HTMLTemplateElement | null} `<template slot="item">`, unless set */
  get itemTemplate() {
    return this.#template ?? this.querySelector(':scope > template[slot="item"]');
  }

  set itemTemplate(template) {
    this.#template = template ?? null;
    this.#relook();
  }

  /** Within a bell there is one place where everything is said. */
  get announcer() {
    return this.#announcer;
  }

  set announcer(announcer) {
    this.#announcer.element.remove();
    this.#announcer = announcer;
  }

  /** To what is newest. */
  toTop() {
    this.#list.toTop();
  }

  /** Puts the focus into the list, if there is something in it. @override @param {FocusOptions} [_options] */
  focus(_options) {
    if (!this.#list.focus()) this.#scroller.focus({ preventScroll: true });
  }

  // Its life

  /** @override @protected */
  begin() {
    const { signal } = this.life;
    for (const part of [this.#list, this.#seen, this.#menu, this.#announcer]) part.begin(signal);
    const ticking = setInterval(() => this.#tick(), TICK_MS);
    this.listen(document, "visibilitychange", () => this.#tick());
    signal.addEventListener("abort", () => {
      clearInterval(ticking);
      for (const timer of [this.#troubledTimer, this.#noticeTimer, this.#newsTimer]) clearTimeout(timer);
      this.#stopHearing();
      this.#shown = null;
    });
  }

  /** @override @protected */
  change() {
    const { inbox } = this;
    this.#stopHearing();
    this.#failure = this.#wanted = this.#read = null;
    this.#atTop = [];
    this.#stopHearing = inbox?.on("notification", (notification, { durable }) => durable && this.#hear(notification)) ?? (() => {});
  }

  /** @override @protected */
  get firstFilters() {
    return this.tabs[0]?.filters ?? {};
  }

  /** @override @protected */
  speak() {
    const { speech } = this;
    write(this.#heading, speech.say("title"));
    for (const [button, name] of /** @type {[Element, keyof Words][]} */ ([[this.#readAll, "readAll"], [this.#gear, "settings"]])) {
      set(button, "aria-label", speech.say(name));
      set(button, "title", speech.say(name));
    }
    set(this.#tabs, "aria-label", speech.say("filters"));
    set(this.#feed, "aria-label", speech.say("title"));
    this.#gear.hidden = !this.hasAttribute("settings");
  }

  // What there is to see

  /** @override @protected @param {Snapshot} snapshot */
  render(snapshot) {
    const { items, status, reason, isLoading, position, hasMore, filters } = snapshot;
    const wanted = this.#wanted;
    const isOther = wanted !== null && !isSame(wanted, filters);
    const isStopped = status === "stopped";
    const hasFailed = !!this.#failure && !isLoading;
    const listed = isOther || isStopped ? [] : items;
    const isWaiting = !isStopped && !hasFailed && (isOther || (isLoading && !items.length) || (!position && !items.length));
    this.#shown = snapshot;
    this.#showTabs(isOther ? /** @type {Filters} */ (wanted) : filters, snapshot);
    this.#showBanner(status);
    this.#feed.hidden = !listed.length;
    this.#list.show(listed, hasMore);
    set(this.#feed, "aria-busy", String(isLoading));
    this.#skeleton.hidden = !isWaiting && !(isLoading && hasMore && listed.length);
    this.#skeleton.classList.toggle("one", !!listed.length);
    if (isStopped) {
      this.#tabs.hidden = this.#notice.hidden = true;
      this.#showState("stopped", reason);
    } else if (hasFailed) this.#showState("failed");
    else if (!isWaiting && !listed.length) this.#showState("empty");
    else this.#state.hidden = true;
    set(this.#readAll, "hidden", isStopped || ["archived", "snoozed", "read"].includes(filters.status ?? ""));
    // Not disabled: it would lose the focus.
    set(this.#readAll, "aria-disabled", String(!snapshot.counts.unread));
    if (this.#menu.isOrphan) {
      this.#menu.close(false);
      this.focus();
    }
    this.#showPill();
    this.#seen.look();
    this.#more();
  }

  /** @param {Filters} filters @param {Snapshot} snapshot */
  #showTabs(filters, { counts }) {
    const { tabs, speech } = this;
    this.#tabs.hidden = !tabs.length;
    while (this.#tabs.children.length > tabs.length) this.#tabs.lastElementChild?.remove();
    const selected = tabs.findIndex((tab) => isSame(tab.filters, filters));
    const focusable = Math.max(0, selected);
    tabs.forEach((tab, place) => {
      let button = /** @type {HTMLElement | undefined} */ (this.#tabs.children[place]);
      if (!button) {
        button = make("button", { class: "tab", role: "tab", type: "button", id: `tab-${place}`, "aria-controls": "list" }, make("span"), make("span", { class: "number" }));
        button.addEventListener("click", () => void this.#choose(/** @type {Tab} */ (this.tabs[place]).filters));
        this.#tabs.append(button);
      }
      const isSelected = place === selected;
      const status = tab.filters.status ?? "inbox";
      const count = status === "unread" && !tab.filters.type && !tab.filters.topic ? counts.unread : 0;
      const [label, badge] = button.children;
      set(button, "part", isSelected ? "tab tab-selected" : "tab");
      set(button, "aria-selected", String(isSelected));
      if (!hasFocus(this.#tabs)) set(button, "tabindex", place === focusable ? 0 : -1);
      write(/** @type {Element} */ (label), tab.label ?? tab.filters.type ?? tab.filters.topic ?? speech.say(nameOf(status)));
      write(/** @type {Element} */ (badge), count > 99 ? `${speech.number(99)}+` : count ? speech.number(count) : "");
    });
    set(this.#scroller, "role", tabs.length ? "tabpanel" : null);
    set(this.#scroller, "aria-labelledby", tabs.length && selected >= 0 ? `tab-${selected}` : null);
  }

  /** Of what passes in a moment nothing is said. @param {Snapshot["status"]} status */
  #showBanner(status) {
    const isTroubled = status === "offline" || status === "reconnecting";
    if (isTroubled !== this.#isTroubled) {
      this.#isTroubled = isTroubled;
      clearTimeout(this.#troubledTimer);
      if (isTroubled) this.#troubledTimer = setTimeout(() => this.#inTrouble(), status === "offline" ? 0 : BLINK_MS);
      else this.#banner.hidden = true;
    } else if (isTroubled && !this.#banner.hidden) this.#inTrouble();
  }

  #inTrouble() {
    const status = this.inbox?.getSnapshot().status;
    if (status !== "offline" && status !== "reconnecting") return;
    const text = this.speech.say(status);
    if (this.#banner.hidden || this.#banner.dataset["status"] !== status) this.#announcer.say(text);
    this.#banner.hidden = false;
    this.#banner.dataset["status"] = status;
    const { again } = this.keeper;
    this.#banner.replaceChildren(icon("offline"), make("span", {}, text));
    if (again && status === "reconnecting") this.#banner.append(this.#doing("again", again));
  }

  /** @param {keyof Words} name @param {() => void} act */
  #doing(name, act) {
    const button = make("button", { class: "action", part: "action", type: "button" }, this.speech.say(name));
    button.addEventListener("click", act);
    return button;
  }

  /** Instead of the list. @param {"empty" | "failed" | "stopped"} kind @param {string | null} [reason] */
  #showState(kind, reason = null) {
    const status = kind === "empty" ? (this.#shown?.filters.status ?? "inbox") : "";
    const key = [kind, reason, status, this.speech.tag].join();
    if (!this.#state.hidden && this.#state.dataset["key"] === key) return;
    const wasHidden = this.#state.hidden;
    this.#state.hidden = false;
    this.#state.dataset["key"] = key;
    const { speech } = this;
    if (kind === "empty") {
      /** @type {Record<string, [keyof Words, keyof Words | null]>} */
      const texts = { unread: ["emptyUnread", "emptyUnreadAbout"], archived: ["emptyArchived", null], snoozed: ["emptySnoozed", null] };
      const [title, about] = texts[status] ?? ["empty", "emptyAbout"];
      this.#empty.replaceChildren(make("div", { class: "mark" }, icon("bell")), make("p", { class: "strong" }, speech.say(title)), about ? make("p", {}, speech.say(about)) : "");
      this.#state.replaceChildren(this.#empty);
      if (!wasHidden) this.#announcer.say(speech.say(title));
      return;
    }
    const isLoggedOut = ["closed", "logged-out", "unauthorized", "another-user"].includes(reason ?? "");
    const title = kind === "failed" ? "failed" : isLoggedOut ? "loggedOut" : "stopped";
    const about = kind === "failed" ? this.#failure?.message : isLoggedOut ? "" : (this.#shown?.error?.message ?? speech.say("stoppedAbout"));
    const again = kind === "failed" ? () => void this.#choose(this.#wanted ?? this.#shown?.filters ?? {}) : this.keeper.again;
    this.#state.replaceChildren(
      make("div", { class: "mark troubled" }, icon(kind === "failed" ? "warning" : "offline")),
      make("p", { class: "strong" }, speech.say(title)),
      about ? make("p", {}, about) : "",
      again ? this.#doing("again", again) : "",
    );
    this.#announcer.say(speech.say(title));
  }

  /** How many came above what the reader looks at. */
  #showPill() {
    const items = this.#shown?.items ?? [];
    if (this.#list.isAtTop || !this.#feed.clientHeight) {
      this.#atTop = items;
      this.#read = null;
      if (!this.#pill.hidden) this.#pill.hidden = true;
      return;
    }
    this.#read ??= new Map(this.#atTop.map(({ id, arrived_at }) => [id, arrived_at]));
    const read = this.#read;
    const found = items.findIndex(({ id, arrived_at }) => read.get(id) === arrived_at);
    this.#pill.hidden = found <= 0;
    if (found > 0) write(/** @type {Element} */ (this.#pill.lastElementChild), this.speech.count("news", found));
  }

  #toNews() {
    this.#list.toTop();
    this.#list.focusFirst();
    this.#showPill();
  }

  /** The look of a notification is another one. */
  #relook() {
    this.#list.clear();
    this.showSoon();
  }

  #tick() {
    if (document.visibilityState === "visible") for (const row of this.#list.rows) row.tick();
  }

  /** Tells of what arrived, all at once. @param {Notification} notification */
  #hear(notification) {
    this.#news.push(notification);
    clearTimeout(this.#newsTimer);
    this.#newsTimer = setTimeout(() => {
      const [first] = this.#news;
      if (first && (this.tellsAlways || this.#scroller.clientHeight)) this.#announcer.say(this.speech.count("arrived", this.#news.length, { title: first.title }));
      this.#news = [];
    }, BLINK_MS);
  }

  // What is asked for

  /** @param {Filters} filters */
  async #choose(filters) {
    const { inbox } = this;
    if (!inbox) return;
    this.#wanted = filters;
    this.#failure = null;
    this.showSoon();
    this.#list.toTop();
    try {
      const { items } = await inbox.list(filters);
      if (this.#wanted === filters) this.#announcer.say(this.speech.count("loaded", items.length));
    } catch (error) {
      if (this.#wanted === filters) this.#failure = /** @type {Error} */ (error);
    }
    if (this.#wanted === filters && !this.#failure) this.#wanted = null;
    this.showSoon();
  }

  /** The next page, when its place comes near. */
  #more() {
    const { inbox } = this;
    if (!inbox || !this.#shown?.hasMore || this.#shown.isLoading || this.#wanted || this.#isRefused || !this.#isNearEnd) return;
    inbox.loadMore().catch((error) => {
      // Not again until the reader moves.
      this.#isRefused = true;
      this.#refuse(error);
    });
  }

  /** Measured, since an observer of intersections was found not to tell of some. */
  get #isNearEnd() {
    const { bottom, height } = this.#scroller.getBoundingClientRect();
    return height > 0 && this.#end.getBoundingClientRect().top < Math.min(bottom, window.innerHeight) + NEAR;
  }

  async #markAll() {
    const { inbox } = this;
    const shown = this.#shown;
    if (!inbox || !shown?.counts.unread) return;
    // Only what was shown: what arrives meanwhile stays unread.
    const before = shown.position ? { before: shown.position } : {};
    const only = shown.filters.type ? { type: shown.filters.type } : {};
    try {
      const count = await inbox.readAll({ ...before, ...only });
      this.#announcer.say(this.speech.count("areRead", count));
    } catch (error) {
      this.#refuse(/** @type {Error} */ (error));
    }
  }

  /** @param {(inbox: Inbox) => Promise<unknown>} call @param {keyof Words | ""} said */
  async #mark(call, said) {
    if (!this.inbox) return;
    try {
      const done = call(this.inbox);
      if (said) this.#announcer.say(this.speech.say(said));
      await done;
    } catch (error) {
      // That it could not be told as seen is nothing that anybody has to know.
      if (said) this.#refuse(/** @type {Error} */ (error));
    }
  }

  /** It was undone, and this is why. @param {Error & { problem?: unknown }} error */
  #refuse(error) {
    if (this.life.signal.aborted) return;
    const reason = error.problem ? error.message : this.speech.say("noAnswer");
    const text = this.speech.say("refused", { reason });
    const close = make("button", { class: "plain", type: "button", "aria-label": this.speech.say("close") }, icon("cross"));
    const end = () => (this.#notice.hidden = true);
    close.addEventListener("click", () => {
      end();
      this.focus();
    });
    this.#notice.replaceChildren(icon("warning"), make("span", {}, text), close);
    this.#notice.hidden = false;
    this.#announcer.say(text);
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = setTimeout(end, NOTICE_MS);
  }

  // Doing something with a notification

  /** @param {Event} event */
  #click(event) {
    const target = event.target instanceof Element ? event.target.closest("[data-notify-do]") : null;
    const notification = this.#list.rowAt(event.target)?.notification;
    if (!target || !notification) return;
    const what = target.getAttribute("data-notify-do") ?? "";
    if (what === "menu") return this.#menu.open(/** @type {HTMLElement} */ (target), this.speech.say("actions", { title: notification.title }), this.#choices(notification));
    if (what === "select") return this.select(notification, event);
    if (what === "action") return this.act(notification, Number(target.getAttribute("data-place")), event);
    const doing = this.#doings(notification)[what === "toggle-read" ? (notification.read_at ? "unread" : "read") : what];
    doing?.act();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { target, key } = event;
    if ((key !== "Enter" && key !== " ") || !(target instanceof HTMLElement)) return;
    const { notification } = this.#list.rowAt(target) ?? {};
    if (!notification) return;
    if (target.matches(".item")) {
      event.preventDefault();
      const link = target.querySelector('a[href][data-notify-do="select"]');
      if (link instanceof HTMLElement) link.click();
      else this.select(notification, event);
    } else if (target.getAttribute("role") === "button") {
      event.preventDefault();
      target.click();
    }
  }

  /** It is what the reader wants to see. @param {Notification} notification @param {Event} event @param {boolean} [isDurable] */
  select(notification, event, isDurable = true) {
    if (isDurable && !notification.read_at) void this.#mark((inbox) => inbox.markRead(notification.id), "isRead");
    if (!this.tell("notify-select", notification)) event.preventDefault();
  }

  /** One of its actions was chosen. @param {Notification} notification @param {number} place @param {Event} event @param {boolean} [isDurable] */
  act(notification, place, event, isDurable = true) {
    const action = notification.actions?.[place];
    if (isDurable && !notification.read_at) void this.#mark((inbox) => inbox.markRead(notification.id), "isRead");
    if (action && !this.tell("notify-action", { notification, action })) event.preventDefault();
  }

  /** @param {Notification} notification @returns {Record<string, { label: string, act: () => void }>} */
  #doings({ id }) {
    /** @param {keyof Words} label @param {keyof Words} said @param {(inbox: Inbox) => Promise<unknown>} call */
    const doing = (label, said, call) => ({ label: this.speech.say(label), act: () => void this.#mark(call, said) });
    return {
      read: doing("markRead", "isRead", (inbox) => inbox.markRead(id)),
      unread: doing("markUnread", "isMarkedUnread", (inbox) => inbox.markUnread(id)),
      archive: doing("archive", "isArchived", (inbox) => inbox.archive(id)),
      unarchive: doing("unarchive", "isUnarchived", (inbox) => inbox.unarchive(id)),
      unsnooze: doing("unsnooze", "isUnsnoozed", (inbox) => inbox.unsnooze(id)),
      remove: doing("remove", "isRemoved", (inbox) => inbox.remove(id)),
    };
  }

  /** What its menu has. @param {Notification} notification @returns {import("./bell-menu.js").Entry[]} */
  #choices(notification) {
    const { id, read_at, archived_at, snoozed_until } = notification;
    const { read, unread, archive, unarchive, unsnooze, remove } = /** @type {Record<string, any>} */ (this.#doings(notification));
    const snoozes = snoozesFrom(new Date()).map(({ name, until }) => ({
      label: this.speech.say(name),
      hint: this.speech.hour(until),
      act: () => void this.#mark((inbox) => inbox.snooze(id, until), "isSnoozed"),
    }));
    if (archived_at) return [unarchive, null, remove];
    if (snoozed_until) return [unsnooze, archive, null, remove];
    return [read_at ? unread : read, archive, null, { group: this.speech.say("snooze"), entries: snoozes }, null, remove];
  }

  /** @param {KeyboardEvent} event */
  #tabKey(event) {
    const buttons = /** @type {HTMLElement[]} */ ([...this.#tabs.children]);
    const at = buttons.findIndex((button) => hasFocus(button));
    const ahead = getComputedStyle(this.#tabs).direction === "rtl" ? -1 : 1;
    const { length } = buttons;
    /** @type {Record<string, number>} */
    const ways = { ArrowRight: at + ahead, ArrowLeft: at - ahead, Home: 0, End: length - 1 };
    const way = ways[event.key];
    if (event.key === "ArrowDown") this.focus();
    else if (way !== undefined) {
      const next = buttons[(way + length) % length];
      buttons.forEach((button) => set(button, "tabindex", button === next ? 0 : -1));
      next?.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {string} text such as `all unread type:chat` @returns {Tab[]} */
function tabsOf(text) {
  const names = text.split(/[\s,]+/u).filter((name) => name && name !== "none");
  return names.map((name) => {
    const [kind, value] = name.split(/:(.*)/su);
    if (value && (kind === "type" || kind === "topic")) return { filters: { [kind]: value } };
    const status = name === "all" ? "inbox" : name;
    return { filters: STATUSES.includes(status) && status !== "inbox" ? { status: /** @type {any} */ (status) } : {} };
  });
}

/** @param {string} status @returns {keyof Words} */
const nameOf = (status) => (status === "all" ? "inbox" : /** @type {keyof Words} */ (status));

/** Whether both list the same. @param {Filters} one @param {Filters} other */
function isSame(one, other) {
  const names = /** @type {(keyof Filters)[]} */ (["type", "topic", "since", "until"]);
  return (one.status ?? "inbox") === (other.status ?? "inbox") && names.every((name) => (one[name] ?? "") === (other[name] ?? ""));
}

const MORNING = 9;

/** @param {Date} now @returns {{ name: keyof Words, until: Date }[]} */
function snoozesFrom(now) {
  const morning = (/** @type {number} */ days) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, MORNING);
  return [
    { name: "snoozeHour", until: new Date(now.getTime() + 3_600_000) },
    { name: "snoozeTomorrow", until: morning(1) },
    // A Monday, and on a Sunday not the one that is tomorrow.
    { name: "snoozeWeek", until: morning(now.getDay() ? 8 - now.getDay() : 8) },
  ];
}
