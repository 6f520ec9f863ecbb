// A question that must be answered first, and the modal dialog it is asked in.
import { html, useEffect, useId, useRef } from "../ui.js";

// A modal dialog; onClose is called when it is closed with Escape. Put what it shows into its children.
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => {
    const shown = dialog.current;
    shown.showModal();
    // The browser gives the focus back to where it was.
    return () => shown.close();
  }, []);
  const cancelled = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`
    <dialog ref=${dialog} aria-labelledby=${id} onCancel=${cancelled}>
      <h2 id=${id}>${title}</h2>
      ${children}
    </dialog>
  `;
}

// `action` is the word on the button that goes on, `dismiss` that on the one that does not.
export function Confirm({ title, text, action, dismiss = "Cancel", look = "danger", onConfirm, onCancel }) {
  return html`
    <${Dialog} title=${title} onClose=${onCancel}>
      <p>${text}</p>
      <div class="row">
        <button type="button" class="button" data-look=${look} onClick=${onConfirm}>${action}</button>
        <button type="button" class="button" data-look="plain" autofocus onClick=${onCancel}>${dismiss}</button>
      </div>
    <//>
  `;
}
