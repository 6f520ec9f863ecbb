import { useTitle } from "../hooks.js";
import { html, useEffect, useRef } from "../ui.js";

// Whether a page has been shown before: the first one leaves the focus where a browser puts it.
let shown = false;

// A page's frame. The focus goes to the heading when the page is another one than before.
export function Page({ title, actions = null, narrow = false, children }) {
  const heading = useRef(null);
  useTitle(title);
  useEffect(() => {
    if (shown) heading.current?.focus();
    shown = true;
  }, []);
  return html`
    <div class=${narrow ? "page narrow" : "page"}>
      <div class="heading">
        <h1 tabindex="-1" ref=${heading}>${title}</h1>
        ${actions && html`<div class="actions">${actions}</div>`}
      </div>
      ${children}
    </div>
  `;
}
