// The tenant's calls, those first that it subscribed to last, and kept up to date by the live stream.
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

const keyOf = (call) => JSON.stringify([call.account_id, call.project_id, call.call_sid]);
const placeOf = (call) => link(at`/calls/${call.call_sid}`, { account_id: call.account_id, project_id: call.project_id });

const COLUMNS = [
  { title: "Call", cell: (call) => html`<a href=${placeOf(call)} class="code">${call.call_sid}</a>` },
  { title: "Status", cell: (call) => html`<${StatusBadge} status=${statusOf(call)} />` },
  { title: "Last change", cell: (call) => html`<${Time} at=${call.last_updated} />` },
  { title: "Followed since", cell: (call) => html`<${Time} at=${call.polling.watched_since} />` },
];

export function Calls({ query }) {
  const only = { status: query.get("status") || undefined, ended: query.get("ended") || undefined };
  const list = useList("/v1/calls", { query: only, keyOf });
  const reloadSoon = useGathered(list.reload);
  useStream((message) => {
    const narrowed = only.status || only.ended;
    const known = !narrowed && message.kind === "event" && list.items.some((call) => keyOf(call) === keyOf(message.event.data));
    if (known) list.change((calls) => calls.map((call) => changed(call, message.event)));
    // An answer that is on its way may be older than the event.
    if (!known || list.loading) reloadSoon();
  });
  return html`
    <${Page} title="Calls">
      <${Search} />
      <${Filter} key=${query.toString()} only=${only} />
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${Table} caption="Calls" columns=${COLUMNS} rows=${list.items} keyOf=${keyOf} loading=${list.loading} />
      ${list.loaded && !list.more && list.items.length === 0 && html`
        <${Empty} title="No calls">A call is shown here once a subscription follows it, and fits the filter.<//>
      `}
      <${Pager} list=${list} />
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
    <form class="row" role="search" onSubmit=${submit}>
      <${Field} label="Call SID" name="sid" value=${sid} onInput=${setSid} placeholder="OUT-…" autocomplete="off" spellcheck=${false} />
      <${Button} type="submit">Open<//>
    </form>
  `;
}

function Filter({ only }) {
  const [status, setStatus] = useState(only.status ?? "");
  const [ended, setEnded] = useState(only.ended ?? "");
  const submit = (event) => {
    event.preventDefault();
    navigate("/calls", { status: status.trim() || undefined, ended: ended || undefined });
  };
  return html`
    <form class="row" onSubmit=${submit}>
      <${Field} label="Calls" as="select" value=${ended} onInput=${setEnded}>
        <option value="">all</option>
        <option value="false">live</option>
        <option value="true">ended</option>
      <//>
      <${Field} label="Status" value=${status} onInput=${setStatus} placeholder="in-progress" autocomplete="off" spellcheck=${false} />
      <${Button} type="submit">Show<//>
    </form>
  `;
}

function statusOf(call) {
  if (call.final_event === "call.lost") return call.lost_reason ? `lost: ${call.lost_reason}` : "lost";
  return call.status ?? "waiting";
}

// The call with what an event tells of it. An event that arrives late changes nothing.
function changed(call, { type, data }) {
  if (keyOf(call) !== keyOf(data) || call.final_event) return call;
  if (call.last_updated && Date.parse(data.occurred_at) < Date.parse(call.last_updated)) return call;
  const final = data.final ? { final_event: type, lost_reason: data.reason ?? null } : {};
  const told = type === "call.lost" ? {} : { status: data.status, last_updated: data.occurred_at };
  return { ...call, ...told, ...final };
}
