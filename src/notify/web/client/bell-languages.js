/** @file What the bell says, in the languages it knows, and how numbers and times are written there. */

/** @typedef {import("./bell.d.ts").Language} Language */
/** @typedef {import("./bell.d.ts").Words} Words */

/** @type {Words} */
const ENGLISH = {
  title: "Notifications",
  bell: { zero: "Notifications", one: "Notifications, {count} unread", other: "Notifications, {count} unread" },
  inbox: "All",
  unread: "Unread",
  read: "Read",
  archived: "Archived",
  snoozed: "Snoozed",
  filters: "Which notifications",
  readAll: "Mark all as read",
  settings: "Settings",
  close: "Close",
  isUnread: "Unread",
  info: "Information",
  success: "Success",
  warning: "Warning",
  error: "Error",
  progress: "Progress",
  actions: "More for “{title}”",
  markRead: "Mark as read",
  markUnread: "Mark as unread",
  archive: "Archive",
  unarchive: "Move to inbox",
  snooze: "Snooze",
  snoozeHour: "For an hour",
  snoozeTomorrow: "Until tomorrow",
  snoozeWeek: "Until next week",
  unsnooze: "Bring back now",
  remove: "Delete",
  isRead: "Marked as read",
  isMarkedUnread: "Marked as unread",
  isArchived: "Archived",
  isUnarchived: "Moved to the inbox",
  isSnoozed: "Snoozed",
  isUnsnoozed: "Brought back",
  isRemoved: "Deleted",
  areRead: { one: "{count} marked as read", other: "{count} marked as read" },
  news: { one: "{count} new", other: "{count} new" },
  arrived: { one: "{count} new notification: {title}", other: "{count} new notifications" },
  empty: "You’re all caught up",
  emptyAbout: "What is new for you will show up here.",
  emptyUnread: "Nothing unread",
  emptyUnreadAbout: "You have read everything.",
  emptyArchived: "Nothing archived",
  emptySnoozed: "Nothing snoozed",
  loading: "Loading…",
  loaded: { one: "{count} notification", other: "{count} notifications" },
  offline: "You are offline. This is what was here last.",
  reconnecting: "Connecting again…",
  again: "Try again",
  loggedOut: "You are logged out",
  stopped: "Notifications are not available",
  stoppedAbout: "The connection has ended, and will not come back by itself.",
  failed: "Notifications could not be loaded",
  refused: "That did not work: {reason}",
  noAnswer: "there was no answer",
};

/** @type {Words} */
const ARABIC = {
  title: "الإشعارات",
  bell: {
    zero: "الإشعارات",
    one: "الإشعارات، إشعار واحد غير مقروء",
    two: "الإشعارات، إشعاران غير مقروءين",
    few: "الإشعارات، {count} إشعارات غير مقروءة",
    many: "الإشعارات، {count} إشعارًا غير مقروء",
    other: "الإشعارات، {count} إشعار غير مقروء",
  },
  inbox: "الكل",
  unread: "غير مقروءة",
  read: "مقروءة",
  archived: "مؤرشفة",
  snoozed: "مؤجلة",
  filters: "أي الإشعارات",
  readAll: "تعليم الكل كمقروء",
  settings: "الإعدادات",
  close: "إغلاق",
  isUnread: "غير مقروء",
  info: "معلومة",
  success: "نجاح",
  warning: "تحذير",
  error: "خطأ",
  progress: "التقدم",
  actions: "المزيد بشأن «{title}»",
  markRead: "تعليم كمقروء",
  markUnread: "تعليم كغير مقروء",
  archive: "أرشفة",
  unarchive: "نقل إلى الوارد",
  snooze: "تأجيل",
  snoozeHour: "لمدة ساعة",
  snoozeTomorrow: "حتى الغد",
  snoozeWeek: "حتى الأسبوع القادم",
  unsnooze: "إعادة الآن",
  remove: "حذف",
  isRead: "عُلِّم كمقروء",
  isMarkedUnread: "عُلِّم كغير مقروء",
  isArchived: "تمت الأرشفة",
  isUnarchived: "نُقل إلى الوارد",
  isSnoozed: "تم التأجيل",
  isUnsnoozed: "تمت الإعادة",
  isRemoved: "تم الحذف",
  areRead: {
    zero: "لا جديد لتعليمه",
    one: "عُلِّم إشعار واحد كمقروء",
    two: "عُلِّم إشعاران كمقروءين",
    few: "عُلِّمت {count} إشعارات كمقروءة",
    many: "عُلِّم {count} إشعارًا كمقروء",
    other: "عُلِّم {count} إشعار كمقروء",
  },
  news: {
    one: "إشعار جديد",
    two: "إشعاران جديدان",
    few: "{count} إشعارات جديدة",
    many: "{count} إشعارًا جديدًا",
    other: "{count} إشعار جديد",
  },
  arrived: {
    one: "إشعار جديد: {title}",
    two: "إشعاران جديدان",
    few: "{count} إشعارات جديدة",
    many: "{count} إشعارًا جديدًا",
    other: "{count} إشعار جديد",
  },
  empty: "لا شيء جديد",
  emptyAbout: "سيظهر هنا كل ما هو جديد لك.",
  emptyUnread: "لا شيء غير مقروء",
  emptyUnreadAbout: "لقد قرأت كل شيء.",
  emptyArchived: "لا شيء في الأرشيف",
  emptySnoozed: "لا شيء مؤجل",
  loading: "جارٍ التحميل…",
  loaded: {
    zero: "لا إشعارات",
    one: "إشعار واحد",
    two: "إشعاران",
    few: "{count} إشعارات",
    many: "{count} إشعارًا",
    other: "{count} إشعار",
  },
  offline: "أنت غير متصل بالشبكة. هذا آخر ما كان هنا.",
  reconnecting: "جارٍ إعادة الاتصال…",
  again: "إعادة المحاولة",
  loggedOut: "لقد سجّلت الخروج",
  stopped: "الإشعارات غير متاحة",
  stoppedAbout: "انتهى الاتصال ولن يعود من تلقاء نفسه.",
  failed: "تعذّر تحميل الإشعارات",
  refused: "لم ينجح ذلك: {reason}",
  noAnswer: "لم يصل أي رد",
};

