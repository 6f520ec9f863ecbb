import { html } from "../ui.js";
import { Block } from "./block.js";
import { CopyButton } from "./copy_button.js";
import { Facts } from "./facts.js";
import { Empty } from "./notes.js";

// The `request` of a delivery: what its last attempt sent.
export function SentRequest({ request }) {
  if (request === null) {
    return html`<${Empty} title="Nothing to show">Nothing was sent yet, or longer ago than attempts are kept.<//>`;
  }
  const headers = Object.entries(request.headers);
  return html`
    <div class="panel">
      <p class="titled"><span><strong>POST</strong> <span class="code">${request.url}</span></span> <${CopyButton} text=${request.url} what="URL" /></p>
      <div class="titled">
        <h3>Headers</h3>
        <${CopyButton} text=${headers.map(([name, value]) => `${name}: ${value}`).join("\n")} what="headers" />
      </div>
      <${Facts} code rows=${headers} />
      <p class="hint">
        The signature is made with the secrets that sign today: after a rotation it is not the one that was sent.
        Values shown as *** are the subscription’s own headers.
      </p>
      <div class="titled">
        <h3>Payload</h3>
        <${CopyButton} text=${request.body} what="payload as sent" />
      </div>
      <${Block} label="Payload" text=${indented(request.body)} />
      <p class="hint">Shown in lines. What is copied is the text as it was sent and signed.</p>
    </div>
  `;
}

function indented(body) {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}
