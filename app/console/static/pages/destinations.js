// Receivers that do not take what is sent to them, as long as that lasts.
import { DestinationsTable, keyOfDestination } from "../components/destinations_table.js";
import { Page } from "../components/page.js";
import { Empty, ProblemNote } from "../components/notes.js";
import { Pager } from "../components/pager.js";
import { useList } from "../hooks.js";
import { useEvery } from "../polling.js";
import { link } from "../router.js";
import { html } from "../ui.js";

const REFRESH_SECONDS = 10;

export function Destinations() {
  const list = useList("/v1/destinations", { keyOf: keyOfDestination, limit: 200 });
  useEvery(REFRESH_SECONDS, list.reload);
  return html`
    <${Page} title="Destinations">
      <p>
        A destination where several attempts in a row have failed is left alone for a while, and then tried with one
        delivery. What waits for it is kept and sent in order.
        See the <a href=${link("/deliveries", { status: "failed" })}>failed deliveries</a> for what was given up.
      </p>
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${DestinationsTable} list=${list} />
      ${list.loaded && !list.more && list.items.length === 0 && html`
        <${Empty} title="All receivers are fine">No destination has failed lately. One that does is shown here, until it is well again.<//>
      `}
      <${Pager} list=${list} />
    <//>
  `;
}
