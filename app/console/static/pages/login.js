// Where a key is asked for.
import { Button } from "../components/button.js";
import { Field } from "../components/field.js";
import { Page } from "../components/page.js";
import { ProblemNote } from "../components/notes.js";
import { lastWords, logIn } from "../session.js";
import { html, useState } from "../ui.js";

const KINDS = [
  ["tenant", "An API key of a tenant"],
  ["admin", "The admin key"],
];

export function Login() {
  const [kind, setKind] = useState("tenant");
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);

  async function submit(event) {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await logIn(kind, key.trim());
    } catch (refusal) {
      setProblem(refusal);
      setBusy(false);
    }
  }

  return html`
    <${Page} title="Log in" narrow>
      ${lastWords() && !problem && html`<p class="note" role="status">${lastWords()}</p>`}
      <form class="panel" onSubmit=${submit}>
        <fieldset class="choices">
          <legend>Which key do you have?</legend>
          ${KINDS.map(([value, label]) => html`
            <label>
              <input type="radio" name="kind" value=${value} checked=${kind === value} onChange=${() => setKind(value)} />
              ${label}
            </label>
          `)}
        </fieldset>
        <${Field} label="Key" name="key" type="password" value=${key} onInput=${setKey} required
          autocomplete="off" spellcheck=${false}
          hint="It is kept in this tab only, and forgotten when the tab is closed." />
        ${problem && html`<${ProblemNote} ...${refusalOf(problem)} />`}
        <p><${Button} type="submit" look="primary" busy=${busy}>Log in<//></p>
      </form>
    <//>
  `;
}

function refusalOf(problem) {
  if (problem.status !== 401) return { problem };
  return { problem, title: "This key is not known", detail: "Check that it is complete, and that it is the kind of key chosen above." };
}
