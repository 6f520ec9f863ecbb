import { announce } from "../messages.js";
import { html } from "../ui.js";
import { Button } from "./button.js";

// Puts `text` on the clipboard; `what` names it in the button's label and in what is announced.
export function CopyButton({ text, what }) {
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      announce(`Copied: ${what}.`);
    } catch {
      // A page that did not come over TLS has no clipboard.
      announce("This browser does not let the page copy. Select the text and copy it yourself.");
    }
  }
  return html`<${Button} look="quiet" aria-label=${`Copy ${what}`} onClick=${copy}>Copy<//>`;
}
