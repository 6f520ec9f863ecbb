"""The installation that faults happen to: two of each process, with links of their own, and the parties around it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx

from app.dev.embedded_redis import HOST, EmbeddedRedis
from app.dev.simulator import SimulatorSettings, create_simulator
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.e2e.stack import PACE, new_tenant, open_client
from tests.faults.clocks import stepped_by
from tests.faults.link import Link, open_link
from tests.faults.member import Kind, Member, new_member, supervised
from tests.faults.receivers import MoodyReceiver, TroubledUpstream
from tests.processes import environment
from tests.servers import serve
from tests.topologies import ask

_KINDS: tuple[Kind, ...] = ("api", "poll", "deliver")
_EACH = 2
_RECEIVERS = 3
# Whatever takes minutes in earnest takes seconds; how the service copes is left as it is.
SETTINGS: dict[str, object] = PACE | {
    "upstream_timeout_seconds": 2,
    "not_found_grace_seconds": 20,
    "delivery_timeout_seconds": 2,
    "delivery_retry_seconds": "0.3,0.5,1,1,2,2,2,3,3,3,3,3,5,5,5,5,5,5",
    "vital_signs_seconds": 2,
}


@dataclass
class Stage:
    """What can be broken. `to_receivers[n]` leads to `receivers[n]`; `members` are all processes."""

    folder: Path
    redis: EmbeddedRedis
    members: Sequence[Member]
    upstream: TroubledUpstream
    receivers: Sequence[MoodyReceiver]
    to_receivers: Sequence[Link]
    simulator_url: str
    api_key: str
    signing_secret: str

    def all_of(self, *kinds: Kind) -> list[Member]:
        return [one for one in self.members if one.kind in kinds]

    def one_of(self, chance: Random, *kinds: Kind) -> Member:
        """Choose a process of one of these kinds."""
        return chance.choice(self.all_of(*kinds))

    def with_own_clock(self, kind: Kind) -> Member:
        """Return the process of this kind whose clock can be stepped."""
        return next(one for one in self.all_of(kind) if one.clock)

    def ask_redis(self, *command: Any) -> Any:
        """Ask Redis, past all links."""
        return ask(self.redis.port, *command)

    async def probes(self, client: httpx.AsyncClient, path: str = "/readyz") -> dict[str, str]:
        """Return what each process says of itself."""
        return {one.name: await one.probe(client, path) for one in self.members}


@asynccontextmanager
async def open_stage(folder: Path, simulator: SimulatorSettings, **more: object) -> AsyncIterator[Stage]:
    """Start everything; `more` are Ringback's settings. Whatever ends is started again until the block is left."""
    async with AsyncExitStack() as stack:
        redis = EmbeddedRedis(folder / "redis", appendfsync="always")
        stack.callback(redis.kill)
        redis.start()
        upstream = TroubledUpstream(create_simulator(simulator))
        receivers = [MoodyReceiver() for _ in range(_RECEIVERS)]
        simulator_url = await stack.enter_async_context(serve(upstream))
        receiver_urls = [await stack.enter_async_context(serve(one)) for one in receivers]
        to_receivers = [await stack.enter_async_context(open_link(_port(url))) for url in receiver_urls]
        settings = environment(
            admin_key=ADMIN_KEY,
            encryption_keys=ENCRYPTION_KEY,
            allow_private_callbacks=True,
            allow_http_callbacks=True,
            callback_ports="*",
            worker_host=HOST,
            **(SETTINGS | more),
        )
        members = []
        for kind in _KINDS:
            for number in range(_EACH):
                links = [
                    await stack.enter_async_context(open_link(port)) for port in (redis.port, _port(simulator_url))
                ]
                clock = None if number or kind == "api" else folder / f"{kind}.clock"
                own = settings | (stepped_by(clock) if clock else {})
                members.append(new_member(kind, number, own, folder, links=(links[0], links[1]), clock=clock))
        await stack.enter_async_context(supervised(members))
        async with open_client(members[0].url, ADMIN_KEY) as admin:
            tenant = await new_tenant(admin)
        shown_once = tenant["api_key"], tenant["signing_secret"]
        yield Stage(folder, redis, members, upstream, receivers, to_receivers, simulator_url, *shown_once)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
