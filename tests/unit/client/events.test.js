import assert from "node:assert/strict";
import { test } from "node:test";

import { parser } from "../../../src/notify/web/client/events.js";

const STREAM = [
  "retry: 2731\n\n: keep-alive\n\n",
  'id: k.42\nevent: inbox\ndata: {"unread":3}\n\n',
  "id: k.43\n\n",
  "event:bye\ndata\ndata:  two\ndata:\nunknown: x\n\n",
  "data: üñí 🎉\n\n",
  "id: never completed",
].join("");
const BLOCKS = [
  { retry: 2731 },
  { id: "k.42", event: "inbox", data: '{"unread":3}' },
  { id: "k.43" },
  { event: "bye", data: "\n two\n" },
  { data: "üñí 🎉" },
];

for (const [name, end] of [["LF", "\n"], ["CRLF", "\r\n"], ["CR", "\r"]])
  test(`a stream with ${name} is read the same in whatever pieces it comes`, () => {
    const text = STREAM.replaceAll("\n", end);
    for (let size = 1; size <= text.length; size++) {
      const parse = parser();
      const blocks = [];
      for (let at = 0; at < text.length; at += size) blocks.push(...parse(text.slice(at, at + size)));
      assert.deepEqual(blocks, BLOCKS, `in pieces of ${size}`);
    }
  });

test("what is no id and no time is passed over", () => {
  assert.deepEqual(parser()("id: a\0b\nretry: 1.5\nretry:\ndata: x\n\n"), [{ data: "x" }]);
});
