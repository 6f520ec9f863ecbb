// One call: what is known of it, its timeline, who is told of it. It follows the live stream.
import { at } from "../api.js";
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
import { link } from "../router.js";
import { html } from "../ui.js";

const MOST = 200;
const isOf = (one, call) => one.account_id === call.account_id && one.project_id === call.project_id;

export function Call({ params, query }) {
  const { sid } = params;
  const meant = { account_id: query.get("account_id") ?? undefined, project_id: query.get("project_id") ?? undefined };
  const found = useResource(at`/v1/calls/${sid}`, meant);
  const events = useList(at`/v1/calls/${sid}/events`, { query: meant, limit: MOST, keyOf: (one) => one.data.event_id });
  const subscriptions = useList("/v1/subscriptions", { query: { call_sid: sid }, limit: MOST, keyOf: (one) => one.id });
  const deliveries = useList("/v1/deliveries", { query: { call_sid: sid }, limit: MOST, keyOf: (one) => one.id });
  const everything = [found, events, subscriptions, deliveries];
  const reload = () => everything.forEach((one) => one.reload());
  const reloadSoon = useGathered(reload);
  useStream((message) => {
    if (message.kind === "gap" || message.event.data.call_sid === sid) reloadSoon();
  });
  const call = found.data;
  const here = call ? subscriptions.items.filter((one) => isOf(one, call)) : [];
  const ids = new Set(here.map((one) => one.id));
  const ours = deliveries.items.filter((one) => ids.has(one.subscription_id));
  // The stream tells of events, and not of what became of their deliveries.
  useWatch(ours.some((one) => one.status === "pending"), deliveries, ours.length);
  return html`
    <${Page} title=${`Call ${sid}`}>
      <${ProblemNote} problem=${found.problem} onRetry=${reload} />
      ${found.loading && !call && html`<p class="hint">Loading…</p>`}
      ${call && html`
        <${Namesakes} call=${call} subscriptions=${subscriptions.items} />
        <${What} call=${call} />
        <${Timeline} events=${events} deliveries=${ours} />
        <${Subscribers} subscriptions=${here} list=${subscriptions} deliveries=${ours} />
      `}
    <//>
  `;
}

// Others of the same SID, in other accounts or projects.
function Namesakes({ call, subscriptions }) {
  const others = new Map(
    subscriptions.filter((one) => !isOf(one, call)).map((one) => [JSON.stringify([one.account_id, one.project_id]), one]),
  );
  if (others.size === 0) return null;
  return html`
    <div class="note">
      <p>There are several calls of this SID. This is the one of account <span class="code">${call.account_id}</span>, project
        ${" "}<span class="code">${call.project_id}</span>. Others:</p>
      <ul>${[...others.values()].map(({ call_sid, account_id, project_id }) => html`
        <li key=${account_id + project_id}><a href=${link(at`/calls/${call_sid}`, { account_id, project_id })}>
          account ${account_id}, project ${project_id}</a></li>
      `)}</ul>
    </div>
  `;
}

function What({ call }) {
  const { polling } = call;
  const failing = polling.consecutive_failures > 0 && `; the last ${counted(polling.consecutive_failures, "answer")} had no status`;
  return html`
    <div class="panel"><${Facts} rows=${[
      ["Status", html`<${StatusBadge} status=${statusOf(call)} />`],
      call.lost_reason && ["Lost because of", call.lost_reason],
      ["Created", html`<${Time} at=${call.created_at} />`],
      ["Last change", html`<${Time} at=${call.last_updated} />`],
      ["Account", html`<span class="code">${call.account_id}</span>`],
      ["Project", html`<span class="code">${call.project_id}</span>`],
      call.client_env && ["Environment", call.client_env],
      ["Followed since", html`<${Time} at=${polling.watched_since} />`],
      ["Polls", `${counted(polling.polls, "poll")}${failing || ""}`],
      ["Last poll", html`<${Time} at=${polling.last_polled_at} />`],
      ["Next poll", polling.next_poll_at ? html`<${Time} at=${polling.next_poll_at} />` : "none any more"],
    ]} /></div>
  `;
}

function Timeline({ events, deliveries }) {
  const columns = [
    { title: "Event", cell: ({ type, data }) => `${data.sequence}. ${type}${data.final ? " (final)" : ""}` },
    { title: "Upstream's time", cell: ({ data }) => html`<${Time} at=${data.occurred_at} />` },
    { title: "Seen", cell: ({ data }) => html`<${Time} at=${data.observed_at} />` },
    { title: "Delivered", cell: ({ data }) => html`
      <${Delivered} deliveries=${deliveries.filter((one) => one.event_id === data.event_id)} />
    ` },
  ];
  return html`
    <section>
      <h2>Timeline</h2>
      <${ProblemNote} problem=${events.problem} onRetry=${events.reload} />
      <${Table} caption="Timeline" columns=${columns} rows=${events.items} keyOf=${(one) => one.data.event_id} loading=${events.loading} />
      ${events.loaded && events.items.length === 0 && html`
        <${Empty} title="Nothing has happened yet">The platform has not told of this call so far.<//>
      `}
      <${Pager} list=${events} />
    </section>
  `;
}

function Delivered({ deliveries }) {
  if (deliveries.length === 0) return "to nobody";
  return html`<ul class="plain">${deliveries.map((one) => html`
    <li key=${one.id}>
      <a href=${link(at`/deliveries/${one.id}`)}>${one.status}</a>
      ${one.status === "delivered" ? html` <${Time} at=${one.last_attempt_at} />` : ""}
    </li>
  `)}</ul>`;
}

function Subscribers({ subscriptions, list, deliveries }) {
  const columns = [
    { title: "Subscription", cell: (one) => html`<a class="code" href=${link(at`/subscriptions/${one.id}`)}>${one.id}</a>` },
    { title: "Callback URL", cell: (one) => html`<span class="code">${one.callback_url}</span>` },
    { title: "Status", cell: (one) => html`<${StatusBadge} status=${one.status} />` },
    { title: "Deliveries", cell: (one) => html`
      <a href=${link("/deliveries", { subscription_id: one.id })}>${summary(deliveries.filter((each) => each.subscription_id === one.id))}</a>
    ` },
  ];
  return html`
    <section>
      <h2>Subscriptions</h2>
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

function statusOf(call) {
  if (call.final_event === "call.lost") return "lost";
  return call.status ?? "waiting";
}
