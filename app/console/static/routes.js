// Every page: its pattern, whose key it needs, its component, and its name in the navigation if it is there.
//
// A page gets {params, query}: the named parts of its pattern, decoded, and the URLSearchParams behind the question mark.
import { AdminOverview } from "./pages/admin.js";
import { AdminDestinations } from "./pages/admin_destinations.js";
import { Call } from "./pages/call.js";
import { Calls } from "./pages/calls.js";
import { Deliveries } from "./pages/deliveries.js";
import { Delivery } from "./pages/delivery.js";
import { Destinations } from "./pages/destinations.js";
import { NewSubscription } from "./pages/new_subscription.js";
import { Secrets } from "./pages/secrets.js";
import { Subscription } from "./pages/subscription.js";
import { Subscriptions } from "./pages/subscriptions.js";
import { Tenant } from "./pages/tenant.js";
import { Tenants } from "./pages/tenants.js";
import { Test } from "./pages/test.js";

// The first pattern that fits is meant.
export const routes = [
  { pattern: "/calls", kind: "tenant", page: Calls, nav: "Calls" },
  { pattern: "/calls/:sid", kind: "tenant", page: Call },
  { pattern: "/subscriptions", kind: "tenant", page: Subscriptions, nav: "Subscriptions" },
  { pattern: "/subscriptions/new", kind: "tenant", page: NewSubscription },
  { pattern: "/subscriptions/:id", kind: "tenant", page: Subscription },
  { pattern: "/deliveries", kind: "tenant", page: Deliveries, nav: "Deliveries" },
  { pattern: "/deliveries/:id", kind: "tenant", page: Delivery },
  { pattern: "/destinations", kind: "tenant", page: Destinations, nav: "Destinations" },
  { pattern: "/secrets", kind: "tenant", page: Secrets, nav: "Secrets" },
  { pattern: "/test", kind: "tenant", page: Test, nav: "Test event" },

  { pattern: "/admin", kind: "admin", page: AdminOverview, nav: "Overview" },
  { pattern: "/admin/tenants", kind: "admin", page: Tenants, nav: "Tenants" },
  { pattern: "/admin/tenants/:id", kind: "admin", page: Tenant },
  { pattern: "/admin/destinations", kind: "admin", page: AdminDestinations, nav: "Destinations" },
];

// Where a session begins.
export function homeOf(session) {
  return session.kind === "admin" ? "/admin" : "/calls";
}
