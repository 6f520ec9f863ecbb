// What is said in place of data, or beside them.
import { html } from "../ui.js";
import { Button } from "./button.js";

// Shows an ApiProblem, nothing when it is null. title and detail replace the problem's own words.
export function ProblemNote({ problem, title, detail, onRetry }) {
  const said = detail ?? problem?.detail;
  const untold = problem?.errors.filter((one) => !said.includes(one.message)) ?? [];
  return html`
    <div role="alert">
      ${problem && html`
        <div class="note" data-tone="bad">
          <p class="note-title">${title ?? problem.title}</p>
          <p>${said}</p>
          ${untold.length > 0 && html`
            <ul>${untold.map((one) => html`<li><span class="code">${one.field}</span>: ${one.message}</li>`)}</ul>
          `}
          ${problem.requestId && html`<p class="hint">Request <span class="code">${problem.requestId}</span></p>`}
          ${onRetry && html`<${Button} onClick=${onRetry}>Try again<//>`}
        </div>
      `}
    </div>
  `;
}

// Says that there is nothing, and why.
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="note-title">${title}</p><p>${children}</p></div>`;
}
