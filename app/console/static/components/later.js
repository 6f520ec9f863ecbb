import { duration } from "../quantities.js";
import { html } from "../ui.js";
import { absolute } from "./time.js";

// A moment (RFC 3339) in UTC, and how long after another one it was if `than` is given.
export function Later({ at, than = "" }) {
  const moment = Date.parse(at);
  if (Number.isNaN(moment)) return at || "–";
  const seconds = (moment - Date.parse(than)) / 1000;
  // Where clocks differ it may seem earlier, which tells nothing.
  const told = seconds >= 0 && html` <span class="age">${duration(seconds)} later</span>`;
  return html`<time datetime=${at} title=${at}>${absolute(moment)}${told}</time>`;
}
