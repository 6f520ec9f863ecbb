// What is around every page: navigation, the live stream's state, what is said aloud.
import { useStreamState } from "../hooks.js";
import { leave } from "../leaving.js";
import { followMessages } from "../messages.js";
import { routes } from "../routes.js";
import { logOut } from "../session.js";
import { html, useEffect, useState } from "../ui.js";
import { Button } from "./button.js";
import { LeaveQuestion } from "./leave_question.js";

const LIVE = {
  connecting: ["Connecting…", "quiet"],
  live: ["Live", "good"],
  broken: ["Not live: trying again", "bad"],
  "too-many": ["Not live: too many streams are open", "bad"],
  missing: ["Not live", "quiet"],
};

export function Layout({ session, path, children }) {
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">
      <a class="brand" href="#/">Ringback</a>
      ${session && html`<${Nav} session=${session} path=${path} />`}
      ${session && html`
        <div class="who">
          <${LiveState} />
          <span class="name">${session.name}</span>
          <${Button} look="quiet" onClick=${() => void leave(() => logOut())}>Log out<//>
        </div>
      `}
    </header>
    <main id="main" tabindex="-1">${children}</main>
    <${LeaveQuestion} />
    <${Announcer} />
  `;
}

function Nav({ session, path }) {
  const shown = routes.filter((one) => one.nav && one.kind === session.kind);
  // Of "/admin" and "/admin/tenants" the longer one is where somebody is.
  const around = shown.map((one) => one.pattern).filter((pattern) => path === pattern || path.startsWith(`${pattern}/`));
  const nearest = around.sort((one, other) => other.length - one.length)[0];
  return html`
    <nav aria-label="Pages">
      <ul>
        ${shown.map(({ pattern, nav }) => html`
          <li key=${pattern}>
            <a href=${`#${pattern}`} aria-current=${pattern === nearest ? "page" : undefined}>${nav}</a>
          </li>
        `)}
      </ul>
    </nav>
  `;
}

function LiveState() {
  const [words, tone] = LIVE[useStreamState()] ?? [];
  // The region is there before its words, or they would not be read.
  return html`<span class="live" role="status">${words && html`<span class="badge" data-tone=${tone}>${words}</span>`}</span>`;
}

function Announcer() {
  const [message, setMessage] = useState({ text: "", at: 0 });
  useEffect(() => followMessages(setMessage), []);
  useEffect(() => {
    const timer = setTimeout(() => setMessage({ text: "", at: 0 }), 6000);
    return () => clearTimeout(timer);
  }, [message.at]);
  return html`<div class="announcer" role="status">${message.text && html`<span>${message.text}</span>`}</div>`;
}

// A plain link would change the hash, which is the page's address.
function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}
