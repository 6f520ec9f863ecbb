import { html } from "../ui.js";
import { Button } from "./button.js";

// The button behind a list from useList() that reads its next page.
export function Pager({ list }) {
  return html`
    <div class="pager" aria-live="polite">
      ${list.loading && list.items.length === 0 && html`<p class="hint">Loading…</p>`}
      ${list.more && html`<${Button} busy=${list.loadingMore} onClick=${list.loadMore}>Load more<//>`}
    </div>
  `;
}
