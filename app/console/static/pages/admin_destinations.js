// Receivers of all tenants that do not take what is sent to them.
import { at } from "../api.js";
import { DestinationsTable, keyOfDestination } from "../components/destinations_table.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Pager } from "../components/pager.js";
import { useList } from "../hooks.js";
import { useEvery } from "../polling.js";
import { link } from "../router.js";
import { html } from "../ui.js";

const REFRESH_SECONDS = 10;
const TENANT = {
  title: "Tenant",
  cell: (one) => one.tenant_name === null
    ? html`deleted <span class="code">${one.tenant_id}</span>`
    : html`<a href=${link(at`/admin/tenants/${one.tenant_id}`)}>${one.tenant_name}</a>`,
};

export function AdminDestinations() {
  const list = useList("/v1/admin/destinations", { keyOf: keyOfDestination, limit: 200 });
  useEvery(REFRESH_SECONDS, list.reload);
  return html`
    <${Page} title="Destinations in trouble">
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${DestinationsTable} list=${list} more=${[TENANT]} />
      ${list.loaded && !list.more && list.items.length === 0 && html`
        <${Empty} title="All receivers are fine">No tenant’s destination has failed lately.<//>
      `}
      <${Pager} list=${list} />
    <//>
  `;
}
