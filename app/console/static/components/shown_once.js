import { useHeld } from "../leaving.js";
import { html, useEffect, useId, useRef } from "../ui.js";
import { Button } from "./button.js";
import { CopyButton } from "./copy_button.js";

// A secret that can be read this once. Leaving the page asks first, until it is said to be kept.
export function ShownOnce({ title, what, secret, onKept, children }) {
  const heading = useRef(null);
  const id = useId();
  useHeld(`The ${what} is shown this once. If you have not kept it, it is lost.`);
  useEffect(() => heading.current.focus(), []);
  return html`
    <section class="panel once" aria-labelledby=${id}>
      <h2 id=${id} tabindex="-1" ref=${heading}>${title}</h2>
      <p>It is shown this once, and can be read nowhere afterwards. Keep it where your other secrets are.</p>
      <p class="secret"><span class="code">${secret}</span> <${CopyButton} text=${secret} what=${what} /></p>
      ${children}
      <p><${Button} look="primary" onClick=${onKept}>I have kept it<//></p>
    </section>
  `;
}
