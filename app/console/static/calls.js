// What pages say of a call as the API shows it: which one it is, what state it is in, what an event changes of it.
import { at } from "./api.js";
import { link } from "./router.js";

const REASONS = {
  not_found: "the platform does not know it",
  expired: "the platform forgot it before its end was seen",
  unauthorized: "the platform does not take the connector",
  invalid_call_sid: "the platform takes its SID for none",
  watch_expired: "it was followed for as long as calls are, and had not ended",
};

export const keyOf = (call) => JSON.stringify([call.account_id, call.project_id, call.call_sid]);

// The address of its page; of a subscription's or an event's call, too.
export function placeOf({ call_sid, account_id, project_id }) {
  return link(at`/calls/${call_sid}`, { account_id, project_id });
}

export function statusOf(call) {
  if (call.final_event === "call.lost") return "lost";
  return call.status ?? "waiting";
}

// Why it was lost, empty if it was not.
export const lossOf = (call) => (call.lost_reason ? (REASONS[call.lost_reason] ?? call.lost_reason) : "");

// How many seconds it has lasted at `now` (milliseconds), null when nobody can know.
export function ageOf(call, now) {
  if (call.final_event === "call.lost") return null;
  const began = Date.parse(call.created_at ?? call.polling.watched_since);
  const until = call.final_event ? Date.parse(call.last_updated) : now;
  return Number.isNaN(until - began) ? null : Math.max((until - began) / 1000, 0);
}

// The call with what an event tells of it. An event that arrives late changes nothing.
export function changed(call, { type, data }) {
  if (keyOf(call) !== keyOf(data) || call.final_event) return call;
  if (call.last_updated && Date.parse(data.occurred_at) < Date.parse(call.last_updated)) return call;
  const final = data.final ? { final_event: type, lost_reason: data.reason ?? null } : {};
  const told = type === "call.lost" ? {} : { status: data.status, last_updated: data.occurred_at };
  return { ...call, ...told, ...final };
}
