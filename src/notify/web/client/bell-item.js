/** @file One notification in the list: its own look, or that of the page's template, filled with what it says. */

import { icon, make, safeUrl, set, write } from "./bell-dom.js";

/** @typedef {import("./notify.d.ts").Notification} Notification */
/** @typedef {import("./bell-languages.js").Speech} Speech */
/** @typedef {import("./bell.d.ts").RenderItem} RenderItem */
/** @typedef {{ template: HTMLTemplateElement | null, renderItem: RenderItem | null }} Look */

const LEVELS = ["info", "success", "warning", "error"];
const OPERABLE = "a, button, input, select, textarea, [role=button]";

export class Row {
  /** @type {Notification | null} */
  notification = null;
  element = make("article", { class: "item", tabindex: -1 });
  /** Whether the height of what it shows is known. */
  isMeasured = false;
  #isCurrent = false;
  #look;
  /** @type {Speech | null} */
  #speech = null;

  /** @param {Look} look */
  constructor(look) {
    this.#look = look;
    if (!look.renderItem) this.element.append(look.template ? look.template.content.cloneNode(true) : ownLook());
  }

  /** @param {Notification} notification @param {Speech} speech @param {number} place @param {number} size of the set, or -1 */
  show(notification, speech, place, size) {
    set(this.element, "aria-posinset", place + 1);
    set(this.element, "aria-setsize", size);
    if (this.notification === notification && this.#speech === speech) return;
    this.notification = notification;
    this.#speech = speech;
    const { element } = this;
    const isUnread = !notification.read_at;
    const parts = ["item", isUnread ? "item-unread" : "item-read", `item-${notification.level}`];
    set(element, "part", parts.join(" "));
    set(element, "data-id", notification.id);
    element.classList.toggle("unread", isUnread);
    if (this.#look.renderItem) {
      const made = this.#look.renderItem(notification, { lang: speech.tag, ago: (time) => speech.ago(Date.parse(time)) });
      element.replaceChildren(made);
    }
    fill(element, notification, speech);
    this.#describe(notification, speech, isUnread);
    this.isCurrent = this.#isCurrent;
  }

  /** Times go by. */
  tick() {
    const { notification } = this;
    if (!notification || !this.#speech) return;
    for (const element of this.element.querySelectorAll('[data-notify="time"]')) writeTime(element, notification.arrived_at, this.#speech);
  }

  /** Whether it is the one that Tab goes to, with what is in it. Of thousands nobody could leave otherwise. @param {boolean} isCurrent */
  set isCurrent(isCurrent) {
    this.#isCurrent = isCurrent;
    const index = isCurrent ? 0 : -1;
    this.element.tabIndex = index;
    for (const inner of this.element.querySelectorAll(OPERABLE)) set(inner, "tabindex", index);
  }

  get isCurrent() {
    return this.#isCurrent;
  }

  /** @param {Notification} notification @param {Speech} speech @param {boolean} isUnread */
  #describe(notification, speech, isUnread) {
    const { id, level, title, body, actor } = notification;
    const said = [isUnread && speech.say("isUnread"), level !== "info" && speech.say(level), title];
    set(this.element, "aria-label", said.filter(Boolean).join(", "));
    const described = [actor?.name, body, speech.ago(Date.parse(notification.arrived_at))].filter(Boolean).join(", ");
    let description = this.element.querySelector(":scope > .description");
    if (!description) {
      description = make("p", { class: "description", hidden: true });
      this.element.append(description);
    }
    set(description, "id", `about-${id}`);
    set(this.element, "aria-describedby", `about-${id}`);
    write(description, described);
  }
}

/** Ours, where the page has none. */
function ownLook() {
  const whole = document.createDocumentFragment();
  whole.append(
    make("div", { class: "avatar", part: "avatar", "data-notify": "avatar" }),
    make(
      "div",
      { class: "text" },
      make("a", { class: "title", part: "title", "data-notify": "title", "data-notify-do": "select" }),
      make("p", { class: "body", part: "body", "data-notify": "body" }),
      make(
        "p",
        { class: "meta", part: "meta" },
        make("span", { class: "actor", part: "actor", "data-notify": "actor" }),
        make("time", { class: "time", part: "time", "data-notify": "time" }),
      ),
      make("div", { class: "progress", part: "progress", "data-notify": "progress" }),
      make("div", { class: "actions", part: "actions", "data-notify": "actions" }),
    ),
    make("span", { class: "dot", part: "dot" }),
    make("button", { class: "plain more", part: "more", type: "button", "data-notify-do": "menu" }, icon("more")),
  );
  return whole;
}

/** @type {Record<string, (element: Element, notification: Notification, speech: Speech) => void>} */
const FIELDS = {
  time: (element, { arrived_at }, speech) => writeTime(element, arrived_at, speech),
  avatar: showAvatar,
  actor: (element, { actor }) => writeOrHide(element, actor?.name),
  progress: showProgress,
  actions: showActions,
  level: (element, { level }, speech) => {
    if (element.getAttribute("data-level") === level) return;
    set(element, "data-level", level);
    element.replaceChildren(icon(level), make("span", { class: "unseen" }, speech.say(level)));
  },
};

/**
 * What has `data-notify="FIELD"` shows that field, and is hidden where there is none.
 * @param {Element} root @param {Notification} notification @param {Speech} speech
 */
function fill(root, notification, speech) {
  for (const element of root.querySelectorAll("[data-notify]")) {
    const name = /** @type {string} */ (element.getAttribute("data-notify"));
    const show = FIELDS[name];
    if (show) show(element, notification, speech);
    else writeOrHide(element, valueOf(notification, name));
  }
  for (const element of root.querySelectorAll("[data-notify-if]"))
    set(element, "hidden", !valueOf(notification, /** @type {string} */ (element.getAttribute("data-notify-if"))));
  for (const element of root.querySelectorAll("[data-notify-do]")) {
    const name = element.getAttribute("data-notify-do");
    if (name === "menu") {
      set(element, "aria-haspopup", "menu");
      if (!element.hasAttribute("aria-expanded")) set(element, "aria-expanded", "false");
      set(element, "aria-label", speech.say("actions", { title: notification.title }));
    }
    if (name === "select" && element instanceof HTMLAnchorElement) {
      const url = safeUrl(notification.url);
      set(element, "href", url);
      set(element, "role", url ? null : "button");
    }
  }
}

/** @param {Notification} notification @param {string} path such as `data.order.number` @returns {unknown} */
function valueOf(notification, path) {
  /** @type {any} */
  let value = notification;
  for (const name of path.split(".")) value = value !== null && typeof value === "object" && Object.hasOwn(value, name) ? value[name] : null;
  return value;
}

/** @param {Element} element @param {unknown} value */
function writeOrHide(element, value) {
  const text = typeof value === "string" || typeof value === "number" ? String(value) : "";
  set(element, "hidden", !text);
  write(element, text);
}

/** @param {Element} element @param {string} time @param {Speech} speech */
function writeTime(element, time, speech) {
  const at = Date.parse(time);
  set(element, "datetime", time);
  set(element, "title", speech.moment(at));
  write(element, speech.ago(at));
}

/** A picture, or the initials; and the level, where it is one to look at. @param {Element} element @param {Notification} notification */
export function showAvatar(element, { actor, level }) {
  const key = JSON.stringify([actor?.name, actor?.image_url, level]);
  if (element.getAttribute("data-shown") === key) return;
  set(element, "data-shown", key);
  set(element, "data-level", LEVELS.includes(level) ? level : "info");
  set(element, "aria-hidden", "true");
  element.classList.toggle("person", !!actor);
  if (!actor) return element.replaceChildren(level === "info" ? icon("bell") : icon(level));
  const letters = make("span", { class: "initials" }, initialsOf(actor.name));
  const badge = level === "info" ? "" : make("span", { class: "badge" }, icon(level));
  element.replaceChildren(letters, badge);
  const url = safeUrl(actor.image_url);
  if (!url) return;
  const image = make("img", { alt: "", referrerpolicy: "no-referrer", decoding: "async", draggable: "false" });
  // Until it is there, and if it never is, the initials stand for it.
  image.addEventListener("load", () => letters.replaceWith(image));
  image.src = url;
}

/** @param {string} name */
function initialsOf(name) {
  const words = name.trim().split(/\s+/u);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? "")][0] ?? "").join("").toLocaleUpperCase();
}

