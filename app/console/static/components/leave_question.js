import { followQuestion } from "../leaving.js";
import { html, useEffect, useState } from "../ui.js";
import { Confirm } from "./confirm.js";

// Asks whether to leave when something would be lost by it; shows nothing otherwise.
export function LeaveQuestion() {
  const [asked, setAsked] = useState(null);
  useEffect(() => followQuestion(setAsked), []);
  if (!asked) return null;
  return html`<${Confirm} title="Leave this page?" text=${asked.text} action="Leave" onConfirm=${asked.leave} onCancel=${asked.stay} />`;
}
