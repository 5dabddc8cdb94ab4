/** @file Reads Server-Sent Events from whatever pieces they come in. */

/** @typedef {{ id?: string, event?: string, data?: string, retry?: number }} Block */

/** Gives a function that takes the next piece of text, and gives the blocks that it completes. */
export function parser() {
  let rest = "";
  /** @type {Block} */
  let block = {};
  /** @param {string} text */
  return (text) => {
    /** @type {Block[]} */
    const blocks = [];
    // A \r at the very end may be half of a \r\n.
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      if (!line) {
        if (Object.keys(block).length) blocks.push(block);
        block = {};
        continue;
      }
      const [, name, value = ""] = /** @type {RegExpMatchArray} */ (line.match(/^([^:]*)(?:: ?(.*))?$/s));
      if (name === "data") block.data = block.data === undefined ? value : `${block.data}\n${value}`;
      else if (name === "event") block.event = value;
      else if (name === "id" && !value.includes("\0")) block.id = value;
      else if (name === "retry" && /^\d+$/.test(value)) block.retry = Number(value);
    }
    return blocks;
  };
}
