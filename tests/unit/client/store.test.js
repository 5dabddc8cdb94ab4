import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../../src/notify/web/client/store.js";

/** A random number generator that can be repeated. */
function dice(seed) {
  return (sides) => {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    return Math.floor((seed / 2 ** 32) * sides);
  };
}

/** An inbox as the service has it. */
class Inbox {
  head = 0;
  items = new Map();
  log = [];
  #time = Date.UTC(2026, 0, 1);

  change(id, changes) {
    const was = this.items.get(id);
    const position = `e.${++this.head}`;
    if (changes === null) {
      this.items.delete(id);
      this.log.push({ event: "delete", id: position, data: { id } });
      return position;
    }
    const item = { ...(was ?? { id, type: `t${id.length % 2}`, title: id, seen_at: null, read_at: null, archived_at: null, snoozed_until: null }) };
    Object.assign(item, changes);
    const arrives = !was || "arrived_at" in changes;
    if (arrives) item.arrival = position;
    this.items.set(id, item);
    this.log.push({ event: arrives ? "notification" : "update", id: position, data: item });
    return position;
  }

  /** Now and then two at the same moment, and now and then at a whole second. */
  now(roll) {
    this.#time += [0, 1, 250, 1000][roll(4)];
    return new Date(this.#time).toISOString().replace(".000Z", "Z");
  }

  get counts() {
    const held = [...this.items.values()].filter((item) => !item.archived_at && !item.snoozed_until);
    return {
      unread: held.filter((item) => !item.read_at).length,
      unseen: held.filter((item) => !item.read_at && !item.seen_at).length,
      total: held.length,
      position: `e.${this.head}`,
    };
  }

  /** Everything after a position, each once as it is now: as `/v1/changes` does. */
  after(position) {
    const last = new Map();
    for (const event of this.log) if (seq(event.id) > seq(position)) (last.delete(event.data.id), last.set(event.data.id, event));
    return { position: `e.${this.head}`, events: [...last.values()], counts: this.counts };
  }

  listed(matches) {
    return [...this.items.values()]
      .filter(matches)
      .sort((one, other) => Date.parse(other.arrived_at) - Date.parse(one.arrived_at) || seq(other.arrival) - seq(one.arrival));
  }

  /** Those older than where the page before ended. */
  page(matches, cursor, limit) {
    const [time, position] = JSON.parse(cursor ?? "[null, null]");
    const isOlder = ({ arrived_at, arrival }) => Date.parse(arrived_at) - time || seq(arrival) - seq(position);
    const found = this.listed((item) => matches(item) && (!cursor || isOlder(item) < 0));
    const items = found.slice(0, limit);
    const last = items.at(-1);
    const next_cursor = found.length > limit ? JSON.stringify([Date.parse(last.arrived_at), last.arrival]) : null;
    return { items, next_cursor, ...this.counts };
  }
}

const seq = (position) => Number(position.split(".")[1]);
const inInbox = (item) => !item.archived_at && !item.snoozed_until;
const VIEWS = [
  [{}, inInbox],
  [{ status: "unread" }, (item) => inInbox(item) && !item.read_at],
  [{ status: "archived" }, (item) => !!item.archived_at],
  [{ status: "all", type: "t1" }, (item) => item.type === "t1"],
];

function step(inbox, roll) {
  const ids = [...inbox.items.keys()];
  const id = ids[roll(ids.length || 1)];
  const time = inbox.now(roll);
  const kind = roll(9);
  if (kind < 3 || !id) return inbox.change("n".repeat(1 + inbox.head), { arrived_at: time });
  if (kind === 3) return inbox.change(id, { arrived_at: time, read_at: null, seen_at: null });
  if (kind === 4) return inbox.change(id, { read_at: time, seen_at: time });
  if (kind === 5) return inbox.change(id, { read_at: null });
  if (kind === 6) return inbox.change(id, { archived_at: inbox.items.get(id).archived_at ? null : time });
  if (kind === 7) return inbox.change(id, { seen_at: time });
  return inbox.change(id, null);
}

test("whatever comes late, twice or in pieces, what is shown ends as what is true, and nothing is told twice", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const roll = dice(seed);
    const [filters, matches] = VIEWS[seed % VIEWS.length];
    const inbox = new Inbox();
    const store = new Store({ filters, transport: "sse" });
    const told = [];
    store.on("notification", (item) => told.push(item.arrival));
    for (let n = roll(12); n > 0; n--) step(inbox, roll);
    store.open(inbox.page(matches, null, 5), filters);
    const pages = [];
    for (let n = 0; n < 60; n++) {
      step(inbox, roll);
      if (roll(4) === 0) pages.push(inbox.page(matches, null, 5));
      if (roll(5) === 0 && pages.length) store.open(pages.splice(roll(pages.length), 1)[0], filters);
      if (roll(5) === 0 && store.cursor) store.extend(inbox.page(matches, store.cursor, 5));
      if (roll(2) === 0) {
        // From where it stands, or from an earlier position: a part of what follows.
        const { events, counts } = inbox.after(roll(3) === 0 ? `e.${roll(seq(store.position) + 1)}` : store.position);
        const some = events.slice(0, 1 + roll(events.length || 1));
        const position = some.length === events.length ? counts.position : some.at(-1).id;
        store.apply({ position, events: some, counts: some.length === events.length ? counts : null });
      }
    }
    store.apply(inbox.after(store.position));
    const { items, counts, hasMore, position } = store.getSnapshot();
    const all = inbox.listed(matches);
    assert.equal(position, `e.${inbox.head}`);
    const { position: _, ...expected } = inbox.counts;
    assert.deepEqual(counts, expected, `seed ${seed}`);
    assert.deepEqual(items.map(({ id }) => id).sort(), (hasMore ? all.slice(0, items.length) : all).map(({ id }) => id).sort(), `seed ${seed}`);
    assert.deepEqual(items.map((item) => Date.parse(item.arrived_at)), items.map((item) => Date.parse(item.arrived_at)).sort((a, b) => b - a));
    assert.equal(new Set(told).size, told.length, `seed ${seed}`);
    const copy = new Store({ filters, transport: "sse" });
    copy.restore(JSON.parse(JSON.stringify(store.save())));
    assert.deepEqual(copy.getSnapshot().items, items);
    assert.deepEqual(copy.getSnapshot().counts, counts);
  }
});

