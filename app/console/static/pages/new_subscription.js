// Subscribing to a call.
import { at, post } from "../api.js";
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { useActions } from "../actions.js";
import { link, navigate } from "../router.js";
import { html, useState } from "../ui.js";

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

// "deal=4711" in each line.
function metadataOf(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return Object.fromEntries(lines.map((line) => {
    const [name, ...value] = line.split("=");
    return [name.trim(), value.join("=").trim()];
  }));
}

export function NewSubscription() {
  const [fields, setFields] = useState({ sid: "", url: "", events: "", metadata: "" });
  const [busy, setBusy] = useState(false);
  const { refusal, act } = useActions();
  const set = (name) => (value) => setFields((old) => ({ ...old, [name]: value }));
  const errorOf = (name) => refusal?.errorOf(name) ?? "";
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    let made = null;
    const events = words(fields.events);
    const metadata = metadataOf(fields.metadata);
    const wanted = {
      call_sid: fields.sid.trim(),
      callback_url: fields.url.trim(),
      ...(events.length ? { events } : {}),
      ...(Object.keys(metadata).length ? { metadata } : {}),
    };
    const done = await act(async () => (made = await post("/v1/subscriptions", wanted)), () => "Subscribed.");
    setBusy(false);
    if (done) navigate(at`/subscriptions/${made.id}`);
  };
  return html`
    <${Page} title="Subscribe to a call" narrow>
      <${ProblemNote} problem=${refusal} title="Not subscribed" />
      <form onSubmit=${submit}>
        <${Field} label="Call SID" value=${fields.sid} onInput=${set("sid")} error=${errorOf("call_sid")} required
          placeholder="OUT-…" autocomplete="off" spellcheck=${false} />
        <${Field} label="Callback URL" value=${fields.url} onInput=${set("url")} error=${errorOf("callback_url")} required
          autocomplete="off" spellcheck=${false} inputmode="url" />
        <${Field} label="Events" value=${fields.events} onInput=${set("events")} error=${errorOf("events")}
          hint="Types such as call.completed, or final; nothing means all of them." autocomplete="off" spellcheck=${false} />
        <${Field} label="Metadata" as="textarea" rows="3" value=${fields.metadata} onInput=${set("metadata")} error=${errorOf("metadata")}
          hint="One a line, such as deal=4711. Repeated in each delivery." spellcheck=${false} />
        <p class="actions"><${Button} look="primary" type="submit" busy=${busy}>Subscribe<//>
          ${" "}<a href=${link("/subscriptions")}>Back</a></p>
      </form>
    <//>
  `;
}
