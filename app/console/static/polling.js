// Looking again by the clock, where the live stream does not tell what has changed.
import { useEffect, useRef } from "./ui.js";

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
const GROWTH = 1.3;

// Calls reload() every so many seconds, and not while nobody looks at the page.
export function useEvery(seconds, reload) {
  useEffect(() => {
    const look = () => document.hidden || reload();
    const timer = setInterval(look, seconds * 1000);
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", look);
    };
  }, [seconds, reload]);
}

// While `waiting`, reloads {loading, reload} a second after the last answer, and then less and less often. The pauses
// begin again with another `since`, such as how often something was sent.
export function useWatch(waiting, { loading, reload }, since = 0) {
  const pause = useRef(FIRST_PAUSE_MS);
  useEffect(() => {
    pause.current = FIRST_PAUSE_MS;
  }, [waiting, since]);
  useEffect(() => {
    if (!waiting || loading) return undefined;
    const timer = setTimeout(() => {
      pause.current = Math.min(pause.current * GROWTH, LONGEST_PAUSE_MS);
      reload();
    }, pause.current);
    return () => clearTimeout(timer);
  }, [waiting, since, loading, reload]);
}

// Returns what calls `action` once, a moment after the first of several calls.
export function useGathered(action, waitMs = 500) {
  const latest = useRef(action);
  latest.current = action;
  const timer = useRef(null);
  useEffect(() => () => clearTimeout(timer.current), []);
  return () => {
    timer.current ??= setTimeout(() => {
      timer.current = null;
      latest.current();
    }, waitMs);
  };
}
