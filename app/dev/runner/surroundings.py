"""Where everything is during a run, and what the children are told."""

import hashlib
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.dev.embedded_redis import HOST, free_port
from app.dev.runner.children import ChildPlan
from app.dev.runner.errors import MissingUpstream
from app.dev.runner.home import Kept
from app.dev.simulator import DEMO_ACCOUNT

# A talk of a minute and a half, the mean of what the simulator plans, takes half a minute.
_TIME_LAPSE = 3.0
_SOURCE_ROOT = Path(__file__).resolve().parents[3]
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Upstream:
    """Whose calls are followed. A `simulator_port` of None is the real upstream."""

    base_url: str
    account_id: str
    project_id: str
    connector_id: str = field(repr=False)
    simulator_port: int | None

    @property
    def fingerprint(self) -> str:
        """A name for these credentials that tells nothing of them."""
        names = (self.account_id, self.project_id, self.connector_id)
        return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Every address of a run."""

    upstream: Upstream
    api_port: int
    wanted_api_port: int
    listener_port: int
    poll_port: int
    deliver_port: int

    @property
    def api_url(self) -> str:
        return _url(self.api_port)

    @property
    def callback_url(self) -> str:
        return f"{_url(self.listener_port)}/events"

    @property
    def metrics(self) -> tuple[tuple[str, str], ...]:
        ports = (("API", self.api_port), ("poll worker", self.poll_port), ("deliver worker", self.deliver_port))
        return tuple((name, f"{_url(port)}/metrics") for name, port in ports)


def real_upstream(environment: Mapping[str, str]) -> Upstream | None:
    """Return the upstream that the environment names, or None when it names none. Raises MissingUpstream."""
    base_url = environment.get("RINGBACK_UPSTREAM_BASE_URL", "").rstrip("/")
    if not base_url:
        return None
    names = [f"RINGBACK_DEV_{name}_ID" for name in ("ACCOUNT", "PROJECT", "CONNECTOR")]
    if missing := [name for name in names if not environment.get(name)]:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingUpstream(f"RINGBACK_UPSTREAM_BASE_URL is set, but {', '.join(missing)} {verb} missing.")
    account_id, project_id, connector_id = (environment[name] for name in names)
    return Upstream(base_url, account_id, project_id, connector_id, None)


def choose(upstream: Upstream | None, *, api_port: int, listener_port: int) -> Surroundings:
    """Choose ports that are free at this moment; those that were wanted where that is possible.

    The listener keeps its port from run to run: what was subscribed in the last one still finds it.
    """
    taken: set[int] = set()

    def port(wanted: int = 0) -> int:
        chosen = wanted if wanted and wanted not in taken and _is_free(wanted) else free_port()
        while chosen in taken:
            chosen = free_port()
        taken.add(chosen)
        return chosen

    api, listener = port(api_port), port(listener_port)
    if upstream is None:
        simulator = port()
        account = DEMO_ACCOUNT
        upstream = Upstream(
            _url(simulator), account.account_id, account.project_id, account.connector_ids[0], simulator
        )
    return Surroundings(upstream, api, api_port, listener, port(), port())


def children(around: Surroundings) -> list[ChildPlan]:
    """Return what to start."""
    plans = [
        ChildPlan(
            "api", "the API", ("api", "--host", HOST, "--port", str(around.api_port)), f"{around.api_url}/readyz"
        ),
        ChildPlan("poll", "the poll worker", ("worker", "poll"), f"{_url(around.poll_port)}/readyz", around.poll_port),
        ChildPlan(
            "deliver",
            "the deliver worker",
            ("worker", "deliver"),
            f"{_url(around.deliver_port)}/readyz",
            around.deliver_port,
        ),
    ]
    port = around.upstream.simulator_port
    if port is not None:
        words = ("simulate", "--host", HOST, "--port", str(port), "--time-lapse", f"{_TIME_LAPSE:g}")
        plans.insert(0, ChildPlan("simulator", "the simulator", words, f"{_url(port)}/simulator/polls", last=True))
    return plans


def settings(kept: Kept, around: Surroundings, redis_url: str) -> dict[str, str]:
    """Return the settings that a run decides, prefix included; the others are the user's."""
    return {
        "RINGBACK_REDIS_URL": redis_url,
        "RINGBACK_QUEUE_REDIS_URL": "",
        "RINGBACK_UPSTREAM_BASE_URL": around.upstream.base_url,
        "RINGBACK_ADMIN_KEY": kept.admin_key,
        "RINGBACK_ENCRYPTION_KEYS": kept.encryption_keys,
        "RINGBACK_ALLOW_PRIVATE_CALLBACKS": "true",
        "RINGBACK_ALLOW_HTTP_CALLBACKS": "true",
        "RINGBACK_CALLBACK_PORTS": "*",
        # No proxy finds the listener on this machine.
        "RINGBACK_EGRESS_PROXY_URL": "",
    }


def environment(decided: Mapping[str, str]) -> dict[str, str]:
    """Return the children's environment: they find the code that this process runs, wherever it was started."""
    path = os.pathsep.join(part for part in (str(_SOURCE_ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, **decided, "PYTHONPATH": path}


def command(words: tuple[str, ...]) -> list[str]:
    """Return the command of a child. With -P a folder `app` where the user happens to be is not taken for ours."""
    return [sys.executable, "-P", "-m", "app.cli", *words]


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


def _is_free(port: int) -> bool:
    if not 0 < port <= _MAX_PORT:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
