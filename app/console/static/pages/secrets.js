// The secrets that sign the tenant's deliveries, and a new one in place of them.
import { post } from "../api.js";
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { ShownOnce } from "../components/shown_once.js";
import { Table } from "../components/table.js";
import { Time } from "../components/time.js";
import { useResource } from "../hooks.js";
import { html, useState } from "../ui.js";

const OVERLAPS = [
  [3600, "an hour"],
  [86_400, "a day"],
  [604_800, "a week"],
];

const COLUMNS = [
  { title: "Secret", cell: (one) => html`<span class="code">whsec_…${one.hint}</span>` },
  { title: "Made", cell: (one) => html`<${Time} at=${one.created_at} />` },
  { title: "Signs until", cell: (one) => (one.expires_at ? html`<${Time} at=${one.expires_at} />` : "it is replaced") },
];

export function Secrets() {
  const secrets = useResource("/v1/signing-secrets");
  const [made, setMade] = useState(null);
  return html`
    <${Page} title="Signing secrets">
      <p>
        Receivers verify with these that a delivery is genuine. A delivery is signed with each of them, and one match
        is enough. Subscriptions with a secret of their own are signed with that one alone.
      </p>
      <${ProblemNote} problem=${secrets.problem} onRetry=${secrets.reload} />
      ${secrets.loading && !secrets.data && html`<p class="hint">Loading…</p>`}
      <${Table} caption="Secrets that sign now, the newest first" columns=${COLUMNS} rows=${secrets.data?.items ?? []}
        keyOf=${(one) => one.id} loading=${secrets.loading} />
      ${made
        ? html`<${New} made=${made} onKept=${() => setMade(null)} />`
        : html`<${Rotation} onRotated=${setMade} onTried=${secrets.reload} />`}
    <//>
  `;
}

function New({ made, onKept }) {
  return html`
    <${ShownOnce} title="The new secret" what="new secret" secret=${made.signing_secret} onKept=${onKept}>
      <p>${made.previous.length > 0
        ? "Let your receivers accept it beside the old one, and take the old one out once it signs no more."
        : "It signs alone."}</p>
    <//>
  `;
}

function Rotation({ onRotated, onTried }) {
  const [overlap, setOverlap] = useState(String(86_400));
  const [problem, setProblem] = useState(null);
  const words = OVERLAPS.find(([seconds]) => String(seconds) === overlap)[1];

  async function rotate() {
    setProblem(null);
    try {
      onRotated(await post("/v1/signing-secrets/rotate", { overlap_seconds: Number(overlap) }));
    } catch (refusal) {
      setProblem(refusal);
    }
    // Also without an answer there may be a new one.
    onTried();
  }

  const question = {
    title: "Make a new secret?",
    text: `It signs at once. The secrets before it sign beside it for ${words}, or less if they end sooner, and then no more.`,
    action: "Make a new secret",
  };
  return html`
    <section class="panel">
      <h2>Rotate</h2>
      <div class="row">
        <${Field} label="The old secret goes on for" as="select" name="overlap" value=${overlap} onInput=${setOverlap}
          hint="Long enough for all receivers to learn the new one.">
          ${OVERLAPS.map(([seconds, label]) => html`<option key=${seconds} value=${seconds}>${label}</option>`)}
        <//>
      </div>
      <${ProblemNote} problem=${problem} />
      <p><${Button} look="primary" onClick=${rotate} confirm=${question}>Make a new secret<//></p>
    </section>
  `;
}
