// Whose key this tab works with. It is kept in the tab's sessionStorage, and nowhere else.
import { authorizeWith, get } from "./api.js";
import { observable } from "./emitter.js";

const STORED = "ringback.console.session";
const CHECKS = { tenant: "/v1/tenant", admin: "/v1/admin/tenants?limit=1" };

const session = observable(stored());
const farewell = observable("");

// null, or {kind: "tenant" | "admin", key, name}.
export const current = session.get;
// Calls listener(session) whenever somebody logs in or out; returns what ends that.
export const followSession = session.follow;
// Why the last session ended, empty when it ended as it was asked to.
export const lastWords = farewell.get;

// Tries the key and makes it the session's; raises ApiProblem.
export async function logIn(kind, key) {
  const [path, query] = CHECKS[kind].split("?");
  const told = await get(path, { key, query: Object.fromEntries(new URLSearchParams(query)) });
  const made = { kind, key, name: kind === "tenant" ? (told?.name ?? "") : "Admin" };
  sessionStorage.setItem(STORED, JSON.stringify(made));
  farewell.set("");
  session.set(made);
}

// Forgets the key; `why` is shown on the login page.
export function logOut(why = "") {
  sessionStorage.removeItem(STORED);
  farewell.set(why);
  session.set(null);
}

function stored() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(STORED));
    return kept && kept.kind in CHECKS && typeof kept.key === "string" ? kept : null;
  } catch {
    return null;
  }
}

authorizeWith({
  key: () => current()?.key ?? "",
  refused: () => logOut("The key is not valid any more. Log in with another one."),
});
