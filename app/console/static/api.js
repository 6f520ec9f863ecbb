// Requests to the API. Whatever goes wrong is an ApiProblem with words for a person.

// Found from this module's own address, so that it also works behind a prefix.
const BASE = new URL("../../", import.meta.url);
const TIMEOUT_MS = 30_000;

let keyOf = () => "";
let onRefused = () => {};

// Says where the key comes from, and what is to happen when the API does not take it.
export function authorizeWith({ key, refused }) {
  keyOf = key;
  onRefused = refused;
}

// What went wrong. `status` is 0 when there was no answer; `errors` are [{field, message}]; `retryAfter` is in seconds
// or null; `requestId` is empty when there was no answer.
export class ApiProblem extends Error {
  constructor({ status = 0, title, detail = "", errors = [], requestId = "", retryAfter = null }) {
    super(detail || title);
    this.name = "ApiProblem";
    Object.assign(this, { status, title, detail, errors, requestId, retryAfter });
  }

  // The message about one field of a form, empty if there is none.
  errorOf(field) {
    return this.errors.find((one) => one.field === field)?.message ?? "";
  }
}

// A path with its parts encoded: at`/v1/calls/${sid}`.
export function at(texts, ...parts) {
  return texts.map((text, index) => text + (index < parts.length ? encodeURIComponent(parts[index]) : "")).join("");
}

// Sends a request and returns the response, whose status is 2xx; raises ApiProblem otherwise.
// options: query (empty values are left out), body (becomes JSON), headers, signal, key (in place of the session's).
export async function open(method, path, { query, body, headers = {}, signal, key } = {}) {
  const used = key ?? keyOf();
  const response = await answered(addressOf(path, query), {
    method,
    headers: {
      ...(used ? { Authorization: `Bearer ${used}` } : {}),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
    cache: "no-store",
    credentials: "omit",
    redirect: "error",
  });
  if (response.ok) return response;
  const problem = await problemOf(response);
  // A key that is only tried is nobody's session, nor is one that a newer session has replaced.
  if (problem.status === 401 && key === undefined && used === keyOf()) onRefused(problem);
  throw problem;
}

// Sends a request and returns {status, data}: the decoded JSON, null when the answer is empty. The options are those of
// open().
export async function answerOf(method, path, options = {}) {
  const patience = AbortSignal.timeout(TIMEOUT_MS);
  const signal = options.signal ? AbortSignal.any([options.signal, patience]) : patience;
  const response = await open(method, path, { ...options, signal });
  const text = await read(response, signal);
  if (!text) return { status: response.status, data: null };
  try {
    return { status: response.status, data: JSON.parse(text) };
  } catch {
    throw unreadable(response);
  }
}

// Sends a request and returns its data, see answerOf().
export const request = async (method, path, options) => (await answerOf(method, path, options)).data;

export const get = (path, options) => request("GET", path, options);
export const post = (path, body, options) => request("POST", path, { ...options, body });
export const patch = (path, body, options) => request("PATCH", path, { ...options, body });
export const remove = (path, options) => request("DELETE", path, options);

// Returns one page of a list, {items, next_cursor}.
export const page = (path, { query, cursor, limit, signal } = {}) =>
  get(path, { query: { ...query, limit, cursor }, signal });

function addressOf(path, query = {}) {
  const address = new URL(path.replace(/^\/+/, ""), BASE);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") address.searchParams.append(name, one);
    }
  }
  return address;
}

async function answered(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    throw lost(error, options.signal);
  }
}

async function read(response, signal) {
  try {
    return await response.text();
  } catch (error) {
    throw lost(error, signal);
  }
}

// An AbortError of the caller's own signal stays what it is.
function lost(error, signal) {
  if (error.name === "TimeoutError" || signal?.reason?.name === "TimeoutError") {
    return new ApiProblem({ title: "No answer", detail: `Ringback has not answered within ${TIMEOUT_MS / 1000} s.` });
  }
  if (error.name === "AbortError") return error;
  return new ApiProblem({
    title: "Not reachable",
    detail: "Ringback cannot be reached. Check the network, then try again.",
  });
}

async function problemOf(response) {
  let document = {};
  try {
    document = (await response.json()) ?? {};
  } catch {
    // Something between here and Ringback answered in words of its own.
  }
  const retryAfter = secondsOf(response.headers.get("Retry-After"));
  const detail = typeof document.detail === "string" ? document.detail : "";
  const wait = retryAfter === null || ![429, 503].includes(response.status) ? "" : `Try again in ${retryAfter} s.`;
  return new ApiProblem({
    status: response.status,
    title: typeof document.title === "string" ? document.title : `Answered with status ${response.status}`,
    detail: [detail, wait].filter(Boolean).join(" "),
    errors: Array.isArray(document.errors) ? document.errors : [],
    requestId: response.headers.get("X-Request-Id") ?? "",
    retryAfter,
  });
}

function unreadable(response) {
  return new ApiProblem({
    status: response.status,
    title: "Not understood",
    detail: "The answer is not JSON. Something between this browser and Ringback may have replaced it.",
    requestId: response.headers.get("X-Request-Id") ?? "",
  });
}

// Retry-After is a number of seconds or a date.
function secondsOf(value) {
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((Date.parse(value) - Date.now()) / 1000);
  return Number.isFinite(seconds) ? Math.max(seconds, 0) : null;
}
