// All tenants.
import { at } from "../api.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Pager } from "../components/pager.js";
import { Table } from "../components/table.js";
import { Time } from "../components/time.js";
import { useList } from "../hooks.js";
import { link } from "../router.js";
import { html } from "../ui.js";

const keyOf = (tenant) => tenant.id;

const COLUMNS = [
  { title: "Name", cell: (one) => html`<a href=${link(at`/admin/tenants/${one.id}`)}>${one.name}</a>` },
  { title: "Id", cell: (one) => html`<span class="code">${one.id}</span>` },
  { title: "Account", cell: (one) => html`<span class="code">${one.account_id}</span>` },
  { title: "Project", cell: (one) => html`<span class="code">${one.project_id}</span>` },
  { title: "Made", cell: (one) => html`<${Time} at=${one.created_at} />` },
];

export function Tenants() {
  const list = useList("/v1/admin/tenants", { keyOf });
  return html`
    <${Page} title="Tenants">
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${Table} caption="Tenants, the oldest first" columns=${COLUMNS} rows=${list.items} keyOf=${keyOf} loading=${list.loading} />
      ${list.loaded && !list.more && list.items.length === 0 && html`
        <${Empty} title="No tenants yet">Make one with <span class="code">ringback tenants create</span>, or over the API.<//>
      `}
      <${Pager} list=${list} />
    <//>
  `;
}
