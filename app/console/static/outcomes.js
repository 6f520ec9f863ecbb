// What a receiver answered, or why there was no answer, in words.

const WORDS = {
  timeout: "no complete answer in time",
  dns: "the host name has no address",
  address_not_allowed: "the host leads to an address that is not allowed",
  proxy: "the proxy did not pass it on",
  connect: "nobody accepted the connection",
  tls: "no agreement on TLS",
  reset: "the connection ended before the answer was complete",
  protocol: "what came back was not HTTP",
  destination_down: "not tried, since nothing arrived at this destination",
};

// An error as the API names it; destinations name a status in the same place.
export function errorWords(error) {
  if (/^\d{3}$/.test(error)) return `answered with ${error}`;
  return WORDS[error] ?? error;
}

// {words, good} of an attempt, null where there was none.
export function outcomeOf(statusCode, error) {
  if (statusCode) return { words: String(statusCode), good: statusCode >= 200 && statusCode < 300 };
  return error ? { words: errorWords(error), good: false } : null;
}
