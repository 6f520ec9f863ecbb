// How the whole installation is doing, at a glance.
import { Facts } from "../components/facts.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { useResource } from "../hooks.js";
import { useEvery } from "../polling.js";
import { count, duration, size } from "../quantities.js";
import { html, useId } from "../ui.js";

const REFRESH_SECONDS = 10;
// From here on calls are counted in a sample of them.
const ESTIMATED_FROM = 256;

export function AdminOverview() {
  const { data, problem, loading, reload } = useResource("/v1/admin/overview");
  useEvery(REFRESH_SECONDS, reload);
  return html`
    <${Page} title="Overview">
      <${ProblemNote} problem=${problem} onRetry=${reload} />
      ${loading && !data && html`<p class="hint">Loading…</p>`}
      ${data && html`
        <div class="tiles" aria-busy=${loading ? "true" : undefined}>
          <${Tenants} number=${data.tenants} />
          <${LiveCalls} calls=${data.live_calls} />
          <${Lag} lag=${data.lag_seconds} />
          <${Jobs} jobs=${data.jobs} />
          <${DestinationCounts} counts=${data.destinations} />
          <${Redis} title="Redis of the data" standing=${data.redis} />
          <${Redis} title="Redis of the queues" standing=${data.queue_redis} />
        </div>
      `}
    <//>
  `;
}

// A part of the overview. `known` is null when it could not be read; the children are functions, called otherwise.
function Tile({ title, known, hint = "", children }) {
  const id = useId();
  return html`
    <section class="panel" aria-labelledby=${id}>
      <h2 id=${id}>${title}</h2>
      ${known === null ? html`<p class="hint">This could not be read just now.</p>` : children()}
      ${known !== null && hint && html`<p class="hint">${hint}</p>`}
    </section>
  `;
}

function Tenants({ number }) {
  return html`
    <${Tile} title="Tenants" known=${number}>
      ${() => html`<p><a class="figure" href="#/admin/tenants">${count(number)}</a></p>`}
    <//>
  `;
}

function LiveCalls({ calls }) {
  const all = calls && calls.waiting + calls.ringing + calls.in_progress;
  return html`
    <${Tile} title="Calls that are polled" known=${calls} hint=${all >= ESTIMATED_FROM ? "Estimated from a sample." : ""}>
      ${() => html`
        <p class="figure">${count(all)}</p>
        <${Facts} rows=${[
          ["Not ringing yet", count(calls.waiting)],
          ["Ringing", count(calls.ringing)],
          ["In progress", count(calls.in_progress)],
        ]} />
      `}
    <//>
  `;
}

function Lag({ lag }) {
  return html`
    <${Tile} title="Lag" known=${lag} hint="How long the oldest of what is due has waited for a worker.">
      ${() => html`<${Facts} rows=${[["Polls", spanOf(lag.poll)], ["Deliveries", spanOf(lag.deliver)]]} />`}
    <//>
  `;
}

function Jobs({ jobs }) {
  return html`
    <${Tile} title="Jobs" known=${jobs} hint="In the workers’ queues, those under way among them.">
      ${() => html`<${Facts} rows=${[["Polls", count(jobs.poll)], ["Deliveries", count(jobs.deliver)]]} />`}
    <//>
  `;
}

function DestinationCounts({ counts }) {
  return html`
    <${Tile} title="Destinations in trouble" known=${counts}>
      ${() => html`
        <p><a class="figure" href="#/admin/destinations">${count(counts.open + counts.failing)}</a></p>
        <${Facts} rows=${[["Left alone for a while", count(counts.open)], ["Failing, still tried", count(counts.failing)]]} />
      `}
    <//>
  `;
}

function Redis({ title, standing }) {
  return html`
    <${Tile} title=${title} known=${standing}>
      ${() => html`
        <${Facts} rows=${[["Memory", memoryOf(standing)], ["Keys evicted", standing.evicted_keys === 0 ? "none" : count(standing.evicted_keys)]]} />
        ${warningsOf(standing).map((text) => html`<p key=${text} class="warning"><span class="badge" data-tone="bad">Take care</span> ${text}</p>`)}
      `}
    <//>
  `;
}

const spanOf = (seconds) => (seconds === 0 ? "none" : duration(seconds));

function memoryOf({ memory_bytes: used, memory_limit_bytes: limit }) {
  return limit === null ? `${size(used)}, no limit set` : `${size(used)} of ${size(limit)} (${Math.round((used / limit) * 100)} %)`;
}

function warningsOf({ evicted_keys: evicted, may_evict: mayEvict, unpersisted }) {
  return [
    evicted > 0 && "It has thrown keys away: some of what was kept is lost.",
    mayEvict && "Its maxmemory-policy lets it throw keys away: set it to noeviction.",
    unpersisted && "It has no append-only file: what it keeps is lost when it stops.",
  ].filter(Boolean);
}
