// One tenant: what it is, what it may have, and its API keys.
import { at } from "../api.js";
import { CopyButton } from "../components/copy_button.js";
import { Facts } from "../components/facts.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { TenantKeys } from "../components/tenant_keys.js";
import { Time } from "../components/time.js";
import { useResource } from "../hooks.js";
import { count, counted } from "../quantities.js";
import { html } from "../ui.js";

export function Tenant({ params }) {
  const { data: tenant, problem, loading, reload } = useResource(at`/v1/admin/tenants/${params.id}`);
  return html`
    <${Page} title=${tenant?.name ?? "Tenant"}>
      <${ProblemNote} problem=${problem} onRetry=${reload} />
      ${loading && !tenant && html`<p class="hint">Loading…</p>`}
      ${tenant && html`
        <section class="panel" aria-label="Facts"><${Facts} rows=${factsOf(tenant)} /></section>
        <section class="panel">
          <h2>Quotas</h2>
          <${Facts} rows=${quotasOf(tenant.quotas)} />
        </section>
        <${TenantKeys} tenantId=${tenant.id} />
      `}
    <//>
  `;
}

function factsOf(tenant) {
  return [
    ["Tenant", html`<span class="code">${tenant.id}</span> <${CopyButton} text=${tenant.id} what="tenant's id" />`],
    ["Account", html`<span class="code">${tenant.account_id}</span>`],
    ["Project", html`<span class="code">${tenant.project_id}</span>`],
    ["Connector", "kept encrypted, and never shown"],
    ["Made", html`<${Time} at=${tenant.created_at} />`],
  ];
}

const boundOf = (bound, words) => (bound === null ? "no bound" : words);

function quotasOf({ max_active_subscriptions: active, max_subscriptions_per_call: perCall, requests_per_second: requests }) {
  return [
    ["Subscriptions alive at once", boundOf(active, active && count(active))],
    ["Subscriptions of one call", boundOf(perCall, perCall && count(perCall))],
    ["Requests", boundOf(requests, requests && `${counted(requests, "request")} a second on average`)],
  ];
}