/** @param {Element} element @param {Notification} notification @param {Speech} speech */
function showProgress(element, { progress, title }, speech) {
  set(element, "hidden", progress === null);
  if (progress === null) return;
  const bar = element instanceof HTMLProgressElement ? element : (element.querySelector("progress") ?? make("progress"));
  bar.max = 1;
  bar.value = progress;
  set(bar, "aria-label", `${speech.say("progress")}: ${title}`);
  if (bar === element) return;
  if (!bar.parentNode) element.replaceChildren(bar, make("span", { class: "percent", "aria-hidden": "true" }));
  write(/** @type {Element} */ (element.lastElementChild), speech.percent(progress));
}

/** @param {Element} element @param {Notification} notification */
export function showActions(element, { actions }) {
  const key = JSON.stringify(actions);
  set(element, "hidden", !actions?.length);
  if (element.getAttribute("data-shown") === key) return;
  set(element, "data-shown", key);
  element.replaceChildren(
    ...(actions ?? []).map(({ label, url, primary }, place) => {
      const href = safeUrl(url);
      const about = { class: primary ? "action primary" : "action", part: primary ? "action action-primary" : "action" };
      const acts = { "data-notify-do": "action", "data-place": place };
      return href ? make("a", { ...about, ...acts, href }, label) : make("button", { ...about, ...acts, type: "button" }, label);
    }),
  );
}
