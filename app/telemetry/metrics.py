"""Every metric, in one table; docs/metrics.md explains them to operators, and a test holds the two together.

Labels come from small fixed sets; no id, host, tenant or connector is ever a label, nor anything that a client, an
upstream or a receiver could choose. What is counted thousands of times a second is bound to its labels where it is
counted: that costs as much as all the rest of counting.
"""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from app.telemetry.fading import FadingGauge

# When each series was begun, as a series of its own: a third more of them, and nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call] # it has no types

_HTTP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15)
_LATENESS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60)
_LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_ROUND_TRIP_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 3)
_REQUEST_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# A worker looks once a second, and is late by a Redis' time-out at most while it lives.
_LOOK_SECONDS = 6.0
# Vital signs are read every 30 seconds at the latest (RINGBACK_VITAL_SIGNS_SECONDS), in three seconds at most.
_SIGN_SECONDS = 40.0

# Polling.
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
EVENTS = Counter("ringback_events_total", "Events written, by type; other for statuses nobody told us of.", ["type"])
CALLS_LOST = Counter("ringback_calls_lost_total", "Calls that could not be followed to their end.", ["reason"])

# Delivering.
ATTEMPTS = Counter("ringback_delivery_attempts_total", "Attempts to deliver, by what they led to.", ["outcome"])
ATTEMPT_SECONDS = Histogram("ringback_delivery_attempt_seconds", "Time of one attempt.", buckets=_HTTP_BUCKETS)
BREAKERS = Counter("ringback_breaker_changes_total", "Circuit breakers that opened, or closed again.", ["to"])
HELD_BACK = Counter(
    "ringback_deliveries_held_back_total", "Deliveries put off for their destination's sake.", ["reason"]
)
EVENT_LATENCY = Histogram(
    "ringback_event_latency_seconds",
    "From the transition, by the upstream's time, to when a receiver accepted its event.",
    buckets=_LATENCY_BUCKETS,
)
DELIVERY_LATENCY = Histogram(
    "ringback_delivery_latency_seconds",
    "From when an event was observed to when a receiver accepted it.",
    buckets=_LATENCY_BUCKETS,
)

# Claims, in both loops.
CLAIMS = Counter("ringback_claims_total", "Claims of what fell due.", ["loop"])
LEASES_LOST = Counter(
    "ringback_leases_lost_total",
    "Claims left to be claimed again, since their lease had gone or what came of them could not be recorded.",
    ["loop"],
)
STALE = Counter("ringback_stale_records_total", "Records refused because another worker was faster.", ["loop"])
IN_FLIGHT = Gauge("ringback_in_flight", "What this worker holds claimed at this moment.", ["loop"])
IDLE = Gauge("ringback_idle_seconds", "For how long this worker has not got on; liveness judges by it.", ["loop"])
DUE = FadingGauge(
    "ringback_due", "What was due within the next second when this worker last looked.", ["loop"], _LOOK_SECONDS
)

# The vital signs of the whole installation: every process shows the same.
LAG = FadingGauge(
    "ringback_lag_seconds",
    "For how long the oldest of what is due has waited to be claimed; 0 when nothing is overdue.",
    ["loop"],
    _SIGN_SECONDS,
)
LIVE_CALLS = FadingGauge(
    "ringback_live_calls",
    "Calls that are followed: their number is exact, the share of each phase that of a random sample.",
    ["phase"],
    _SIGN_SECONDS,
)
DESTINATIONS = FadingGauge(
    "ringback_destinations",
    "Tenants' destinations in trouble: whose breaker is open, or that failed last time.",
    ["breaker"],
    _SIGN_SECONDS,
)
QUEUE_DEPTH = FadingGauge("ringback_queue_depth", "Jobs that wait or run in arq's queue.", ["queue"], _SIGN_SECONDS)
REDIS_UP = FadingGauge("ringback_redis_up", "1 when Redis answered when it was last asked.", ["redis"], _SIGN_SECONDS)
REDIS_MEMORY = FadingGauge(
    "ringback_redis_memory_bytes", "Memory that Redis uses; of a cluster its fullest master.", ["redis"], _SIGN_SECONDS
)
REDIS_MEMORY_LIMIT = FadingGauge(
    "ringback_redis_memory_limit_bytes", "Memory that the same Redis may use; 0 for no limit.", ["redis"], _SIGN_SECONDS
)
REDIS_EVICTED = FadingGauge(
    "ringback_redis_evicted_keys", "Keys that Redis has evicted since its start.", ["redis"], _SIGN_SECONDS
)
REDIS_UNSAFE = FadingGauge(
    "ringback_redis_unsafe", "1 when this Redis could lose data for that reason.", ["redis", "reason"], _SIGN_SECONDS
)
ROUND_TRIP = Histogram(
    "ringback_redis_round_trip_seconds",
    "Time of one small question to Redis, asked with the vital signs.",
    ["redis"],
    buckets=_ROUND_TRIP_BUCKETS,
)

# The API.
REGISTRATIONS = Counter("ringback_registrations_total", "Registrations, by whether they were new.", ["created"])
HTTP_REQUESTS = Counter(
    "ringback_http_requests_total", "Requests answered, by the template of their route.", ["method", "route", "status"]
)
HTTP_SECONDS = Histogram(
    "ringback_http_request_seconds",
    "Time from a request's header to its answer's header.",
    ["route"],
    buckets=_REQUEST_BUCKETS,
)
STREAMS = Gauge("ringback_streams", "Streams of events that are open.")
STREAMS_CUT = Counter(
    "ringback_streams_cut_total",
    "Streams that were ended before their call or by something else than their reader.",
    ["reason"],
)

BUILD_INFO = Gauge("ringback_build_info", "1; the labels say what runs.", ["version", "python", "role"])
