// What pages stand on: resources that load and reload, lists, the live stream, the time, the title.
import { ApiProblem, get, page } from "./api.js";
import { observable } from "./emitter.js";
import { current, followSession } from "./session.js";
import { followStreamState, streamState, subscribe } from "./stream.js";
import { useCallback, useEffect, useRef, useState } from "./ui.js";

const MOST_EMPTY = 20;

// Returns the latest value of something observable.
export function useFollowed(read, follow) {
  const [value, setValue] = useState(read);
  useEffect(() => {
    setValue(() => read());
    return follow((next) => setValue(() => next));
  }, [read, follow]);
  return value;
}

export const useSession = () => useFollowed(current, followSession);
export const useStreamState = () => useFollowed(streamState, followStreamState);

export function useTitle(title) {
  useEffect(() => {
    document.title = `${title} · Ringback`;
  }, [title]);
}

// Calls the latest `listener` with every message of the live stream, see subscribe() in stream.js.
export function useStream(listener) {
  const latest = useRef(listener);
  latest.current = listener;
  useEffect(() => subscribe((message) => latest.current(message)), []);
}

// The fields of a form: {name: text}, which begin as `initial` and do so again with each other one. Returns
// [fields, set]; set(name) is what takes a field's new text.
export function useGiven(initial) {
  const origin = JSON.stringify(initial);
  const [state, setState] = useState({ origin, given: initial });
  const fresh = state.origin !== origin;
  // Set while it is drawn: an effect comes after the page is seen, and would take back what is typed until then.
  if (fresh) setState({ origin, given: initial });
  const set = (name) => (text) => setState((old) => ({ ...old, given: { ...old.given, [name]: text } }));
  return [fresh ? initial : state.given, set];
}

// Returns the ref of a form: with each new `refusal` the focus goes to the first of its fields that is wrong, if one is.
export function useFaultFocus(refusal) {
  const form = useRef(null);
  useEffect(() => form.current?.querySelector('[aria-invalid="true"]')?.focus(), [refusal]);
  return form;
}

// Reads `path` (null: nothing yet). Returns {data, problem, loading, reload}; while it is read again the old data stay.
export function useResource(path, query) {
  const asked = path === null ? null : JSON.stringify([path, query ?? {}]);
  return useLoading(asked, (signal) => {
    const [at, parameters] = JSON.parse(asked);
    return get(at, { query: parameters, signal });
  });
}

// Reads a list page by page. Returns {items, problem, loading, more, loadMore, reload, change}.
//
// keyOf(item) says which items are the same. reload() reads the first page again and keeps what was read of the others;
// change(items => items) changes what is shown, for what the live stream tells.
export function useList(path, { query, keyOf, limit = 50 }) {
  const asked = JSON.stringify([path, query ?? {}]);
  const [list, setList] = useState({ asked, items: [], cursor: null });
  const merge = useCallback((first) => {
    setList((old) => ({ asked, ...renewed(old.asked === asked ? old : null, first, keyOf) }));
    return first;
  }, [asked]);
  const first = useLoading(asked, async (signal) => merge(await filledPage(path, { query, limit, signal })));
  const [following, setFollowing] = useState({ loading: false, problem: null });
  const shown = list.asked === asked ? list : { items: [], cursor: null };

  async function loadMore() {
    setFollowing({ loading: true, problem: null });
    try {
      const next = await filledPage(path, { query, limit, cursor: shown.cursor });
      setList((old) => (old.asked === asked ? appended(old, next, keyOf) : old));
      setFollowing({ loading: false, problem: null });
    } catch (problem) {
      setFollowing({ loading: false, problem });
    }
  }

  return {
    items: shown.items,
    problem: first.problem ?? following.problem,
    loading: first.loading,
    loaded: first.data !== null,
    more: shown.cursor !== null,
    loadingMore: following.loading,
    loadMore,
    reload: first.reload,
    change: (how) => setList((old) => ({ ...old, items: how(old.items) })),
  };
}

// Runs load(signal) whenever `asked` is another one, and at each reload().
function useLoading(asked, load) {
  const [state, setState] = useState({ asked: null, data: null, problem: null, loading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (asked === null) return undefined;
    const stopped = new AbortController();
    setState((old) => (old.asked === asked ? { ...old, loading: true } : blank(asked)));
    load(stopped.signal).then(
      (data) => stopped.signal.aborted || setState({ asked, data, problem: null, loading: false }),
      (error) => {
        if (stopped.signal.aborted) return;
        if (!(error instanceof ApiProblem)) throw error;
        setState((old) => ({ ...old, problem: error, loading: false }));
      },
    );
    return () => stopped.abort();
  }, [asked, turn]);
  const reload = useCallback(() => setTurn((old) => old + 1), []);
  // What was read for another address is never shown for this one.
  return { ...(state.asked === asked ? state : blank(asked)), reload };
}

function blank(asked) {
  return { asked, data: null, problem: null, loading: asked !== null };
}

// A page may be empty and not be the last: so many of those are passed over at once.
async function filledPage(path, options) {
  let found = await page(path, options);
  for (let turn = 0; turn < MOST_EMPTY && found.items.length === 0 && found.next_cursor; turn += 1) {
    found = await page(path, { ...options, cursor: found.next_cursor });
  }
  return found;
}

// The first page, read again, before what is known of the others, unless too much is new for them to meet or there is
// no other any more.
function renewed(old, first, keyOf) {
  const keys = new Set(first.items.map(keyOf));
  const meets = old?.items.some((item) => keys.has(keyOf(item)));
  if (!meets || first.next_cursor === null) return { items: first.items, cursor: first.next_cursor };
  const last = old.items.findLastIndex((item) => keys.has(keyOf(item)));
  const rest = old.items.slice(last + 1);
  return { items: [...first.items, ...rest], cursor: rest.length ? old.cursor : first.next_cursor };
}

function appended(old, next, keyOf) {
  const keys = new Set(old.items.map(keyOf));
  const items = [...old.items, ...next.items.filter((item) => !keys.has(keyOf(item)))];
  return { ...old, items, cursor: next.next_cursor };
}

// One clock for all ages on the page.
const clock = observable(Date.now());
const readClock = clock.get;
const followClock = clock.follow;
setInterval(() => document.hidden || clock.set(Date.now()), 1000);
document.addEventListener("visibilitychange", () => clock.set(Date.now()));

// The time in milliseconds, renewed every second.
export const useNow = () => useFollowed(readClock, followClock);
