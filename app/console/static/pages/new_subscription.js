// Subscribing to a call.
import { useActions } from "../actions.js";
import { ApiProblem, answerOf, at } from "../api.js";
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { useFaultFocus, useGiven } from "../hooks.js";
import { link, navigate } from "../router.js";
import { pairsOf, words } from "../texts.js";
import { html, useState } from "../ui.js";

const CREATED = 201;
const PLACE = ["account_id", "project_id", "connector_id"];
const PLAIN = { autocomplete: "off", spellcheck: false };

export function NewSubscription({ query }) {
  const asked = Object.fromEntries(["call_sid", "account_id", "project_id"].map((name) => [name, query.get(name) ?? ""]));
  const [given, set] = useGiven({ ...asked, callback_url: "", events: "", metadata: "", headers: "", connector_id: "" });
  const [busy, setBusy] = useState(false);
  const { refusal, act } = useActions();
  const form = useFaultFocus(refusal);

  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    await act(async () => answerOf("POST", "/v1/subscriptions", { body: wanted(given) }), ({ status, data }) => {
      const made = status === CREATED;
      navigate(at`/subscriptions/${data.id}`, { found: made ? "" : "yes" });
      return made ? "Subscribed." : "There was such a subscription already.";
    });
    setBusy(false);
  }

  const field = (name) => ({ name, value: given[name], onInput: set(name), error: faultOf(refusal, name), ...PLAIN });
  const more = ["headers", ...PLACE].some((name) => asked[name] || faultOf(refusal, name));
  return html`
    <${Page} title="Subscribe to a call" narrow>
      <${ProblemNote} problem=${refusal} title="Not subscribed" />
      <form class="stack" ref=${form} onSubmit=${submit}>
        <${Field} label="Call SID" ...${field("call_sid")} required placeholder="OUT-…" />
        <${Field} label="Callback URL" ...${field("callback_url")} required inputmode="url" />
        <${Field} label="Events" ...${field("events")} hint="Types such as call.completed, or final; nothing means all of them." />
        <${Field} label="Metadata" as="textarea" rows="3" ...${field("metadata")}
          hint="One a line, such as deal=4711. Repeated in each delivery." />
        <details open=${more || undefined}>
          <summary>Headers for the receiver, another account</summary>
          <div class="stack">
            <${Field} label="Extra headers" as="textarea" rows="2" ...${field("headers")}
              hint="One a line, such as authorization: Bearer …. Kept encrypted and never shown again." />
            <${Field} label="Account" ...${field("account_id")} hint="Nothing means the tenant's own; so it does in the next two." />
            <${Field} label="Project" ...${field("project_id")} />
            <${Field} label="Connector" type="password" ...${field("connector_id")} hint="Kept encrypted and never shown again." />
          </div>
        </details>
        <p class="actions"><${Button} look="primary" type="submit" busy=${busy}>Subscribe<//>
          ${" "}<a href=${link("/subscriptions")}>Back</a></p>
      </form>
    <//>
  `;
}

// What is asked for; raises ApiProblem, as the API would, when a field cannot be read.
function wanted(given) {
  const body = { call_sid: given.call_sid.trim(), callback_url: given.callback_url.trim() };
  const errors = [];
  const events = words(given.events);
  if (events.length) body.events = events;
  for (const [name, mark] of [["metadata", "="], ["headers", ":"]]) {
    const { pairs, error } = pairsOf(given[name], mark);
    if (error) errors.push({ field: name, message: error });
    if (Object.keys(pairs).length) body[name] = pairs;
  }
  for (const name of PLACE) {
    if (given[name].trim()) body[name] = given[name].trim();
  }
  if (errors.length) throw new ApiProblem({ title: "Invalid request", detail: errors[0].message, errors });
  return body;
}

// Of a field with parts, such as events, also what is wrong with one of those.
function faultOf(refusal, name) {
  return refusal?.errors.find(({ field }) => field === name || field.startsWith(`${name}.`))?.message ?? "";
}
