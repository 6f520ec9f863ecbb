import { errorWords } from "../outcomes.js";
import { count } from "../quantities.js";
import { html } from "../ui.js";
import { StatusBadge } from "./status_badge.js";
import { Table } from "./table.js";
import { Time } from "./time.js";

const STATES = {
  failing: "failing: still tried",
  open: "open: nothing is tried",
  probing: "probing: one is tried",
};

const COLUMNS = [
  { title: "Destination", cell: (one) => html`<span class="code">${one.destination}</span>` },
  { title: "State", cell: (one) => html`<${StatusBadge} status=${STATES[one.state] ?? one.state} />` },
  { title: "Failed in a row", cell: (one) => count(one.failures) },
  { title: "Since", cell: (one) => html`<${Time} at=${one.failing_since} />` },
  { title: "Last error", cell: (one) => errorWords(one.last_error) },
  { title: "Tried again", cell: (one) => (one.open_until ? html`<${Time} at=${one.open_until} />` : "–") },
];

export const keyOfDestination = (one) => JSON.stringify([one.tenant_id ?? "", one.destination]);

// Destinations in trouble; `more` are columns behind the first one.
export function DestinationsTable({ list, more = [] }) {
  const columns = [COLUMNS[0], ...more, ...COLUMNS.slice(1)];
  return html`
    <${Table} caption="Destinations in trouble" columns=${columns} rows=${list.items} keyOf=${keyOfDestination} loading=${list.loading} />
  `;
}
