// The tenant's calls, those first that it subscribed to last, and kept up to date by the live stream.
import { at } from "../api.js";
import { changed, keyOf, placeOf, statusOf } from "../calls.js";
import { Button } from "../components/button.js";
import { CallAge } from "../components/call_age.js";
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
import { html, useState } from "../ui.js";

const SELDOM_MS = 10_000;
const STATUSES = ["CREATED", "queued", "ringing", "in-progress", "completed", "failed", "no-answer", "busy", "cancelled"];
const ENDED = [["", "all"], ["false", "live"], ["true", "ended"]];
const COLUMNS = [
  { title: "Call", cell: (call) => html`<a href=${placeOf(call)} class="code">${call.call_sid}</a>` },
  { title: "Status", cell: (call) => html`<${StatusBadge} status=${statusOf(call)} />` },
  { title: "Age", cell: (call) => html`<${CallAge} call=${call} />` },
  { title: "Last change", cell: (call) => html`<${Time} at=${call.last_updated} />` },
];

export function Calls({ query }) {
  const only = { status: query.get("status") ?? "", ended: query.get("ended") ?? "" };
  const narrowed = Boolean(only.status || only.ended);
  const list = useList("/v1/calls", { query: only, keyOf });
  const reloadSoon = useGathered(list.reload);
  const reloadLater = useGathered(list.reload, SELDOM_MS);
  useStream((message) => {
    if (message.kind === "gap" || narrowed) {
      reloadSoon();
      return;
    }
    const { data } = message.event;
    const known = list.items.some((call) => keyOf(call) === keyOf(data));
    if (known) list.change((calls) => calls.map((call) => changed(call, message.event)));
    // An answer that is on its way may be older than the event.
    if (list.loading || (!known && (data.sequence === 1 || !list.more))) reloadSoon();
    // Most likely it is a call of a page that nobody has asked for.
    else if (!known) reloadLater();
  });
  return html`
    <${Page} title="Calls">
      <${Search} />
      <${Filter} only=${only} problem=${list.problem} />
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${Table} caption="Calls" columns=${COLUMNS} rows=${list.items} keyOf=${keyOf} loading=${list.loading} />
      ${list.loaded && !list.more && list.items.length === 0 && html`<${None} narrowed=${narrowed} />`}
      <${Pager} list=${list} />
    <//>
  `;
}

function None({ narrowed }) {
  if (narrowed) return html`<${Empty} title="No such calls">None that is kept fits the filter.<//>`;
  return html`
    <${Empty} title="No calls yet">
      A call is shown here once a subscription follows it. <a href=${link("/subscriptions/new")}>Subscribe to a call</a>
    <//>
  `;
}

function Search() {
  const [sid, setSid] = useState("");
  const submit = (event) => {
    event.preventDefault();
    if (sid.trim()) navigate(at`/calls/${sid.trim()}`);
  };
  return html`
    <form class="row" role="search" aria-label="Open a call" onSubmit=${submit}>
      <${Field} label="Call SID" name="sid" value=${sid} onInput=${setSid} placeholder="OUT-…" autocomplete="off" spellcheck=${false} />
      <${Button} type="submit">Open<//>
    </form>
  `;
}

function Filter({ only, problem }) {
  const [given, set] = useGiven(only);
  // The platform may have words of its own.
  const statuses = [...new Set([...STATUSES, only.status])].filter(Boolean);
  const submit = (event) => {
    event.preventDefault();
    navigate("/calls", given);
  };
  const field = (name) => ({ as: "select", name, value: given[name], onInput: set(name), error: problem?.errorOf(name) ?? "" });
  return html`
    <form class="row" role="search" aria-label="Filter calls" onSubmit=${submit}>
      <${Field} label="Calls" ...${field("ended")}>
        ${ENDED.map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
      <//>
      <${Field} label="Status" ...${field("status")}>
        <option value="">any</option>
        ${statuses.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}
      <//>
      <div class="actions">
        <${Button} type="submit">Show<//>
        ${(only.status || only.ended) && html`<a href="#/calls">Show all</a>`}
      </div>
    </form>
  `;
}
