/** A stream of Server-Sent Events as it comes over the wire: blocks of text, each with the moment it arrived. */

/** @typedef {{text: string, at: number, id: string | null, event: string | null, data: string | null}} Block */

/**
 * Until it ends, or `signal` ends it.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<Block, void, void>}
 */
export async function* blocks(response) {
    if (response.body === null) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            const parts = (rest + value).split("\n\n");
            rest = parts.pop() ?? "";
            for (const text of parts) yield block(text);
        }
    } finally {
        reader.cancel().catch(() => {});
    }
}

/**
 * @param {string} text
 * @returns {Block}
 */
function block(text) {
    return { text, at: performance.now(), id: field(text, "id"), event: field(text, "event"), data: field(text, "data") };
}

/**
 * @param {string} text
 * @param {string} name
 */
function field(text, name) {
    const line = text.split("\n").find((line) => line.startsWith(`${name}: `));
    return line === undefined ? null : line.slice(name.length + 2);
}
