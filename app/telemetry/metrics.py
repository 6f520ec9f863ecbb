"""Every metric, in one table. Labels come from small fixed sets; no id is ever a label."""

from prometheus_client import Counter, Gauge, Histogram

_HTTP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
_LATENESS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)

POLLS = Counter("ringback_polls_total", "Polls by what the upstream answered.", ["outcome"])
POLL_SECONDS = Histogram("ringback_poll_seconds", "Time of one poll at the upstream.", buckets=_HTTP_BUCKETS)
POLL_LATENESS = Histogram(
    "ringback_poll_lateness_seconds", "How long after its due time a poll was sent.", buckets=_LATENESS_BUCKETS
)
POLLS_PUT_OFF = Counter(
    "ringback_polls_put_off_total",
    "Polls put off: for the budget's sake, or because the upstream fails for everybody and is probed, or recovers.",
    ["reason"],
)
BUDGET_SHORT = Gauge(
    "ringback_upstream_budget_short_seconds",
    "How short the shortest budget of polls is: how late polls of calls that were not answered yet begin, and by how"
    " much calls in progress are stretched.",
    ["calls"],
)
UPSTREAM_STATE = Gauge("ringback_upstream_state", "1 for how the upstream is doing in this worker's eyes.", ["state"])
EVENTS = Counter("ringback_events_total", "Events written, by whether they end their call.", ["final"])
STALE = Counter("ringback_stale_records_total", "Records refused because another worker was faster.", ["loop"])
ATTEMPTS = Counter("ringback_delivery_attempts_total", "Attempts to deliver, by what they led to.", ["outcome"])
ATTEMPT_SECONDS = Histogram("ringback_delivery_attempt_seconds", "Time of one attempt.", buckets=_HTTP_BUCKETS)
BREAKERS = Counter("ringback_breaker_changes_total", "Circuit breakers that opened, or closed again.", ["to"])
HELD_BACK = Counter(
    "ringback_deliveries_held_back_total", "Deliveries put off for their destination's sake.", ["reason"]
)
EVENT_LATENCY = Histogram(
    "ringback_event_latency_seconds",
    "From when an event was observed to when its receiver accepted it.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600),
)
IN_FLIGHT = Gauge("ringback_in_flight", "What this worker holds claimed at this moment.", ["loop"])
DUE = Gauge("ringback_due", "What was due within the next second when this worker last looked.", ["loop"])
REGISTRATIONS = Counter("ringback_registrations_total", "Registrations, by whether they were new.", ["created"])
