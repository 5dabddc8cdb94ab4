/** @file Elements and icons, made without a parser of HTML: nothing that comes from elsewhere is ever read as markup. */

const SVG = "http://www.w3.org/2000/svg";

const CROSS = "m6.5 6.5 11 11m0-11-11 11";

/** Drawn with a pen, in a square of 24. @type {Record<string, string>} */
const ICONS = {
  bell: "M6 9a6 6 0 0 1 12 0c0 6 2.5 7.5 2.5 7.5h-17S6 15 6 9M10 20.5a2.2 2.2 0 0 0 4 0",
  info: "M12 11v6M12 6.8v.1",
  success: "m5.5 12.5 4.5 4.5 9-10",
  warning: "M12 5.5v8M12 18v.1",
  error: CROSS,
  cross: CROSS,
  more: "M12 5.5v.1M12 12v.1M12 18.5v.1",
  check: "m3 12.5 4 4 8-9M12 15.5l1 1 8-9",
  settings: "M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5v5M8.5 14.5v5",
  up: "M12 19V5m-6 6 6-6 6 6",
  offline: "M3 3l18 18M8.5 16.5a5 5 0 0 1 7 0M5 12.5a10 10 0 0 1 4-2.4m10 2.4a10 10 0 0 0-5-2.8M2 9a15 15 0 0 1 4.5-2.8M22 9a15 15 0 0 0-11-4M12 20v.1",
};

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, unknown>} [attributes] those without a value are left out
 * @param {(Node | string | null | undefined | false)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** True is there, without a value; false, null and undefined are not there. @param {Element} element @param {string} name @param {unknown} value */
export function set(element, name, value) {
  const text = value === true ? "" : value;
  if (text === false || text === null || text === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(text)) element.setAttribute(name, String(text));
}

/** Written only if it is another one: live regions and selections stay as they are. @param {Element} element @param {string} text */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = svg.appendChild(document.createElementNS(SVG, "path"));
  for (const [attribute, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }))
    svg.setAttribute(attribute, value);
  path.setAttribute("d", ICONS[name] ?? "");
  return svg;
}

/** Where a click may lead: the web, and nothing else that a browser would run. @param {unknown} url @returns {string | null} */
export function safeUrl(url) {
  if (typeof url !== "string" || !url) return null;
  try {
    const { protocol } = new URL(url, document.baseURI);
    return protocol === "https:" || protocol === "http:" ? url : null;
  } catch {
    return null;
  }
}

/** The element that has the focus, within shadows too. */
export function focused() {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element;
}

/** Whether it, or something in it (shadows included), has the focus. @param {Node} node */
export function hasFocus(node) {
  for (let at = /** @type {Node | null} */ (focused()); at; at = parentOf(at)) if (at === node) return true;
  return false;
}

/** @param {Node} node @returns {Node | null} */
export const parentOf = (node) => node.parentNode ?? (node instanceof ShadowRoot ? node.host : null);

/** Shows it above everything, where the browser can. @param {HTMLElement} element @param {boolean} isShown */
export function raise(element, isShown) {
  element.hidden = !isShown;
  if (!element.showPopover || !element.isConnected || element.matches(":popover-open") === isShown) return;
  if (isShown) element.showPopover();
  else element.hidePopover();
}

/**
 * Puts what floats beside what it belongs to, within the window: below if there is room, and at the end of the line.
 * @param {HTMLElement} floating
 * @param {Element} anchor
 * @param {number} gap
 */
export function place(floating, anchor, gap) {
  const edge = 8;
  const at = anchor.getBoundingClientRect();
  const { width, height } = floating.getBoundingClientRect();
  const isRightToLeft = getComputedStyle(anchor).direction === "rtl";
  const { clientWidth, clientHeight } = document.documentElement;
  const below = clientHeight - at.bottom - gap - edge;
  const isAbove = below < Math.min(height, 240) && at.top > below;
  const left = isRightToLeft ? at.left : at.right - width;
  const top = isAbove ? at.top - gap - height : at.bottom + gap;
  floating.style.left = `${Math.max(edge, Math.min(left, clientWidth - width - edge))}px`;
  floating.style.top = `${Math.max(edge, Math.min(top, clientHeight - height - edge))}px`;
}
