// Trying a receiver before the first call.
import { useActions } from "../actions.js";
import { post } from "../api.js";
import { Button } from "../components/button.js";
import { Facts } from "../components/facts.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { Outcome } from "../components/outcome.js";
import { Time } from "../components/time.js";
import { useFaultFocus, useGiven } from "../hooks.js";
import { outcomeOf } from "../outcomes.js";
import { duration } from "../quantities.js";
import { html, useState } from "../ui.js";

const GONE = 410;

export function Test({ query }) {
  const [given, set] = useGiven({ url: query.get("callback_url") ?? "" });
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState(null);
  const { refusal, act } = useActions();
  const form = useFaultFocus(refusal);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setResult(null);
    const asked = given.url.trim();
    await act(() => post("/v1/callbacks/test", { callback_url: asked }), (answer) => {
      setResult({ asked, at: new Date().toISOString(), ...answer });
      return `Sent. Answer: ${outcomeOf(answer.status_code, answer.error)?.words}.`;
    });
    setBusy(false);
  };
  return html`
    <${Page} title="Send a test event" narrow>
      <p>Sends a signed <span class="code">ping</span> to a callback URL at once, and shows what it answers.</p>
      <${ProblemNote} problem=${refusal} title="Not sent" />
      <form class="stack" ref=${form} onSubmit=${submit}>
        <${Field} label="Callback URL" name="callback_url" value=${given.url} onInput=${set("url")} required
          error=${refusal?.errorOf("callback_url") ?? ""} autocomplete="off" spellcheck=${false} inputmode="url" />
        <p class="actions"><${Button} look="primary" type="submit" busy=${busy}>Send<//>
          ${busy && html` <span class="hint">Waiting for the answer…</span>`}</p>
      </form>
      ${result && html`<${Answer} result=${result} />`}
    <//>
  `;
}

function Answer({ result }) {
  return html`
    <section class="panel" aria-label="Answer">
      <${Facts} rows=${[
        ["Answer", html`<${Outcome} statusCode=${result.status_code} error=${result.error} />`],
        ["Took", duration(result.duration_ms / 1000)],
        ["Sent to", html`<span class="code">${result.asked}</span>`],
        ["At", html`<${Time} at=${result.at} />`],
      ]} />
      <p>${meaningOf(result)}</p>
    </section>
  `;
}

// What a delivery with this answer would come to.
function meaningOf({ status_code: status, error }) {
  if (outcomeOf(status, error)?.good) return "The receiver took it.";
  if (status === GONE) return "The receiver says that it is gone: that would end a subscription.";
  if (status >= 300 && status < 400) return "Redirects are not followed: a delivery would be tried again at the same URL.";
  return `${status ? "The receiver did not take it" : "There was no answer"}: a delivery would be tried again.`;
}
