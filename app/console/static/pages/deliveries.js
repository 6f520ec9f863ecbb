// The tenant's deliveries, with filters that stand in the address.
import { at } from "../api.js";
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Outcome } from "../components/outcome.js";
import { Pager } from "../components/pager.js";
import { RetryAllFailed } from "../components/retry_all_failed.js";
import { StatusBadge } from "../components/status_badge.js";
import { Table } from "../components/table.js";
import { Time } from "../components/time.js";
import { useList, useStream } from "../hooks.js";
import { useGathered, useWatch } from "../polling.js";
import { link, navigate } from "../router.js";
import { html, useEffect, useState } from "../ui.js";

const STATUSES = [["", "all"], "pending", "delivered", "failed", "cancelled"].map((one) => (Array.isArray(one) ? one : [one, one]));
const FILTERS = ["status", "call_sid", "subscription_id"];

const keyOf = (delivery) => delivery.id;

const COLUMNS = [
  { title: "Event", cell: (one) => html`<a href=${link(at`/deliveries/${one.id}`)}>${one.event_type}</a>` },
  { title: "Status", cell: (one) => html`<${StatusBadge} status=${one.status} />` },
  { title: "Last answer", cell: (one) => html`<${Outcome} statusCode=${one.last_status_code} error=${one.last_error} />` },
  { title: "Attempts", cell: (one) => one.attempts_count },
  { title: "Last attempt", cell: (one) => html`<${Time} at=${one.last_attempt_at} />` },
  { title: "Call", cell: (one) => html`<a class="code" href=${link("/deliveries", { call_sid: one.call_sid })}>${one.call_sid}</a>` },
];

export function Deliveries({ query }) {
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  const list = useList("/v1/deliveries", { query: wanted, keyOf });
  const [turn, setTurn] = useState(0);
  const reloadSoon = useGathered(() => {
    setTurn((old) => old + 1);
    list.reload();
  });
  useStream(reloadSoon);
  useWatch(list.items.some((one) => one.status === "pending"), list, turn);
  const filtered = FILTERS.some((name) => wanted[name]);
  return html`
    <${Page} title="Deliveries">
      <${Filters} wanted=${wanted} problem=${list.problem} />
      <${RetryAllFailed} onRetried=${reloadSoon} />
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${Table} caption="Deliveries" columns=${COLUMNS} rows=${list.items} keyOf=${keyOf} loading=${list.loading} />
      ${list.loaded && !list.more && list.items.length === 0 && html`<${None} filtered=${filtered} />`}
      <${Pager} list=${list} />
    <//>
  `;
}

function Filters({ wanted, problem }) {
  const [given, setGiven] = useState(wanted);
  const told = JSON.stringify(wanted);
  useEffect(() => setGiven(wanted), [told]);
  const show = (filters) => navigate("/deliveries", trimmed(filters));
  const submit = (event) => {
    event.preventDefault();
    show(given);
  };
  const field = (name) => ({
    name,
    value: given[name],
    onInput: (text) => setGiven((old) => ({ ...old, [name]: text })),
    error: problem?.errorOf(name) ?? "",
    autocomplete: "off",
    spellcheck: false,
  });
  return html`
    <form class="row filters" role="search" aria-label="Filter deliveries" onSubmit=${submit}>
      <${Field} label="Status" as="select" name="status" value=${given.status} onInput=${(status) => show({ ...given, status })}>
        ${STATUSES.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
      <//>
      <${Field} label="Call SID" placeholder="OUT-…" ...${field("call_sid")} />
      <${Field} label="Subscription" placeholder="sub_…" ...${field("subscription_id")} />
      <div class="actions">
        <${Button} type="submit">Filter<//>
        ${FILTERS.some((name) => wanted[name]) && html`<a href="#/deliveries">Show all</a>`}
      </div>
    </form>
  `;
}

function None({ filtered }) {
  return filtered
    ? html`<${Empty} title="No such deliveries">Nothing that Ringback keeps fits these filters.<//>`
    : html`<${Empty} title="No deliveries yet">One is shown here as soon as a call that a subscription follows has an event.<//>`;
}

const trimmed = (filters) => Object.fromEntries(Object.entries(filters).map(([name, text]) => [name, text.trim()]));
