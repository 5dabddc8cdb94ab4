/** @file How the bell looks. Colours, sizes and corners are variables of the page (`--notify-…`), or these. */

export const STYLE = `
:host {
  color-scheme: light dark;
  --_text: var(--notify-text, light-dark(#17191c, #eef0f3));
  --_muted: var(--notify-muted, light-dark(#59606b, #a7afba));
  --_surface: var(--notify-surface, light-dark(#fff, #1a1c20));
  --_raised: var(--notify-raised, light-dark(#fff, #24272d));
  --_hover: var(--notify-hover, light-dark(#f5f6f8, #22252a));
  --_unread: var(--notify-unread, light-dark(#f3f7ff, #1c2330));
  --_line: var(--notify-line, light-dark(#e6e8ec, #30343b));
  --_accent: var(--notify-accent, light-dark(#2456d3, #90b2ff));
  --_on-accent: var(--notify-on-accent, light-dark(#fff, #0b1630));
  --_badge: var(--notify-badge, light-dark(#cc2136, #ff7580));
  --_on-badge: var(--notify-on-badge, light-dark(#fff, #2b0207));
  --_success: var(--notify-success, light-dark(#146c43, #62d49d));
  --_warning: var(--notify-warning, light-dark(#8a5500, #f2ba52));
  --_error: var(--notify-error, light-dark(#bb2030, #ff8f97));
  --_radius: var(--notify-radius, 12px);
  --_shadow: var(--notify-shadow, 0 0 0 1px light-dark(#0f172a14, #ffffff1a), 0 12px 32px -8px light-dark(#0f172a40, #000c));
  font: 400 0.875rem/1.45 var(--notify-font, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif);
  color: var(--_text);
  text-align: start;
  -webkit-tap-highlight-color: transparent;
}
:host([color-scheme="light"]) { color-scheme: light }
:host([color-scheme="dark"]) { color-scheme: dark }
:host([hidden]) { display: none }
*, ::before, ::after { box-sizing: border-box }
[hidden] { display: none !important }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap }
h2, p { margin: 0; font: inherit }
button { font: inherit; color: inherit; letter-spacing: inherit; background: none; border: 0; padding: 0; margin: 0; cursor: pointer; text-align: inherit }
a { color: inherit; text-decoration: none; cursor: pointer }
:focus { outline: none }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px }
.icon { display: block; inline-size: 1.25rem; block-size: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; flex: none }
.plain { display: inline-grid; place-items: center; inline-size: 2rem; block-size: 2rem; flex: none; border-radius: 8px; color: var(--_muted) }
.plain:hover { background: var(--_hover); color: var(--_text) }
.plain[aria-disabled="true"] { opacity: 0.4; cursor: default; background: none; color: var(--_muted) }
[popover] { position: fixed; inset: auto; margin: 0; padding: 0; border: 0; color: inherit; background: none; overflow: visible; z-index: 2147483000 }

/* the button */
.bell { display: flex }
.button { position: relative; display: grid; place-items: center; inline-size: var(--notify-bell-size, 2.5rem); block-size: var(--notify-bell-size, 2.5rem); min-inline-size: 24px; min-block-size: 24px; border-radius: 50%; color: var(--notify-bell-color, inherit) }
.button:hover, .button[aria-expanded="true"] { background: color-mix(in srgb, currentColor 9%, transparent) }
.button .icon { inline-size: 1.5rem; block-size: 1.5rem; stroke-width: 1.6 }
.count { position: absolute; inset-block-start: 1px; inset-inline-start: 54%; min-inline-size: 1.125rem; block-size: 1.125rem; padding-inline: 0.3rem; border-radius: 1rem; display: grid; place-items: center; font-size: 0.6875rem; font-weight: 650; line-height: 1; font-variant-numeric: tabular-nums; white-space: nowrap; background: var(--_badge); color: var(--_on-badge) }

/* the panel */
.panel { inline-size: var(--notify-panel-width, 25rem); max-inline-size: calc(100vw - 16px); block-size: fit-content; max-block-size: min(var(--notify-panel-height, 38rem), calc(100dvh - 16px)); display: flex; border-radius: var(--_radius); background: var(--_surface); box-shadow: var(--_shadow); overflow: hidden }
.panel > * { flex: 1; min-inline-size: 0; max-block-size: inherit; border: 0; border-radius: 0 }
.panel .close { display: none }

/* the list */
.inbox { display: flex; flex-direction: column; min-block-size: 0; inline-size: 100%; max-block-size: inherit; block-size: 100%; background: var(--_surface); border-radius: inherit; position: relative; overflow: hidden }
.header { display: flex; align-items: center; gap: 0.125rem; padding: 0.75rem 0.75rem 0.375rem; padding-inline-start: 1.25rem; flex: none }
.heading, .header ::slotted([slot="header"]) { flex: 1; min-inline-size: 0; margin: 0 }
.heading { font-size: 1.0625rem; font-weight: 650; letter-spacing: -0.01em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap }
.tabs { display: flex; gap: 0.25rem; padding: 0 0.75rem; border-block-end: 1px solid var(--_line); flex: none; overflow-x: auto; scrollbar-width: none }
.tab { position: relative; display: inline-flex; align-items: center; gap: 0.375rem; padding: 0.5rem; color: var(--_muted); font-weight: 500; white-space: nowrap; border-radius: 6px }
.tab:hover { color: var(--_text) }
.tab::after { content: ""; position: absolute; inset-inline: 0.5rem; inset-block-end: -1px; border-block-end: 2px solid transparent }
.tab[aria-selected="true"] { color: var(--_text) }
.tab[aria-selected="true"]::after { border-color: var(--_accent) }
.tab:focus-visible { outline-offset: -3px }
.number:not(:empty) { font-size: 0.75rem; font-weight: 600; line-height: 1; padding: 0.1875rem 0.375rem; border-radius: 1rem; background: color-mix(in srgb, var(--_accent) 12%, transparent); color: var(--_accent); font-variant-numeric: tabular-nums }
.stage { position: relative; flex: 1 1 auto; min-block-size: 0; display: flex; flex-direction: column }
.scroller { flex: 1 1 auto; min-block-size: 0; overflow: auto; overflow-anchor: none; overscroll-behavior: contain; scrollbar-width: thin; scrollbar-color: color-mix(in srgb, var(--_muted) 45%, transparent) transparent }
.scroller:focus-visible { outline-offset: -3px; border-radius: 6px }
.feed { display: flow-root; overflow-anchor: none }
.end { block-size: 1px; margin-block-start: -1px }
.item { position: relative; display: flex; align-items: flex-start; gap: 0.75rem; padding: 0.75rem; padding-inline-start: 1.25rem; border-block-end: 1px solid var(--_line); overflow-wrap: anywhere }
.item:hover { background: var(--_hover) }
.item.unread { background: var(--_unread) }
.item:focus-visible { outline-offset: -3px; border-radius: 8px }
.dot { position: absolute; inset-inline-start: 0.4375rem; inset-block-start: 1.6875rem; border: 4px solid var(--_accent); border-radius: 50%; visibility: hidden }
.unread > .dot { visibility: visible }
.text { flex: 1; min-inline-size: 0; display: grid; gap: 0.125rem; justify-items: start }
.title { font-weight: 500; text-wrap: pretty; border-radius: 4px }
.unread .title { font-weight: 650 }
.item .title::before { content: ""; position: absolute; inset: 0 }
.item .title:hover { text-decoration: none }
.body { color: var(--_muted); white-space: pre-line; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: var(--notify-body-lines, 3); overflow: hidden }
.title, .body, .actor { unicode-bidi: plaintext }
.meta { display: flex; flex-wrap: wrap; column-gap: 0.375rem; color: var(--_muted); font-size: 0.8125rem }
.actor:not([hidden]) + .time::before { content: "· " }
.avatar { position: relative; inline-size: 2.25rem; block-size: 2.25rem; border-radius: 50%; display: grid; place-items: center; flex: none; font-size: 0.8125rem; font-weight: 600; color: var(--_level); background: color-mix(in srgb, var(--_level) 13%, transparent); --_level: var(--_accent) }
.avatar.person { color: var(--_muted); background: color-mix(in srgb, var(--_muted) 16%, transparent) }
.avatar img { inline-size: 100%; block-size: 100%; border-radius: 50%; object-fit: cover; display: block }
.avatar > .icon { inline-size: 1.375rem; block-size: 1.375rem }
[data-level="success"] { --_level: var(--_success) }
[data-level="warning"] { --_level: var(--_warning) }
[data-level="error"] { --_level: var(--_error) }
.badge { position: absolute; inset-block-end: -3px; inset-inline-end: -3px; border-radius: 50%; background: var(--_level); color: var(--_surface); box-shadow: 0 0 0 2px var(--_surface); display: grid }
.badge .icon { inline-size: 1rem; block-size: 1rem; stroke-width: 2.5 }
.progress { display: flex; align-items: center; gap: 0.625rem; inline-size: 100%; padding-block: 0.25rem }
.percent { font-size: 0.8125rem; color: var(--_muted); font-variant-numeric: tabular-nums; min-inline-size: 2.75em; text-align: end }
progress { appearance: none; border: 0; flex: 1; min-inline-size: 4rem; block-size: 6px; border-radius: 6px; overflow: hidden; background: color-mix(in srgb, var(--_muted) 25%, transparent); color: var(--_accent) }
progress::-webkit-progress-bar { background: none }
progress::-webkit-progress-value { background: var(--_accent); border-radius: 6px; transition: inline-size 0.3s }
progress::-moz-progress-bar { background: var(--_accent); border-radius: 6px }
.actions { display: flex; flex-wrap: wrap; gap: 0.375rem; padding-block: 0.375rem 0.125rem; position: relative }
.action { position: relative; display: inline-flex; align-items: center; min-block-size: 1.875rem; padding: 0.25rem 0.75rem; border-radius: 8px; font-weight: 550; font-size: 0.8125rem; background: var(--_surface); border: 1px solid color-mix(in srgb, var(--_muted) 35%, transparent) }
.action:hover { border-color: var(--_muted) }
.action.primary { background: var(--_accent); border-color: transparent; color: var(--_on-accent) }
.action.primary:hover { background: color-mix(in srgb, var(--_accent) 88%, var(--_text)) }
.item [data-notify-do]:not([data-notify-do="select"]) { position: relative }
.more .icon { stroke-width: 2.75 }
.more { margin-block: -0.125rem; margin-inline-start: -0.25rem }

/* beside the list */
.pill { position: absolute; inset-block-start: 0.625rem; inset-inline: 0; margin-inline: auto; inline-size: fit-content; z-index: 1; display: inline-flex; align-items: center; gap: 0.375rem; min-block-size: 2rem; padding: 0.25rem 0.875rem; padding-inline-start: 0.625rem; border-radius: 2rem; font-weight: 600; font-size: 0.8125rem; background: var(--_accent); color: var(--_on-accent); box-shadow: 0 4px 14px -4px light-dark(#0f172a66, #000); animation: drop 0.18s ease-out }
.pill .icon { inline-size: 1rem; block-size: 1rem; stroke-width: 2.5 }
.pill:focus-visible { outline-offset: 3px }
.banner, .notice { display: flex; align-items: center; gap: 0.625rem; padding: 0.5rem 0.75rem; padding-inline-start: 1.25rem; flex: none; border-block-end: 1px solid var(--_line); background: color-mix(in srgb, var(--_tone) 10%, var(--_surface)); --_tone: var(--_warning) }
.banner > span, .notice > span { flex: 1; min-inline-size: 0; overflow-wrap: anywhere }
.banner > .icon, .notice > .icon { color: var(--_tone) }
.notice { --_tone: var(--_error) }
.state { display: grid; justify-items: center; align-content: center; gap: 0.25rem; padding: 3rem 1.5rem; text-align: center; color: var(--_muted); min-block-size: 16rem }
.state .strong { font-weight: 600; color: var(--_text); font-size: 1rem }
.state .action { margin-block-start: 0.75rem; color: var(--_text) }
.mark { display: grid; place-items: center; inline-size: 3.5rem; block-size: 3.5rem; margin-block-end: 0.75rem; border-radius: 50%; color: var(--_accent); background: color-mix(in srgb, var(--_accent) 10%, transparent) }
.mark.troubled { color: var(--_warning); background: color-mix(in srgb, var(--_warning) 12%, transparent) }
.mark .icon { inline-size: 1.625rem; block-size: 1.625rem }
.skeleton.one .ghost + .ghost { display: none }
.ghost { display: flex; gap: 0.75rem; padding: 0.875rem 0.75rem; padding-inline-start: 1.25rem; animation: breathe 1.4s ease-in-out infinite alternate }
.ghost > i { inline-size: 2.25rem; block-size: 2.25rem; border-radius: 50% }
.ghost > div { flex: 1; display: grid; gap: 0.5rem; align-content: center }
.ghost b { block-size: 0.625rem; border-radius: 1rem; inline-size: 88% }
.ghost b:first-child { inline-size: 55% }
.ghost > i, .ghost b { display: block; background: color-mix(in srgb, var(--_muted) 18%, transparent) }

/* above everything */
.menu { min-inline-size: 13rem; max-inline-size: calc(100vw - 16px); max-block-size: calc(100dvh - 16px); overflow: auto; padding: 0.375rem; border-radius: 10px; background: var(--_raised); color: var(--_text); box-shadow: var(--_shadow) }
.choice { display: flex; justify-content: space-between; align-items: baseline; gap: 1.5rem; inline-size: 100%; padding: 0.4375rem 0.625rem; border-radius: 6px }
.choice:hover, .choice:focus { background: color-mix(in srgb, var(--_accent) 11%, transparent) }
.choice:focus-visible { outline-offset: -2px }
.hint, .group { color: var(--_muted); font-size: 0.8125rem }
.group { padding: 0.25rem 0.625rem 0.125rem; font-weight: 550 }
.line { margin: 0.375rem 0.25rem; border-block-start: 1px solid var(--_line) }
.toasts { inset-block-end: var(--notify-toasts-inset, 1rem); inset-inline-end: var(--notify-toasts-inset, 1rem); inline-size: 22rem; max-inline-size: calc(100vw - 2rem); display: flex; flex-direction: column; gap: 0.625rem }
.toast { position: relative; display: flex; align-items: flex-start; gap: 0.75rem; padding: 0.75rem; border-radius: var(--_radius); background: var(--_raised); color: var(--_text); box-shadow: var(--_shadow); animation: rise 0.2s ease-out; overflow-wrap: anywhere }
.toast .title { font-weight: 600; min-block-size: 24px }
.toast .title::before { content: ""; position: absolute; inset: 0; border-radius: inherit }
.toast .body { -webkit-line-clamp: 2 }
.toast .action { background: var(--_raised) }
.toast .action.primary { background: var(--_accent) }
.dismiss { position: relative; margin: -0.25rem; inline-size: 1.75rem; block-size: 1.75rem }

@keyframes drop { from { opacity: 0; transform: translateY(-0.5rem) } }
@keyframes rise { from { opacity: 0; transform: translateY(0.75rem) } }
@keyframes breathe { to { opacity: 0.45 } }
@media (width <= 480px) {
  .panel { inset: 0 !important; inline-size: 100vw; max-inline-size: none; block-size: 100dvh; max-block-size: none; border-radius: 0 }
  .panel .close { display: inline-grid }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { animation: none !important; transition: none !important }
}
@media (prefers-reduced-motion: no-preference) {
  .panel { animation: drop 0.14s ease-out }
}
@media (forced-colors: active) {
  .panel, .menu, .toast, .pill, .count, .action, .avatar { border: 1px solid CanvasText }
  .tab::after { border-color: Canvas }
  .tab[aria-selected="true"]::after { border-color: Highlight }
  .dot { border-color: Highlight; forced-color-adjust: none }
  .choice:focus { outline: 2px solid Highlight }
  progress { appearance: auto }
  :focus-visible { outline-color: Highlight }
}
@media print { .panel, .toasts, .menu { display: none !important } }
`;

export const BELL_STYLE = ":host { display: inline-block; vertical-align: middle }";

export const INBOX_STYLE = `
:host { display: block; max-block-size: var(--notify-inbox-height, 40rem); border: 1px solid var(--_line); border-radius: var(--_radius); overflow: hidden }
`;
