// Every page: its pattern, whose key it needs, its component, and its name in the navigation if it is there.
//
// A page gets {params, query}: the named parts of its pattern, decoded, and the URLSearchParams behind the question mark.
import { Call } from "./pages/call.js";
import { Calls } from "./pages/calls.js";
import { NewSubscription } from "./pages/new_subscription.js";
import { Subscription } from "./pages/subscription.js";
import { Subscriptions } from "./pages/subscriptions.js";
import { Test } from "./pages/test.js";

export const routes = [
  { pattern: "/calls", kind: "tenant", page: Calls, nav: "Calls" },
  { pattern: "/calls/:sid", kind: "tenant", page: Call },
  { pattern: "/subscriptions", kind: "tenant", page: Subscriptions, nav: "Subscriptions" },
  { pattern: "/subscriptions/new", kind: "tenant", page: NewSubscription },
  { pattern: "/subscriptions/:id", kind: "tenant", page: Subscription },
  { pattern: "/test", kind: "tenant", page: Test, nav: "Test event" },
];

// Where a session begins.
export function homeOf(session) {
  return session.kind === "admin" ? "/admin" : "/calls";
}
