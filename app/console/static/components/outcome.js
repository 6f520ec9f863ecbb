import { outcomeOf } from "../outcomes.js";
import { html } from "../ui.js";

// What an attempt came to: the receiver's status, or why there is none; "–" before the first attempt.
export function Outcome({ statusCode, error }) {
  const outcome = outcomeOf(statusCode, error);
  if (!outcome) return "–";
  return html`<span class="badge" data-tone=${outcome.good ? "good" : "bad"}>${outcome.words}</span>`;
}
