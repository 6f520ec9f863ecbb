"""What a request is called where it is counted, timed, told of or traced: by its route, never by its address.

An address holds SIDs, ids and whatever a client puts there; the templates of routes are few.
"""

from starlette.routing import Mount, Route
from starlette.types import Scope

OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def is_probe(scope: Scope) -> bool:
    """Whether it is one of those that come every few seconds, and say nothing."""
    return scope["path"] in _PROBES


def route_of(scope: Scope) -> str:
    """Return the route that a request took, such as `/v1/calls/{call_sid}`; `other` where there is none.

    Known once the application has routed it. Routers of FastAPI say it themselves.
    """
    if "route" in scope:
        path: str = scope["route"].path
        return path
    for one in scope["app"].routes:
        if isinstance(one, Mount) and scope.get("endpoint") is one.app:
            return f"{one.path}/{{path}}"
        if isinstance(one, Route) and scope.get("endpoint") is one.endpoint:
            return one.path
    return OTHER