/** By language tag; a page may add more, or change what is there. @type {Map<string, Language>} */
export const languages = new Map([
  ["en", { words: ENGLISH }],
  ["ar", { direction: "rtl", words: ARABIC }],
]);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

export class Speech {
  #words;
  #plurals;
  #numbers;
  #percents;
  #relative;
  #dates;
  #moments;
  #hours;

  /** @param {string} tag such as `ar-EG`: of which `ar` is what there are words for */
  constructor(tag) {
    const parts = tag.split("-");
    while (parts.length && !languages.has(parts.join("-"))) parts.pop();
    const known = parts.join("-") || "en";
    const { words, direction = "ltr" } = /** @type {Language} */ (languages.get(known));
    this.#words = { ...ENGLISH, ...words };
    /** The language that is spoken. */
    this.tag = parts.length ? tag : known;
    this.direction = direction;
    this.#plurals = new Intl.PluralRules(this.tag);
    this.#numbers = new Intl.NumberFormat(this.tag);
    this.#percents = new Intl.NumberFormat(this.tag, { style: "percent" });
    this.#relative = new Intl.RelativeTimeFormat(this.tag, { numeric: "auto", style: "short" });
    this.#dates = new Intl.DateTimeFormat(this.tag, { dateStyle: "medium" });
    this.#moments = new Intl.DateTimeFormat(this.tag, { dateStyle: "full", timeStyle: "short" });
    this.#hours = new Intl.DateTimeFormat(this.tag, { weekday: "short", hour: "numeric", minute: "2-digit" });
  }

  /** @param {keyof Words} name @param {Record<string, string>} [named] */
  say(name, named = {}) {
    const form = this.#words[name];
    return fill(typeof form === "string" ? form : form.other, named);
  }

  /** In the form for so many. @param {keyof Words} name @param {number} count @param {Record<string, string>} [named] */
  count(name, count, named = {}) {
    const form = this.#words[name];
    if (typeof form === "string") return fill(form, { ...named, count: this.number(count) });
    const category = count === 0 && form.zero ? "zero" : this.#plurals.select(count);
    return fill(form[category] ?? form.other, { ...named, count: this.number(count) });
  }

  /** @param {number} value */
  number = (value) => this.#numbers.format(value);

  /** @param {number} share */
  percent = (share) => this.#percents.format(share);

  /** How long ago that was. @param {number} time @param {number} [now] */
  ago(time, now = Date.now()) {
    const since = time - now;
    const size = Math.abs(since);
    if (size < MINUTE) return this.#relative.format(0, "second");
    if (size < HOUR) return this.#relative.format(Math.trunc(since / MINUTE), "minute");
    if (size < DAY) return this.#relative.format(Math.trunc(since / HOUR), "hour");
    if (size < WEEK) return this.#relative.format(Math.trunc(since / DAY), "day");
    return this.#dates.format(time);
  }

  /** In full. @param {number} time */
  moment = (time) => this.#moments.format(time);

  /** A day and hour of the next days. @param {Date} time */
  hour = (time) => this.#hours.format(time);
}

/** @param {string} text @param {Record<string, string>} named */
const fill = (text, named) => text.replace(/\{(\w+)\}/g, (all, name) => named[name] ?? all);
