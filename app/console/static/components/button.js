// A button that waits for what it does, and asks before it does something that cannot be undone.
import { html, useEffect, useRef, useState } from "../ui.js";
import { Confirm } from "./confirm.js";

// look: "plain", "primary", "danger", "quiet". onClick may return a promise, during which the button does nothing.
// confirm: {title, text, action, dismiss} asks first, see Confirm.
export function Button({ look = "plain", type = "button", busy = false, disabled = false, onClick, confirm, children, ...rest }) {
  const [working, setWorking] = useState(false);
  const [asking, setAsking] = useState(false);
  const mounted = useRef(true);
  useEffect(() => () => void (mounted.current = false), []);
  const stopped = busy || working;

  async function act() {
    setAsking(false);
    if (!onClick) return;
    setWorking(true);
    try {
      await onClick();
    } finally {
      if (mounted.current) setWorking(false);
    }
  }

  function click(event) {
    if (stopped || disabled) {
      event.preventDefault();
    } else if (confirm) {
      setAsking(true);
    } else if (onClick) {
      act();
    }
  }

  // Not `disabled`: that would take the focus away while it works.
  return html`
    <button type=${type} class="button" data-look=${look} aria-busy=${stopped ? "true" : undefined}
      aria-disabled=${stopped || disabled ? "true" : undefined} onClick=${click} ...${rest}>${children}</button>
    ${asking && html`<${Confirm} ...${confirm} look=${look} onConfirm=${act} onCancel=${() => setAsking(false)} />`}
  `;
}
