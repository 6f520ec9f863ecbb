// Trying a receiver before the first call.
import { useActions } from "../actions.js";
import { post } from "../api.js";
import { Button } from "../components/button.js";
import { Facts } from "../components/facts.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { Outcome } from "../components/outcome.js";
import { duration } from "../quantities.js";
import { html, useState } from "../ui.js";

export function Test() {
  const [url, setUrl] = useState("");
  const [busy, setBusy] = useState(false);
  const [result, setResult] = useState(null);
  const { refusal, act } = useActions();
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setResult(null);
    const asked = url.trim();
    await act(() => post("/v1/callbacks/test", { callback_url: asked }), (answer) => {
      setResult({ asked, ...answer });
      return "The test event was sent.";
    });
    setBusy(false);
  };
  return html`
    <${Page} title="Send a test event" narrow>
      <p>Sends a signed <span class="code">ping</span> to a callback URL at once, and shows what it answers.</p>
      <${ProblemNote} problem=${refusal} title="Not sent" />
      <form onSubmit=${submit}>
        <${Field} label="Callback URL" value=${url} onInput=${setUrl} error=${refusal?.errorOf("callback_url") ?? ""} required
          autocomplete="off" spellcheck=${false} inputmode="url" />
        <p class="actions"><${Button} look="primary" type="submit" busy=${busy}>Send<//></p>
      </form>
      ${result && html`
        <section>
          <h2>Answer</h2>
          <${Facts} rows=${[
            ["Sent to", html`<span class="code">${result.asked}</span>`],
            ["Answer", html`<${Outcome} statusCode=${result.status_code} error=${result.error} />`],
            ["Took", duration(result.duration_ms / 1000)],
          ]} />
        </section>
      `}
    <//>
  `;
}
