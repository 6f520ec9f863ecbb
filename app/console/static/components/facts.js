import { html } from "../ui.js";

// What is known of one thing: rows of [name, element or text]. A row that is false is left out. `code`: all of it is to
// be read letter by letter.
export function Facts({ rows, code = false }) {
  return html`
    <dl class=${code ? "facts code" : "facts"}>
      ${rows.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
  `;
}
