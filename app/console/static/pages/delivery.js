// One delivery: what was sent, what came back each time, and sending it again.
import { at, post } from "../api.js";
import { Button } from "../components/button.js";
import { CopyButton } from "../components/copy_button.js";
import { Facts } from "../components/facts.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Outcome } from "../components/outcome.js";
import { SentRequest } from "../components/sent_request.js";
import { StatusBadge } from "../components/status_badge.js";
import { Table } from "../components/table.js";
import { Time } from "../components/time.js";
import { useResource, useStream } from "../hooks.js";
import { outcomeOf } from "../outcomes.js";
import { useGathered, useWatch } from "../polling.js";
import { duration } from "../quantities.js";
import { link } from "../router.js";
import { html, useState } from "../ui.js";

const COLUMNS = [
  { title: "At", cell: ({ at: moment }) => html`<${Time} at=${moment} />` },
  { title: "Answer", cell: (one) => html`<${Outcome} statusCode=${one.status_code} error=${one.error} />` },
  { title: "Took", cell: (one) => duration(one.duration_ms / 1000) },
  { title: "Beginning of the answer", cell: (one) => (one.response_excerpt ? html`<pre class="excerpt">${one.response_excerpt}</pre>` : "–") },
];

export function Delivery({ params }) {
  const path = at`/v1/deliveries/${params.id}`;
  const found = useResource(path);
  const delivery = found.data;
  const subscription = useResource(delivery && at`/v1/subscriptions/${delivery.subscription_id}`);
  const again = useSendAgain(path, found, subscription.data?.status === "paused");
  useWatch(again.waiting || delivery?.status === "pending", found, again.turn);
  const reloadSoon = useGathered(() => {
    found.reload();
    subscription.reload();
  });
  useStream((message) => {
    if (message.kind === "gap" || message.event.data.call_sid === delivery?.call_sid) reloadSoon();
  });
  const sendAgain = html`<${Button} look="primary" onClick=${again.send}>Send again<//>`;
  return html`
    <${Page} title="Delivery" actions=${delivery && sendAgain}>
      <${ProblemNote} problem=${again.refusal} title="Not sent again" />
      <p class="progress" role="status">${again.words}</p>
      <${ProblemNote} problem=${found.problem} onRetry=${found.reload} />
      ${found.loading && !delivery && html`<p class="hint">Loading…</p>`}
      ${delivery && html`
        <${What} delivery=${delivery} subscription=${subscription.data} />
        <${Attempts} attempts=${delivery.attempts} />
        <section>
          <h2>What was sent</h2>
          <${SentRequest} request=${delivery.request} />
        </section>
      `}
    <//>
  `;
}

// Sends the delivery again and tells in words what becomes of it. Returns {send, waiting, turn, refusal, words}: a
// refusal stays until it is tried once more, whatever is loaded meanwhile.
function useSendAgain(path, found, paused) {
  const [sent, setSent] = useState({ turn: 0, after: null, refusal: null });
  const delivery = found.data;
  const waiting = sent.after !== null && delivery?.last_attempt_at === sent.after.at;

  async function send() {
    const after = { at: delivery.last_attempt_at };
    setSent((old) => ({ ...old, refusal: null }));
    try {
      await post(`${path}/retry`);
      setSent((old) => ({ turn: old.turn + 1, after, refusal: null }));
    } catch (refusal) {
      setSent((old) => ({ ...old, after: null, refusal }));
    }
    found.reload();
  }

  return { ...sent, send, waiting, words: sent.after && delivery ? wordsOf(delivery, waiting, paused) : "" };
}

function wordsOf(delivery, waiting, paused) {
  if (waiting && paused) return "It is sent again once its subscription is resumed.";
  if (waiting) return "Sent again. Waiting for the answer…";
  const answer = outcomeOf(delivery.last_status_code, delivery.last_error)?.words ?? "";
  if (delivery.status === "delivered") return `Sent again, and delivered: ${answer}.`;
  if (delivery.status === "pending") return `Sent again, and not delivered yet: ${answer}. It is tried once more.`;
  return `Sent again, and not delivered: ${answer}.`;
}

function What({ delivery, subscription }) {
  const place = { account_id: subscription?.account_id, project_id: subscription?.project_id };
  const rows = [
    ["Event", html`<span class="code">${delivery.event_type}</span>, number ${delivery.sequence} of its call${delivery.final ? ", the last one" : ""}`],
    ["Status", html`<${StatusBadge} status=${delivery.status} />`],
    ["Last answer", html`<${Outcome} statusCode=${delivery.last_status_code} error=${delivery.last_error} />`],
    ["Next attempt", nextOf(delivery, subscription)],
    ["Seen", html`<${Time} at=${delivery.created_at} />`],
    ["Call", html`<a class="code" href=${link(at`/calls/${delivery.call_sid}`, place)}>${delivery.call_sid}</a>`],
    ["Subscription", html`
      <a class="code" href=${link(at`/subscriptions/${delivery.subscription_id}`)}>${delivery.subscription_id}</a>
      ${subscription && html` <${StatusBadge} status=${subscription.status} />`}
    `],
    ["Delivery", html`<span class="code">${delivery.id}</span> <${CopyButton} text=${delivery.id} what="delivery's id" />`],
    ["Event's id", html`<span class="code">${delivery.event_id}</span> <${CopyButton} text=${delivery.event_id} what="event's id" />`],
  ];
  return html`<section class="panel" aria-label="Facts"><${Facts} rows=${rows} /></section>`;
}

function nextOf(delivery, subscription) {
  if (delivery.next_attempt_at) return html`<${Time} at=${delivery.next_attempt_at} />`;
  if (delivery.status !== "pending") return "none";
  if (subscription?.status === "paused") return "once its subscription is resumed";
  return "under way, or after the event before it";
}

function Attempts({ attempts }) {
  // They have no names of their own; a later one never takes the place of an earlier one.
  const rows = attempts.map((one, index) => ({ ...one, key: `${index} ${one.at}` })).reverse();
  return html`
    <section>
      <h2>Attempts</h2>
      <${Table} caption="Attempts, the latest first" columns=${COLUMNS} rows=${rows} keyOf=${(one) => one.key} />
      ${rows.length === 0 && html`
        <${Empty} title="No attempts">It was not tried yet, or longer ago than attempts are kept.<//>
      `}
    </section>
  `;
}
