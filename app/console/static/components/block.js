import { html } from "../ui.js";

// Text that is shown letter by letter, in lines of its own; `label` names it. It can be scrolled with the keyboard.
export function Block({ label, text }) {
  return html`<pre class="block" tabindex="0" role="region" aria-label=${label}>${text}</pre>`;
}
