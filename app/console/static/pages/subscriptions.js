// The tenant's subscriptions, the newest first.
import { at } from "../api.js";
import { placeOf } from "../calls.js";
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Pager } from "../components/pager.js";
import { StatusBadge } from "../components/status_badge.js";
import { Table } from "../components/table.js";
import { Time } from "../components/time.js";
import { useGiven, useList, useStream } from "../hooks.js";
import { useGathered } from "../polling.js";
import { link, navigate } from "../router.js";
import { html } from "../ui.js";

const STATUSES = ["active", "paused", "completed", "cancelled", "disabled"];
const COLUMNS = [
  { title: "Subscription", cell: (one) => html`<a class="code" href=${link(at`/subscriptions/${one.id}`)}>${one.id}</a>` },
  { title: "Call", cell: (one) => html`<a class="code" href=${placeOf(one)}>${one.call_sid}</a>` },
  { title: "Callback URL", cell: (one) => html`<span class="code">${one.callback_url}</span>` },
  { title: "Status", cell: (one) => html`<${StatusBadge} status=${one.status} />` },
  { title: "Made", cell: (one) => html`<${Time} at=${one.created_at} />` },
];

export function Subscriptions({ query }) {
  const only = { status: query.get("status") ?? "", call_sid: query.get("call_sid") ?? "" };
  const list = useList("/v1/subscriptions", { query: only, keyOf: (one) => one.id });
  const reloadSoon = useGathered(list.reload);
  useStream((message) => {
    if (message.kind === "gap" || message.event.data.final) reloadSoon();
  });
  const subscribe = html`<a class="button" data-look="primary" href=${link("/subscriptions/new")}>Subscribe</a>`;
  return html`
    <${Page} title="Subscriptions" actions=${subscribe}>
      <${Filter} only=${only} problem=${list.problem} />
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${Table} caption="Subscriptions" columns=${COLUMNS} rows=${list.items} keyOf=${(one) => one.id} loading=${list.loading} />
      ${list.loaded && !list.more && list.items.length === 0 && html`
        <${Empty} title="No subscriptions">${only.status || only.call_sid ? "None fits the filter." : "None was made yet."}<//>
      `}
      <${Pager} list=${list} />
    <//>
  `;
}

function Filter({ only, problem }) {
  const [given, set] = useGiven(only);
  const submit = (event) => {
    event.preventDefault();
    navigate("/subscriptions", { status: given.status, call_sid: given.call_sid.trim() });
  };
  return html`
    <form class="row" role="search" aria-label="Filter subscriptions" onSubmit=${submit}>
      <${Field} label="Status" as="select" name="status" value=${given.status} onInput=${set("status")} error=${problem?.errorOf("status") ?? ""}>
        <option value="">any</option>
        ${STATUSES.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
      <//>
      <${Field} label="Call SID" name="call_sid" value=${given.call_sid} onInput=${set("call_sid")}
        error=${problem?.errorOf("call_sid") ?? ""} placeholder="OUT-…" autocomplete="off" spellcheck=${false} />
      <div class="actions">
        <${Button} type="submit">Show<//>
        ${(only.status || only.call_sid) && html`<a href="#/subscriptions">Show all</a>`}
      </div>
    </form>
  `;
}
