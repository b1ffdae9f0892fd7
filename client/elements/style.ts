/**
 * Colours follow the page's `color-scheme`; each can be set by the page. Names with `_` do not collide with those of a page: `--ws-text: var(--text)` would be a circle
 * if the element had a `--text` of its own.
 */
const css = `
:host {
  --_text: var(--ws-text, light-dark(#1b1d22, #eceef2));
  --_muted: var(--ws-muted, light-dark(#545966, #abb2c0));
  --_surface: var(--ws-surface, light-dark(#ffffff, #1c1f26));
  --_field: var(--ws-field, light-dark(#ffffff, #14161b));
  --_line: var(--ws-line, light-dark(#7b8190, #7f8797));
  --_accent: var(--ws-accent, light-dark(#1d4fd7, #9db8ff));
  --_on-accent: var(--ws-on-accent, light-dark(#ffffff, #10131a));
  --_danger: var(--ws-danger, light-dark(#b3161d, #ff9c98));
  --_gap: var(--ws-gap, 1rem);
  --_radius: var(--ws-radius, 0.5rem);
  display: block;
  color: var(--_text);
  font: var(--ws-font, inherit);
  line-height: 1.45;
}
:host([hidden]), [hidden], .buttons:not(:has(button:not([hidden]))) { display: none !important; }
* { box-sizing: border-box; }
p, dl, dd, ol, ul, fieldset { margin: 0; padding: 0; border: 0; min-inline-size: 0; }
.list, .fields { display: grid; gap: var(--_gap); grid-template-columns: minmax(0, 1fr); }
.card, form { display: flex; flex-direction: column; gap: var(--_gap); }
.card { padding: var(--_gap); border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_surface); }
.heading { font-weight: 650; font-size: 1.0625em; overflow-wrap: anywhere; }
.muted { color: var(--_muted); font-size: 0.9375em; }
.error, .alert { color: var(--_danger); font-size: 0.9375em; }
.error:empty { display: none; }
/* A live region must exist before it has a text: while it is empty, neither it nor the gap before it takes room. */
form > .alert:empty, form > .status:empty, .card > .alert:empty { margin-block-start: calc(-1 * var(--_gap)); }
.note:not(:empty) { margin-block-end: var(--_gap); }
.field { display: grid; gap: 0.25rem; grid-template-columns: minmax(0, 1fr); }
fieldset.field { gap: 0.25rem; }
fieldset.field > legend { margin-block-end: 0.25rem; }
fieldset.group > legend { margin-block-end: 0.5rem; }
fieldset.group { padding-inline-start: var(--_gap); border-inline-start: 2px solid var(--_line); }
label, legend { font-weight: 550; padding: 0; overflow-wrap: anywhere; }
.optional { color: var(--_muted); font-weight: 400; }
input, select, textarea, button { font: inherit; color: inherit; }
input:not([type=checkbox], [type=radio]), select, textarea {
  inline-size: 100%; min-block-size: 2.75rem; padding: 0.5rem 0.75rem;
  border: 1px solid var(--_line); border-radius: var(--_radius); background: var(--_field);
}
textarea { min-block-size: 4.5rem; resize: vertical; }
textarea.json { font-family: ui-monospace, monospace; }
input[type=checkbox], input[type=radio] { inline-size: 1.25rem; block-size: 1.25rem; margin: 0; flex: none; accent-color: var(--_accent); }
/* For the outline of the focus. */
input[type=radio] { border-radius: 50%; }
.option { display: flex; gap: 0.625rem; align-items: center; min-block-size: 2.75rem; font-weight: 400; cursor: pointer; }
[aria-invalid=true] { border-color: var(--_danger) !important; outline-color: var(--_danger); }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.buttons { display: flex; flex-wrap: wrap; gap: 0.75rem; }
button {
  min-block-size: 2.75rem; min-inline-size: 2.75rem; padding: 0.5rem 1.125rem; cursor: pointer;
  border: 1px solid var(--_line); border-radius: var(--_radius); background: transparent; font-weight: 550;
}
button.primary { border-color: var(--_accent); background: var(--_accent); color: var(--_on-accent); }
button[aria-disabled=true] { cursor: default; border-style: dashed; border-color: var(--_line); background: transparent; color: var(--_muted); }
dl { display: grid; grid-template-columns: minmax(6rem, max-content) minmax(0, 1fr); gap: 0.25rem var(--_gap); }
dt { color: var(--_muted); }
dd, .line { overflow-wrap: anywhere; white-space: pre-wrap; }
ul { padding-inline-start: 1.125rem; }
dl dl { grid-column: 1 / -1; }
progress { inline-size: 100%; block-size: 0.625rem; accent-color: var(--_accent); }
.log { max-block-size: 12rem; overflow-y: auto; list-style: none; padding: 0.5rem 0.75rem; border: 1px solid var(--_line); border-radius: var(--_radius); font: 0.875em/1.5 ui-monospace, monospace; }
.log:empty { display: none; }
.line[data-level=error], .line[data-level=warn] { color: var(--_danger); }
.hidden { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 30rem) { dl { grid-template-columns: minmax(0, 1fr); } dt { margin-block-start: 0.25rem; } .buttons button { flex: 1 1 auto; } }
@media (forced-colors: active) { .card, button { border-color: CanvasText; } }
`

let made: CSSStyleSheet | null = null

/** The style of all elements; a page whose policy forbids inline styles allows this. */
export function sheet (): CSSStyleSheet {
  if (made === null) {
    made = new CSSStyleSheet()
    made.replaceSync(css)
  }
  return made
}
