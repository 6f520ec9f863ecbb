// Every page: its pattern, whose key it needs, its component, and its name in the navigation if it is there.
//
// A page gets {params, query}: the named parts of its pattern, decoded, and the URLSearchParams behind the question mark.
import { Calls } from "./pages/calls.js";

export const routes = [
  { pattern: "/calls", kind: "tenant", page: Calls, nav: "Calls" },
];

// Where a session begins.
export function homeOf(session) {
  return session.kind === "admin" ? "/admin" : "/calls";
}
