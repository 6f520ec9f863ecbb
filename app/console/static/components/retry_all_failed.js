import { post } from "../api.js";
import { counted } from "../quantities.js";
import { html, useState } from "../ui.js";
import { Button } from "./button.js";
import { ProblemNote } from "./notes.js";

const QUESTION = {
  title: "Retry all failed deliveries?",
  text: "Every failed delivery of all subscriptions is sent again, whatever is filtered here. Receivers know what they have had already by its webhook-id.",
  action: "Retry all",
};

// The button that sends every failed delivery again, and what came of it. onRetried() is called after each request:
// one takes some thousands, and says where the next one goes on.
export function RetryAllFailed({ onRetried }) {
  const [done, setDone] = useState(null);
  const [problem, setProblem] = useState(null);

  async function retry() {
    setProblem(null);
    setDone(null);
    try {
      let queued = 0;
      let since = null;
      do {
        const before = since;
        const answer = await post("/v1/deliveries/retry", since === null ? {} : { since });
        queued += answer.queued;
        since = answer.next_since;
        setDone({ queued, more: since !== null });
        onRetried();
        // Where nothing more could be queued there is nothing to go on for.
        if (since === before && answer.queued === 0) break;
      } while (since !== null);
      setDone({ queued, more: false });
    } catch (refusal) {
      setProblem(refusal);
    }
  }

  return html`
    <div class="row retry-all">
      <${Button} onClick=${retry} confirm=${QUESTION}>Retry all failed<//>
      <p class="hint" role="status">${done && wordsOf(done)}</p>
    </div>
    <${ProblemNote} problem=${problem} title="Not all could be sent again" />
  `;
}

function wordsOf({ queued, more }) {
  if (more) return `${counted(queued, "delivery", "deliveries")} so far…`;
  if (queued === 0) return "No failed delivery can be sent again.";
  return queued === 1 ? "One delivery is sent again." : `${counted(queued, "delivery", "deliveries")} are sent again.`;
}
