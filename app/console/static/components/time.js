import { useNow } from "../hooks.js";
import { html } from "../ui.js";

const STEPS = [
  [60, 1, "s"],
  [3600, 60, "min"],
  [86_400, 3600, "h"],
  [Infinity, 86_400, "d"],
];

// A moment (RFC 3339) in UTC, and how long ago or ahead it is; "–" for none.
export function Time({ at }) {
  const now = useNow();
  if (!at) return "–";
  const moment = Date.parse(at);
  if (Number.isNaN(moment)) return at;
  return html`
    <time datetime=${at} title=${at}>${absolute(moment)} <span class="age">${ageOf((now - moment) / 1000)}</span></time>
  `;
}

export function absolute(moment) {
  return `${new Date(moment).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

// How long ago `seconds` are, in one unit; negative ones are ahead.
export function ageOf(seconds) {
  const [, size, unit] = STEPS.find(([below]) => Math.abs(seconds) < below);
  const count = Math.floor(Math.abs(seconds) / size);
  if (count === 0) return "just now";
  return seconds < 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`;
}
