import { Page } from "../components/page.js";
import { html } from "../ui.js";

export function NotFound() {
  return html`
    <${Page} title="Not found">
      <p>There is no page at this address, or it needs another key. <a href="#/">Go to the first page.</a></p>
    <//>
  `;
}
