// A labelled field of a form, with a hint and with what is wrong with it.
import { html, useId } from "../ui.js";

// as: "input", "select" or "textarea"; onInput(value) gets the text. The children of a select are its options.
export function Field({ label, as = "input", value, onInput, hint = "", error = "", children, ...rest }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <${as} id=${id} value=${value} onInput=${(event) => onInput(event.currentTarget.value)}
        aria-describedby=${described || undefined} aria-invalid=${error ? "true" : undefined} ...${rest}>${children}<//>
      ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
      ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
    </div>
  `;
}
