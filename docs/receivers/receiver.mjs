// Receives Ringback's events: verifies each, stores it once, answers, and works on it afterwards.
//
//     WEBHOOK_SECRETS="whsec_…" WEBHOOK_INBOX=inbox PORT=9000 node receiver.mjs
//
// The inbox is a folder, and belongs to one process. Each event is a file, with its webhook-id for a name, which
// waits in `waiting` and ends in `done`. Once a day: find inbox/done -mtime +30 -delete
// Node 20.10 or newer.
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { access, link, mkdir, open, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const INBOX = process.env.WEBHOOK_INBOX ?? "inbox";
const [DRAFTS, WAITING, DONE] = ["drafts", "waiting", "done"].map((name) => join(INBOX, name));
// Separated by spaces: while a secret is being rotated, the new one and the old one.
const SECRETS = (process.env.WEBHOOK_SECRETS ?? "").split(/\s+/).filter(Boolean);
const KEYS = SECRETS.map((secret) => Buffer.from(secret.replace(/^whsec_/, ""), "base64"));
const TOLERANCE_SECONDS = 300;
const MAX_BODY_BYTES = 65_536; // an event is below 20 kB
const RETRY_MS = 5_000; // before an event whose work failed is worked on again
if (!KEYS.length || KEYS.some((key) => key.length < 24)) {
  // An empty key would accept what anybody signs.
  throw new Error("WEBHOOK_SECRETS must hold signing secrets: whsec_…, separated by spaces");
}

/** Do your work here. After a crash in the middle it is called with the same event again. */
async function handle(event) {
  console.log(event.data.call_sid, event.data.sequence, event.type);
}

/** Whether any of the signatures was made with any of our secrets, and lately. */
function genuine(id = "", sentAt = "", signatures = "", body) {
  // The id becomes a file's name. What is old may be a recording.
  if (!/^[A-Za-z0-9_-]{1,100}$/.test(id) || !/^[0-9]{1,12}$/.test(sentAt)) return false;
  if (Math.abs(Date.now() / 1000 - Number(sentAt)) > TOLERANCE_SECONDS) return false;
  const sign = (key) => createHmac("sha256", key).update(`${id}.${sentAt}.`).update(body).digest("base64");
  const expected = KEYS.map((key) => Buffer.from(`v1,${sign(key)}`));
  const offered = signatures.split(" ").map((one) => Buffer.from(one));
  // timingSafeEqual takes equally long whatever differs, and so tells nothing of the right signature.
  const same = (one, ours) => one.length === ours.length && timingSafeEqual(one, ours);
  return offered.some((one) => expected.some((ours) => same(one, ours)));
}

const exists = (path) => access(path).then(() => true, () => false);

/** Put an event into the inbox, unless it is there. It is on the disk when this returns. */
async function store(id, body) {
  if (await exists(join(DONE, id))) return;
  // It gets its name when it is complete: a crash leaves half a draft, and never half an event.
  const draft = join(DRAFTS, randomUUID());
  await writeFile(draft, body, { flag: "wx", flush: true });
  await link(draft, join(WAITING, id)).catch((error) => {
    if (error.code !== "EEXIST") throw error; // else it is a repetition
  });
  const folder = await open(WAITING);
  await folder.sync().finally(() => folder.close()); // the name too
  await rm(draft);
}

/** Work on what waits, each call's events in their order. A failure holds up its own call, and no other. */
async function workOnce() {
  const waiting = [];
  for (const id of await readdir(WAITING)) {
    waiting.push({ id, event: JSON.parse(await readFile(join(WAITING, id), "utf8")) });
  }
  waiting.sort((one, other) => (one.event.data.sequence ?? 0) - (other.event.data.sequence ?? 0));
  const heldUp = new Set();
  for (const { id, event } of waiting) {
    if (heldUp.has(event.data.call_sid)) continue;
    try {
      // It may have come again just when it was done.
      if (!(await exists(join(DONE, id)))) await handle(event);
      await rename(join(WAITING, id), join(DONE, id));
    } catch (error) {
      console.error(`${id} is to be worked on again:`, error);
      heldUp.add(event.data.call_sid);
    }
  }
}

let wake;

async function workForEver() {
  for (;;) {
    const news = new Promise((resolve) => (wake = resolve)); // before looking, so that nothing is missed
    await workOnce().catch((error) => console.error("the inbox cannot be worked on:", error));
    const timer = setTimeout(wake, RETRY_MS);
    await news;
    clearTimeout(timer);
  }
}

/** The status to answer a request with. */
async function receive(request) {
  if (request.url !== "/hooks/calls") return 404;
  if (request.method !== "POST") return 405;
  const chunks = []; // the raw bytes: what a parser reads and writes again has another signature
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk); // what is too long is read, and thrown away
  }
  if (size > MAX_BODY_BYTES) return 413;
  const body = Buffer.concat(chunks);
  const id = request.headers["webhook-id"];
  if (!genuine(id, request.headers["webhook-timestamp"], request.headers["webhook-signature"], body)) return 401;
  try {
    await store(id, body);
  } catch (error) {
    console.error(`${id} could not be stored:`, error);
    return 503; // so that it is sent again
  }
  wake();
  return 204;
}

await rm(DRAFTS, { recursive: true, force: true }); // those of a crash
for (const folder of [DRAFTS, WAITING, DONE]) await mkdir(folder, { recursive: true });
workForEver();
const server = createServer((request, response) => {
  receive(request).then(
    (status) => response.writeHead(status, status === 405 ? { allow: "POST" } : {}).end(),
    () => response.destroy(), // whoever asked has gone
  );
});
server.requestTimeout = 15_000;
server.listen(Number(process.env.PORT ?? 9000));
