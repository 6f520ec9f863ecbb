// One call: what is known of it, its timeline, who is told of it. It follows the live stream.
import { at } from "../api.js";
import { keyOf, lossOf, placeOf, statusOf } from "../calls.js";
import { CallAge } from "../components/call_age.js";
import { CallTimeline } from "../components/call_timeline.js";
import { Facts } from "../components/facts.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Pager } from "../components/pager.js";
import { StatusBadge } from "../components/status_badge.js";
import { Table } from "../components/table.js";
import { Time } from "../components/time.js";
import { useList, useResource, useStream } from "../hooks.js";
import { useGathered, useWatch } from "../polling.js";
import { counted } from "../quantities.js";
import { link, replace } from "../router.js";
import { html, useEffect } from "../ui.js";

const MOST = 200;
const NO_CALL = 404;

export function Call({ params, query }) {
  const { sid } = params;
  const meant = { account_id: query.get("account_id") ?? "", project_id: query.get("project_id") ?? "" };
  const whole = Boolean(meant.account_id && meant.project_id);
  const found = useResource(at`/v1/calls/${sid}`, meant);
  const call = found.data;
  // From here on the address says which of several calls it is, whichever is subscribed to next.
  useEffect(() => {
    if (call && !whole) replace(placeOf(call));
  }, [call, whole]);
  const reloadSoon = useGathered(found.reload);
  useStream((message) => {
    if (!call && message.kind === "event" && message.event.data.call_sid === sid) reloadSoon();
  });
  const unknown = !call && found.problem?.status === NO_CALL;
  return html`
    <${Page} title=${`Call ${sid}`}>
      <${ProblemNote} problem=${unknown ? null : found.problem} onRetry=${found.reload} />
      ${unknown && html`<${Unknown} sid=${sid} meant=${meant} />`}
      ${found.loading && !call && html`<p class="hint">Loading…</p>`}
      ${call && whole && html`<${Known} key=${keyOf(call)} call=${call} reloadCall=${found.reload} />`}
    <//>
  `;
}

function Unknown({ sid, meant }) {
  return html`
    <${Empty} title="This call is not known">
      Nobody has subscribed to it with a key of this tenant's, or longer ago than calls are kept.
      ${" "}<a href=${link("/subscriptions/new", { call_sid: sid, ...meant })}>Subscribe to it</a>
    <//>
  `;
}

function Known({ call, reloadCall }) {
  const { call_sid, account_id, project_id } = call;
  const events = useList(at`/v1/calls/${call_sid}/events`, {
    query: { account_id, project_id },
    limit: MOST,
    keyOf: (one) => one.data.event_id,
  });
  const subscriptions = useList("/v1/subscriptions", { query: { call_sid }, limit: MOST, keyOf: (one) => one.id });
  const deliveries = useList("/v1/deliveries", { query: { call_sid }, limit: MOST, keyOf: (one) => one.id });
  const reloadSoon = useGathered(() => {
    reloadCall();
    for (const list of [events, subscriptions, deliveries]) list.reload();
  });
  useStream((message) => {
    if (message.kind === "gap" || keyOf(message.event.data) === keyOf(call)) reloadSoon();
  });
  const here = subscriptions.items.filter((one) => keyOf(one) === keyOf(call));
  const byId = new Map(here.map((one) => [one.id, one]));
  const ours = deliveries.items.filter((one) => byId.has(one.subscription_id));
  const complete = [subscriptions, deliveries].every((one) => one.loaded && !one.more);
  // The stream tells of events, and not of what became of their deliveries.
  useWatch(ours.some((one) => one.status === "pending"), deliveries, ours.length);
  return html`
    <${Namesakes} call=${call} subscriptions=${subscriptions.items} />
    <${What} call=${call} />
    <${CallTimeline} events=${events} deliveries=${deliveries} ours=${ours} subscriptions=${byId} complete=${complete} />
    <${Subscribers} call=${call} subscriptions=${here} list=${subscriptions} deliveries=${ours} />
  `;
}

// Others of the same SID, in other accounts or projects.
function Namesakes({ call, subscriptions }) {
  const others = new Map(subscriptions.map((one) => [keyOf(one), one]));
  others.delete(keyOf(call));
  if (others.size === 0) return null;
  return html`
    <div class="note">
      <p>There are several calls of this SID. This is the one of account <span class="code">${call.account_id}</span>, project
        ${" "}<span class="code">${call.project_id}</span>. Others:</p>
      <ul>${[...others].map(([key, one]) => html`
        <li key=${key}><a href=${placeOf(one)}>account ${one.account_id}, project ${one.project_id}</a></li>
      `)}</ul>
    </div>
  `;
}

function What({ call }) {
  const { polling } = call;
  const failures = polling.consecutive_failures;
  return html`
    <section class="panel" aria-label="Facts"><${Facts} rows=${[
      ["Status", html`<${StatusBadge} status=${statusOf(call)} />`],
      call.lost_reason && ["Lost because", lossOf(call)],
      ["Age", html`<${CallAge} call=${call} />`],
      ["Created", html`<${Time} at=${call.created_at} />`],
      ["Last change", html`<${Time} at=${call.last_updated} />`],
      ["Account, project", html`<span class="code">${call.account_id}</span>, <span class="code">${call.project_id}</span>`],
      call.client_env && ["Environment", call.client_env],
      ["Followed since", html`<${Time} at=${polling.watched_since} />`],
      ["Polls", `${counted(polling.polls, "poll")}${failures > 0 ? `; the last ${counted(failures, "answer")} had no status` : ""}`],
      ["Last poll", html`<${Time} at=${polling.last_polled_at} />`],
      ["Next poll", polling.next_poll_at ? html`<${Time} at=${polling.next_poll_at} />` : "none any more"],
    ]} /></section>
  `;
}

function Subscribers({ call, subscriptions, list, deliveries }) {
  const { call_sid, account_id, project_id } = call;
  const columns = [
    { title: "Callback URL", cell: (one) => html`<a class="code" href=${link(at`/subscriptions/${one.id}`)}>${one.callback_url}</a>` },
    { title: "Status", cell: (one) => html`<${StatusBadge} status=${one.status} />` },
    { title: "Events", cell: (one) => one.events.join(", ") },
    { title: "Deliveries", cell: (one) => html`
      <a href=${link("/deliveries", { subscription_id: one.id })}>${summary(deliveries.filter((each) => each.subscription_id === one.id))}</a>
    ` },
  ];
  return html`
    <section>
      <div class="titled">
        <h2>Subscriptions</h2>
        <a href=${link("/subscriptions/new", { call_sid, account_id, project_id })}>Subscribe once more</a>
      </div>
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${Table} caption="Subscriptions" columns=${columns} rows=${subscriptions} keyOf=${(one) => one.id} loading=${list.loading} />
      <${Pager} list=${list} />
    </section>
  `;
}

function summary(deliveries) {
  const counts = new Map();
  for (const { status } of deliveries) counts.set(status, (counts.get(status) ?? 0) + 1);
  return [...counts].map(([status, number]) => `${number} ${status}`).join(", ") || "none";
}
