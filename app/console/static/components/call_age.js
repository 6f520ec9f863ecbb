import { ageOf } from "../calls.js";
import { useNow } from "../hooks.js";
import { span } from "../quantities.js";
import { html } from "../ui.js";

// How long a call has been going on, or went on.
export function CallAge({ call }) {
  const seconds = ageOf(call, useNow());
  if (seconds === null) return "–";
  return call.final_event ? html`<span class="age">lasted ${span(seconds)}</span>` : span(seconds);
}
