/** The little that the pages need to write themselves. What others have sent becomes text, never markup. */

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
    const found = document.getElementById(id);
    if (found === null) throw new Error(`no #${id}`);
    return found;
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
}

/**
 * A button that copies, and says so for a moment.
 *
 * @param {HTMLElement} button
 * @param {() => string} text
 */
export function copies(button, text) {
    const before = button.textContent;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    button.addEventListener("click", async () => {
        let said = "Copied";
        try {
            await navigator.clipboard.writeText(text());
        } catch {
            said = "Select it and copy by hand";
        }
        button.textContent = said;
        clearTimeout(timer);
        timer = setTimeout(() => (button.textContent = before), 1500);
    });
}
