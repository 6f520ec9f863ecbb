// What would be lost by leaving a page, and the question that is asked before.
import { observable } from "./emitter.js";
import { useEffect } from "./ui.js";

// What is held, in words, and what is to be done should somebody leave all the same.
const held = new Set();
const question = observable(null);

// null, or {text, leave, stay}.
export const followQuestion = question.follow;

// While it is mounted, leaving asks first; `text` says what would be lost. Null holds nothing.
export function useHeld(text) {
  useEffect(() => {
    if (text === null) return undefined;
    const one = { text };
    const warn = (event) => event.preventDefault();
    held.add(one);
    window.addEventListener("beforeunload", warn);
    return () => {
      held.delete(one);
      window.removeEventListener("beforeunload", warn);
    };
  }, [text]);
}

// Calls go() at once, or once it is said that what is held may be lost. Returns whether it was done at once.
export function leave(go) {
  const [first] = held;
  if (!first) {
    go();
    return true;
  }
  question.set({
    text: first.text,
    leave() {
      held.clear();
      question.set(null);
      go();
    },
    stay: () => question.set(null),
  });
  return false;
}
