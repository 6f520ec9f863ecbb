// The tab's one live stream of the tenant's events (GET /v1/stream), shared by everything that shows them.
//
// It begins with a tenant's session and ends with it. A broken one is opened again, behind the last event that arrived,
// after a pause that grows. Listeners get each event once; where some may have been missed they are told of a gap, and
// ask the API again.
import { ApiProblem, open } from "./api.js";
import { observable } from "./emitter.js";
import { frames } from "./sse.js";
import { current, followSession, logOut } from "./session.js";

const LONGEST_PAUSE_MS = 30_000;
// Three heartbeats of the server.
const SILENCE_MS = 45_000;
const REMEMBERED = 1000;

// "off" without a tenant's session, "connecting", "live", "broken" (it is tried again), "too-many" (the tenant has as
// many streams open as it may; it is tried again), "missing" (this server has no stream; it is not tried again).
const state = observable("off");
export const streamState = state.get;
export const followStreamState = state.follow;

const listeners = new Set();

// Calls listener({kind: "event", id, type, event}) with a CallEvent as in GET /v1/calls/{call_sid}/events, and
// listener({kind: "gap", reason}) when events may have been missed. Returns what ends that.
export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

// The stream under way: {stopped, lastId, seen, retryMs, failures, opened, wake}.
let running = null;

export function startStream() {
  followSession(follow);
  window.addEventListener("online", () => running?.wake());
  follow(current());
}

function follow(session) {
  running?.stopped.abort();
  running = null;
  if (session?.kind !== "tenant") {
    state.set("off");
    return;
  }
  running = {
    stopped: new AbortController(),
    lastId: "",
    seen: new Set(),
    retryMs: 3000,
    failures: 0,
    opened: false,
    wake: () => {},
  };
  keep(running);
}

async function keep(run) {
  while (!run.stopped.signal.aborted) {
    state.set("connecting");
    let wait = null;
    try {
      await listen(run);
      tell(run, "broken");
    } catch (error) {
      if (run.stopped.signal.aborted) return;
      if (error instanceof ApiProblem && [401, 404].includes(error.status)) {
        if (error.status === 404) tell(run, "missing");
        return;
      }
      wait = error.retryAfter ?? null;
      tell(run, error.status === 429 ? "too-many" : "broken");
    }
    run.failures += 1;
    await pause(run, wait);
  }
}

// Returns when the stream has ended, for whatever reason but an error.
async function listen(run) {
  const silence = new AbortController();
  const signal = AbortSignal.any([run.stopped.signal, silence.signal]);
  let timer = setTimeout(() => silence.abort(), SILENCE_MS);
  try {
    const headers = { Accept: "text/event-stream", ...(run.lastId ? { "Last-Event-ID": run.lastId } : {}) };
    const response = await open("GET", "/v1/stream", { headers, signal });
    tell(run, "live");
    // Without an id to go on from, what happened since the last stream is unknown.
    if (run.opened && !run.lastId) hand({ kind: "gap", reason: "reconnected" });
    run.opened = true;
    for await (const frame of frames(response.body)) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS);
      run.failures = 0;
      if (run.stopped.signal.aborted || !take(run, frame)) return;
    }
  } finally {
    clearTimeout(timer);
  }
}

// Whether the stream goes on behind this frame.
function take(run, frame) {
  if (frame.retry !== null) run.retryMs = Math.min(frame.retry, LONGEST_PAUSE_MS);
  if (frame.comment || !frame.data) return true;
  const told = JSON.parse(frame.data);
  if (frame.event === "stream.end") {
    if (told.reason === "key_revoked") logOut("The key has been revoked. Log in with another one.");
    return false;
  }
  if (frame.event === "stream.gap") {
    hand({ kind: "gap", reason: told.reason });
    return true;
  }
  if (frame.id) run.lastId = frame.id;
  if (!frame.id || run.seen.has(frame.id)) return true;
  run.seen.add(frame.id);
  if (run.seen.size > REMEMBERED) run.seen.delete(run.seen.values().next().value);
  hand({ kind: "event", id: frame.id, type: frame.event, event: told });
  return true;
}

function hand(message) {
  for (const listener of [...listeners]) {
    try {
      listener(message);
    } catch (error) {
      // One page's mistake does not cost the others the stream.
      console.error(error);
    }
  }
}

function tell(run, next) {
  if (!run.stopped.signal.aborted) state.set(next);
}

// Waits before the next try; a stream that was live is opened again after what the server asked for.
function pause(run, seconds) {
  const grown = Math.min(run.retryMs * 2 ** Math.max(run.failures - 1, 0), LONGEST_PAUSE_MS);
  // Spread out, since a server that is started anew is met by all its readers at once.
  const wait = seconds === null ? grown * (0.75 + Math.random() / 2) : seconds * 1000;
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait);
    run.wake = () => {
      clearTimeout(timer);
      resolve();
    };
    run.stopped.signal.addEventListener("abort", run.wake, { once: true });
  });
}
