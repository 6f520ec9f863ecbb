import { html } from "../ui.js";

const TONES = {
  good: ["completed", "delivered", "active"],
  bad: ["failed", "lost", "busy", "no-answer", "disabled", "failing", "open"],
  going: ["ringing", "in-progress", "pending", "probing"],
};

// A status in words; the colour only repeats what they say. What follows a colon does not change the tone.
export function StatusBadge({ status }) {
  const word = status.split(":")[0].toLowerCase();
  const tone = Object.keys(TONES).find((one) => TONES[one].includes(word)) ?? "quiet";
  return html`<span class="badge" data-tone=${tone}>${status}</span>`;
}
