import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { NotifyError } from "../../../src/notify/web/client/calls.js";
import { Link } from "../../../src/notify/web/client/link.js";

const LIVE = 'retry: 4000\n\nid: e.1\nevent: inbox\ndata: {"unread":0,"unseen":0,"total":0,"position":"e.1","session":"s"}\n\n';
const bye = (reason) => `retry: 9000\n\nevent: bye\ndata: {"reason":"${reason}"}\n\n`;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  // The longest that chance allows.
  mock.method(Math, "random", () => 1);
});
afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

/** A link whose streams say, one after the other, what the script holds: a text (which ends, or stays), or a failure. */
function linked(script, options = {}) {
  const world = { opened: [], states: [], batches: [], resets: 0, asked: [], position: "e.0" };
  const calls = {
    dropToken: () => {},
    token: async () => "a token",
    json: async (path) => (world.asked.push(path), null),
    open: async (path, { signal }) => {
      world.opened.push(Date.now());
      const step = script[Math.min(world.opened.length, script.length) - 1];
      if (step instanceof Error) throw step;
      const body = new ReadableStream({
        start(controller) {
          if (step.text) controller.enqueue(new TextEncoder().encode(step.text));
          if (step.ends) controller.close();
          else signal.addEventListener("abort", () => controller.error(signal.reason));
        },
      });
      return { body };
    },
  };
  world.link = new Link(calls, "http://notify", options, {
    load: async () => {},
    position: () => world.position,
    batch: (batch) => world.batches.push(batch),
    state: (state) => world.states.push(state),
    reset: () => world.resets++,
  });
  world.link.start();
  return world;
}

const settle = async () => {
  for (let n = 0; n < 5; n++) await new Promise((resolve) => setImmediate(resolve));
};

/** Lets so much time pass, in small steps. */
async function pass(ms) {
  await settle();
  for (let at = 0; at < ms; at += 100) {
    mock.timers.tick(100);
    await settle();
  }
}

const last = (world) => world.states.findLast(({ status }) => status) ?? {};

test("it waits as the service says, and a little longer by chance", async () => {
  const world = linked([{ text: LIVE, ends: true }, { text: LIVE }]);
  await pass(3900);
  assert.deepEqual([world.opened.length, last(world).status], [1, "reconnecting"]);
  await pass(700);
  assert.deepEqual([world.opened.length, last(world).status], [2, "live"]);
  assert.equal(world.batches[0].position, "e.1");
  world.link.stop();
});

test("each failure doubles what chance allows, up to a quarter of a minute", async () => {
  const world = linked([new NotifyError("no answer")]);
  await pass(40_000);
  const pauses = world.opened.slice(1).map((time, n) => time - world.opened[n]);
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 15_000]);
  world.link.stop();
  await pass(20_000);
  assert.equal(world.opened.length, 7);
});

test("what is asked for is waited for, even if the moment is a good one; after that it is not waited any longer", async () => {
  const world = linked([new NotifyError("busy", 503, {}, 7000), { text: LIVE }]);
  await pass(6900);
  world.link.nudge();
  await pass(0);
  assert.equal(world.opened.length, 1);
  await pass(200);
  world.link.nudge();
  await pass(0);
  assert.equal(world.opened.length, 2);
  world.link.stop();
});

for (const [what, step, reason] of [
  ["a revoked session", { text: LIVE + bye("revoked") }, "revoked"],
  ["abuse", { text: LIVE + bye("abuse") }, "refused"],
  ["a token that may not", new NotifyError("no", 403, {}), "forbidden"],
  ["a request that is wrong", new NotifyError("no", 422, {}), "refused"],
])
  test(`it stops at ${what}, and begins again when it is told to`, async () => {
    const world = linked([step, { text: LIVE }]);
    await pass(60_000);
    assert.deepEqual([world.opened.length, last(world).status, last(world).reason], [1, "stopped", reason]);
    world.link.start();
    await pass(0);
    assert.deepEqual([world.opened.length, last(world).status], [2, "live"]);
    world.link.stop();
  });

test("what a proxy answers is no reason to stop, and tokens are given up after the fifth", async () => {
  const world = linked([new NotifyError("not found", 404), new NotifyError("no", 401, {})]);
  await pass(60_000);
  assert.deepEqual([world.opened.length, last(world).reason], [6, "unauthorized"]);
});

test("a token that has run out is replaced without the wait that is for the old one", async () => {
  const world = linked([{ text: bye("auth"), ends: true }, { text: LIVE }]);
  await pass(600);
  assert.equal(world.opened.length, 2);
  world.link.stop();
});

test("silence for two and a half keep-alives is an end, and so is a machine that slept", async () => {
  const world = linked([{ text: LIVE }]);
  await pass(37_400);
  assert.equal(world.opened.length, 1);
  await pass(5000);
  assert.equal(world.opened.length, 2);
  mock.timers.setTime(Date.now() + 3_600_000);
  world.link.nudge();
  await settle();
  assert.equal(world.opened.length, 3);
  world.link.stop();
});

test("a reset is passed on, and nothing of the start that follows it", async () => {
  const world = linked([{ text: `event: reset\ndata: {"reason":"epoch"}\n\nevent: notification\ndata: {"id":"x"}\n\n${LIVE}` }, { text: LIVE }]);
  await pass(100);
  assert.deepEqual([world.resets, world.opened.length, world.batches.length], [1, 2, 1]);
  world.link.stop();
});

test("where streams are held back it is polled, and after ten minutes streams are tried again", async () => {
  const world = linked([{}, { text: LIVE }], { pollSeconds: 60 });
  await pass(4900);
  assert.deepEqual(world.asked, []);
  await pass(200);
  assert.deepEqual([world.asked, last(world).status], [["/v1/notifications/count"], "live"]);
  await pass(660_000);
  assert.equal(world.opened.length, 2);
  assert.equal(world.states.findLast(({ transport }) => transport).transport, "sse");
  world.link.stop();
});

test("told to begin again, it does so at once and with one connection", async () => {
  const world = linked([{ text: LIVE }]);
  await pass(100);
  world.link.stop();
  world.link.start();
  await pass(0);
  assert.equal(world.opened.length, 2);
  assert.deepEqual(world.states.map(({ status }) => status).filter(Boolean), ["live", "live"]);
  await pass(30_000);
  assert.equal(world.opened.length, 2);
  world.link.stop();
});
