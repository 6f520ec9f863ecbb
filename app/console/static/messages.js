// What is said aloud to those who do not see the page change, and shown for a while to the others.
import { observable } from "./emitter.js";

const message = observable({ text: "", at: 0 });

export const followMessages = message.follow;

// Says `text` in the page's live region, once, without moving the focus.
export function announce(text) {
  message.set({ text, at: Date.now() });
}
