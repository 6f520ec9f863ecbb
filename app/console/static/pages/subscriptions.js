// The tenant's subscriptions, the newest first.
import { at } from "../api.js";
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Pager } from "../components/pager.js";
import { StatusBadge } from "../components/status_badge.js";
import { Table } from "../components/table.js";
import { Time } from "../components/time.js";
import { useList, useStream } from "../hooks.js";
import { useGathered } from "../polling.js";
import { link, navigate } from "../router.js";
import { html, useState } from "../ui.js";

const STATUSES = ["active", "paused", "completed", "cancelled", "disabled"];
const COLUMNS = [
  { title: "Subscription", cell: (one) => html`<a class="code" href=${link(at`/subscriptions/${one.id}`)}>${one.id}</a>` },
  { title: "Call", cell: ({ call_sid, account_id, project_id }) => html`
    <a class="code" href=${link(at`/calls/${call_sid}`, { account_id, project_id })}>${call_sid}</a>
  ` },
  { title: "Callback URL", cell: (one) => html`<span class="code">${one.callback_url}</span>` },
  { title: "Status", cell: (one) => html`<${StatusBadge} status=${one.status} />` },
  { title: "Made", cell: (one) => html`<${Time} at=${one.created_at} />` },
];

export function Subscriptions({ query }) {
  const only = { status: query.get("status") || undefined, call_sid: query.get("call_sid") || undefined };
  const list = useList("/v1/subscriptions", { query: only, keyOf: (one) => one.id });
  const reloadSoon = useGathered(list.reload);
  useStream((message) => {
    if (message.kind === "gap" || message.event.data.final) reloadSoon();
  });
  const subscribe = html`<a class="button" data-look="primary" href=${link("/subscriptions/new")}>Subscribe</a>`;
  return html`
    <${Page} title="Subscriptions" actions=${subscribe}>
      <${Filter} key=${query.toString()} only=${only} />
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${Table} caption="Subscriptions" columns=${COLUMNS} rows=${list.items} keyOf=${(one) => one.id} loading=${list.loading} />
      ${list.loaded && !list.more && list.items.length === 0 && html`
        <${Empty} title="No subscriptions">None was made, or none fits the filter.<//>
      `}
      <${Pager} list=${list} />
    <//>
  `;
}

function Filter({ only }) {
  const [status, setStatus] = useState(only.status ?? "");
  const [sid, setSid] = useState(only.call_sid ?? "");
  const submit = (event) => {
    event.preventDefault();
    navigate("/subscriptions", { status: status || undefined, call_sid: sid.trim() || undefined });
  };
  return html`
    <form class="row" role="search" onSubmit=${submit}>
      <${Field} label="Status" as="select" value=${status} onInput=${setStatus}>
        <option value="">any</option>
        ${STATUSES.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
      <//>
      <${Field} label="Call SID" value=${sid} onInput=${setSid} placeholder="OUT-…" autocomplete="off" spellcheck=${false} />
      <${Button} type="submit">Show<//>
    </form>
  `;
}
