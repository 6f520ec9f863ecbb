// Reads Server-Sent Events from a response: EventSource cannot send an Authorization header.

const LONGEST_FRAME = 1_000_000;

// Yields {id, event, data, retry, comment} for each frame and each comment; `id` and `retry` are null when not told.
// Returns at the end of the body, and raises Error when a frame is longer than a sender would make one.
export async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let frame = blank();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      // A return at the end may be the first half of one line's end.
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      if (rest.length > LONGEST_FRAME) throw new Error("a line has no end");
      for (const line of lines) {
        if (line === "") {
          if (frame.told) yield finished(frame);
          frame = blank();
        } else if (line.startsWith(":")) {
          yield { ...finished(blank()), comment: true };
        } else {
          note(frame, line);
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function blank() {
  return { id: null, event: "message", data: [], retry: null, told: false, length: 0 };
}

function finished({ id, event, data, retry }) {
  return { id, event, data: data.join("\n"), retry, comment: false };
}

function note(frame, line) {
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  frame.told = true;
  frame.length += line.length;
  if (frame.length > LONGEST_FRAME) throw new Error("a frame has no end");
  if (name === "id" && !value.includes("\0")) frame.id = value;
  if (name === "event") frame.event = value;
  if (name === "data") frame.data.push(value);
  if (name === "retry" && /^\d+$/.test(value)) frame.retry = Number(value);
}