function held(...ids) {
  const inbox = new Inbox();
  for (const id of ids) inbox.change(id, { arrived_at: `2026-01-01T00:00:0${inbox.head}Z` });
  const store = new Store({ filters: {}, transport: "sse" });
  store.open(inbox.page(inInbox, null, 10), {});
  return { inbox, store };
}
const read = (item) => (item.read_at ? item : { ...item, read_at: "now", seen_at: "now" });
const unread = (store) => store.getSnapshot().counts.unread;

test("a change shows from when it is wished until the truth has reached it, and counts once", () => {
  const { inbox, store } = held("a", "b");
  const change = { id: "a", patch: read };
  store.begin(change);
  assert.equal(unread(store), 1);
  store.accept(change, inbox.change("a", { read_at: "then", seen_at: "then" }));
  assert.equal(unread(store), 1);
  inbox.change("a", { read_at: null });
  store.apply(inbox.after(store.position));
  assert.equal(unread(store), 2);
  // The truth may be quicker than the answer.
  const second = { id: "b", patch: read };
  store.begin(second);
  const position = inbox.change("b", { read_at: "then", seen_at: "then" });
  store.apply(inbox.after(store.position));
  assert.equal(unread(store), 1);
  store.accept(second, position);
  assert.equal(unread(store), 1);
});

test("a change that is undone leaves the others, and a snapshot is the same until something changed", () => {
  const { store } = held("a", "b");
  const first = { id: "a", patch: read };
  const before = store.getSnapshot();
  store.show({});
  assert.equal(store.getSnapshot(), before);
  store.begin(first);
  const second = { id: "b", patch: () => null };
  store.begin(second);
  assert.deepEqual([store.getSnapshot().items.length, unread(store)], [1, 0]);
  const during = store.getSnapshot();
  store.show({});
  assert.equal(store.getSnapshot(), during);
  store.undo(first);
  assert.deepEqual([store.getSnapshot().items.length, unread(store)], [1, 1]);
  store.undo(second);
  assert.deepEqual(store.getSnapshot(), before);
});

test("one that is deleted stays away until the truth says so", () => {
  const { inbox, store } = held("a", "b");
  const change = { id: "a", patch: () => null };
  store.begin(change);
  store.accept(change);
  assert.equal(store.getSnapshot().items.length, 1);
  const late = inbox.page(inInbox, null, 10);
  inbox.change("a", null);
  store.apply(inbox.after(store.position));
  store.open(late, {});
  assert.deepEqual([store.getSnapshot().items.length, unread(store)], [1, 1]);
});

test("of what is marked all at once only what came later is left, loaded or not", () => {
  const { inbox, store } = held("a", "b", "c");
  const page = inbox.page(inInbox, null, 2);
  store.open(page, {});
  const before = inbox.head;
  store.begin({ patch: read, before, counted: ["unread", "unseen"] });
  assert.equal(unread(store), 0);
  inbox.change("d", { arrived_at: "2026-01-01T00:01:00Z" });
  store.apply(inbox.after(store.position));
  assert.equal(unread(store), 1);
});
