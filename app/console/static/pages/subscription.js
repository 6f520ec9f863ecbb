// One subscription: what it is, and what can be done with it.
import { useActions } from "../actions.js";
import { at, patch, post, remove } from "../api.js";
import { placeOf } from "../calls.js";
import { Button } from "../components/button.js";
import { Facts } from "../components/facts.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { StatusBadge } from "../components/status_badge.js";
import { Time } from "../components/time.js";
import { useResource, useStream } from "../hooks.js";
import { useGathered } from "../polling.js";
import { counted } from "../quantities.js";
import { link } from "../router.js";
import { html, useState } from "../ui.js";

const ENDS = {
  cancelled: "It was cancelled: nothing is sent for it any more, and nothing of it can be changed.",
  disabled: "Its receiver answered with 410: nothing is sent for it any more, and nothing of it can be changed.",
};
const CANCEL = {
  title: "Cancel this subscription?",
  text: "Nothing more is sent for it, also nothing that waits. This cannot be undone.",
  action: "Cancel it",
  dismiss: "Keep it",
};

export function Subscription({ params, query }) {
  const path = at`/v1/subscriptions/${params.id}`;
  const found = useResource(path);
  const { refusal, said, act } = useActions();
  const subscription = found.data;
  const reloadSoon = useGathered(found.reload);
  useStream((message) => {
    if (message.kind === "gap" || message.event.data.call_sid === subscription?.call_sid) reloadSoon();
  });
  const change = async (action, words) => {
    const done = await act(action, () => words);
    found.reload();
    return done;
  };
  const cancel = async () => {
    // The button goes with what it did.
    if (await change(() => remove(path), "Cancelled.")) document.getElementById("main").focus();
  };
  const over = subscription && subscription.status in ENDS;
  const paused = subscription?.status === "paused";
  const actions = subscription && !over && html`
    <${Button} onClick=${() => change(() => patch(path, { paused: !paused }), paused ? "Resumed." : "Paused: events are kept until it is resumed.")}>
      ${paused ? "Resume" : "Pause"}
    <//>
    <${Button} look="danger" confirm=${CANCEL} onClick=${cancel}>Cancel<//>
  `;
  return html`
    <${Page} title="Subscription" actions=${actions}>
      <${ProblemNote} problem=${refusal} title="Not done" />
      <p class="progress" role="status">${said}</p>
      ${query.get("found") && html`
        <p class="note">This call and URL were subscribed to already. This is the subscription that was there; nothing of it was changed.</p>
      `}
      <${ProblemNote} problem=${found.problem} onRetry=${found.reload} />
      ${found.loading && !subscription && html`<p class="hint">Loading…</p>`}
      ${subscription && html`
        <${What} subscription=${subscription} />
        ${over
          ? html`<p class="hint">${ENDS[subscription.status]}</p>`
          : html`<${Replay} path=${path} act=${act} refusal=${refusal} paused=${paused} />`}
      `}
    <//>
  `;
}

function What({ subscription: one }) {
  return html`
    <section class="panel" aria-label="Facts"><${Facts} rows=${[
      ["Id", html`<span class="code">${one.id}</span>`],
      ["Status", html`<${StatusBadge} status=${one.status} />`],
      ["Call", html`<a class="code" href=${placeOf(one)}>${one.call_sid}</a>`],
      ["Account, project", html`<span class="code">${one.account_id}</span>, <span class="code">${one.project_id}</span>`],
      ["Callback URL", html`
        <span class="code">${one.callback_url}</span> <a href=${link("/test", { callback_url: one.callback_url })}>Send it a test event</a>
      `],
      ["Events", one.events.join(", ")],
      ["Final event", one.final_event ?? "not yet"],
      ["Metadata", pairs(one.metadata)],
      ["Extra headers", pairs(one.headers)],
      ["Made", html`<${Time} at=${one.created_at} />`],
      ["Last change", html`<${Time} at=${one.updated_at} />`],
      ["Deliveries", html`<a href=${link("/deliveries", { subscription_id: one.id })}>Show its deliveries</a>`],
    ]} /></section>
  `;
}

function pairs(fields) {
  const all = Object.entries(fields);
  if (all.length === 0) return "none";
  return html`<ul class="plain">${all.map(([name, value]) => html`<li key=${name}><span class="code">${name}</span>: ${value}</li>`)}</ul>`;
}

function Replay({ path, act, refusal, paused }) {
  const [since, setSince] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    // What the field holds is told to be UTC.
    const from = since && `${since.length === 16 ? `${since}:00` : since}Z`;
    await act(() => post(`${path}/replay`, from ? { since: from } : {}), ({ queued }) => saidOf(queued, paused));
    setBusy(false);
  };
  return html`
    <section>
      <h2>Replay</h2>
      <p>Sends its events again, in order: all of them if no time is given. Receivers know them by their ids.</p>
      <form class="row" onSubmit=${submit}>
        <${Field} label="Those seen since (UTC)" type="datetime-local" step="1" value=${since} onInput=${setSince}
          error=${refusal?.errorOf("since") ?? ""} />
        <${Button} type="submit" busy=${busy}>Replay<//>
      </form>
    </section>
  `;
}

function saidOf(queued, paused) {
  if (queued === 0) return "There is no such event to send again.";
  return `${counted(queued, "event")} ${paused ? "sent again once it is resumed" : "sent again"}.`;
}
