import { at, post, remove } from "../api.js";
import { useList } from "../hooks.js";
import { announce } from "../messages.js";
import { html, useState } from "../ui.js";
import { Button } from "./button.js";
import { Field } from "./field.js";
import { Empty, ProblemNote } from "./notes.js";
import { Pager } from "./pager.js";
import { ShownOnce } from "./shown_once.js";
import { Table } from "./table.js";
import { Time } from "./time.js";

const keyOf = (key) => key.id;

// A tenant's API keys: made, shown once, and revoked.
export function TenantKeys({ tenantId }) {
  const path = at`/v1/admin/tenants/${tenantId}/api-keys`;
  const list = useList(path, { keyOf, limit: 200 });
  const [made, setMade] = useState(null);
  const [refusal, setRefusal] = useState(null);

  async function revoke(key) {
    setRefusal(null);
    try {
      await remove(at`/v1/admin/tenants/${tenantId}/api-keys/${key.id}`);
      announce(`Revoked: ${key.name}.`);
    } catch (problem) {
      setRefusal(problem);
    }
    list.reload();
  }

  return html`
    <section class="part">
      <h2>API keys</h2>
      <${ProblemNote} problem=${list.problem} onRetry=${list.reload} />
      <${ProblemNote} problem=${refusal} title="Not revoked" />
      <${Table} caption="API keys, the oldest first" columns=${columnsOf(revoke)} rows=${list.items} keyOf=${keyOf} loading=${list.loading} />
      ${list.loaded && !list.more && list.items.length === 0 && html`
        <${Empty} title="No keys">Without a key this tenant cannot ask for anything.<//>
      `}
      <${Pager} list=${list} />
      ${made
        ? html`<${ShownOnce} title=${`The new key: ${made.name}`} what="new key" secret=${made.api_key} onKept=${() => setMade(null)} />`
        : html`<${NewKey} path=${path} onMade=${setMade} onTried=${list.reload} />`}
    </section>
  `;
}

function columnsOf(revoke) {
  const question = (key) => ({
    title: `Revoke ${key.name}?`,
    text: "It opens nothing any more from that moment on. Whoever still uses it is refused.",
    action: "Revoke",
  });
  return [
    { title: "Name", cell: (key) => key.name },
    { title: "Id", cell: (key) => html`<span class="code">${key.id}</span>` },
    { title: "Made", cell: (key) => html`<${Time} at=${key.created_at} />` },
    { title: "Last used", cell: (key) => (key.last_used_at ? html`<${Time} at=${key.last_used_at} />` : "never") },
    {
      title: "Action",
      cell: (key) => html`
        <${Button} look="danger" aria-label=${`Revoke ${key.name}`} onClick=${() => revoke(key)} confirm=${question(key)}>Revoke<//>
      `,
    },
  ];
}

function NewKey({ path, onMade, onTried }) {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);

  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      onMade(await post(path, { name: name.trim() }));
    } catch (refusal) {
      setProblem(refusal);
      setBusy(false);
    }
    // Also without an answer there may be a new one.
    onTried();
  }

  return html`
    <form class="panel" onSubmit=${submit}>
      <div class="row">
        <${Field} label="Name of a new key" name="name" value=${name} onInput=${setName} required maxlength="100" autocomplete="off"
          placeholder="CRM, 2027" error=${problem?.errorOf("name") ?? ""} />
        <${Button} type="submit" busy=${busy}>Make a key<//>
      </div>
      <${ProblemNote} problem=${problem} />
    </form>
  `;
}
