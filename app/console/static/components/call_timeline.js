// A call's events: when each happened, was seen here, and arrived at whom.
import { at } from "../api.js";
import { link } from "../router.js";
import { html } from "../ui.js";
import { Later } from "./later.js";
import { Empty, ProblemNote } from "./notes.js";
import { Pager } from "./pager.js";
import { Table } from "./table.js";

const MOST_SHOWN = 5;

const shortly = (url) => url.replace(/^https?:\/\//, "");

// events and deliveries are lists of useList(); `ours` are those deliveries that are this call's, `subscriptions` its
// subscriptions by their ids. `complete`: all of both were read.
export function CallTimeline({ events, deliveries, ours, subscriptions, complete }) {
  const columns = [
    { title: "Event", cell: ({ type, data }) => `${data.sequence}.\u00a0${type}${data.final ? " (final)" : ""}` },
    { title: "Upstream's time", cell: ({ data }) => html`<${Later} at=${data.occurred_at} />` },
    { title: "Seen", cell: ({ data }) => html`<${Later} at=${data.observed_at} than=${data.occurred_at} />` },
    { title: "Delivered", cell: ({ data }) => html`
      <${Delivered} event=${data} subscriptions=${subscriptions} complete=${complete}
        deliveries=${ours.filter((one) => one.event_id === data.event_id)} />
    ` },
  ];
  const reload = () => [events, deliveries].forEach((one) => one.reload());
  return html`
    <section>
      <h2>Timeline</h2>
      <${ProblemNote} problem=${events.problem ?? deliveries.problem} onRetry=${reload} />
      <${Table} caption="Timeline" columns=${columns} rows=${events.items} keyOf=${(one) => one.data.event_id} loading=${events.loading} />
      ${events.loaded && events.items.length === 0 && html`
        <${Empty} title="Nothing has happened yet">The platform has not told of this call so far.<//>
      `}
      <${Pager} list=${events.more ? events : deliveries} />
    </section>
  `;
}

function Delivered({ event, deliveries, subscriptions, complete }) {
  if (deliveries.length === 0) return complete ? "to nobody" : "…";
  const left = deliveries.length - MOST_SHOWN;
  return html`<ul class="plain">
    ${deliveries.slice(0, MOST_SHOWN).map((one) => html`
      <li key=${one.id}>
        <a href=${link(at`/deliveries/${one.id}`)}>${one.status}</a>
        ${subscriptions.size > 1 && html` <span class="code">${shortly(subscriptions.get(one.subscription_id).callback_url)}</span>`}
        ${one.status === "delivered" && html` <${Later} at=${one.last_attempt_at} than=${event.observed_at} />`}
      </li>
    `)}
    ${left > 0 && html`<li><a href=${link("/deliveries", { call_sid: event.call_sid })}>and ${left} more</a></li>`}
  </ul>`;
}
