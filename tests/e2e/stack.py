"""Everything that a whole run needs: Redis, a simulated upstream, a receiver, and the real processes between them."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.dev.embedded_redis import HOST, free_port
from app.dev.simulator import DEMO_ACCOUNT, SimulatorSettings, create_simulator
from tests.builders import Pairs, make_body, make_key
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.judge import Delivery, Subscriber, judge
from tests.judgement import Judgement
from tests.peers import PATIENCE_SECONDS, Receipt, Receiver, Reply, Upstream
from tests.processes import Process, environment, start_api, start_worker, worker
from tests.servers import serve
from tests.topologies import Topology, open_topology

ACCOUNT, PROJECT = DEMO_ACCOUNT.account_id, DEMO_ACCOUNT.project_id
CONNECTOR = DEMO_ACCOUNT.connector_ids[0]
# One poll a second and call: workers look at what falls due once a second.
PACE = {
    "poll_early_seconds": 1,
    "poll_early_max_seconds": 1,
    "poll_in_progress_seconds": 1,
    "poll_in_progress_max_seconds": 1,
    "poll_error_max_seconds": 1,
}
_AT_ONCE = 20
_PATHS = itertools.count(1)
_SIDS = itertools.count(1)


def new_path() -> str:
    """A path that no other subscription has."""
    return f"/hook/{next(_PATHS)}"


def new_sid() -> str:
    """The SID of a call that the simulator does not know."""
    return f"OUT-scripted-{next(_SIDS)}"


@dataclass
class Stack:
    """What runs, and keeps its data and its logs in a folder; `settings` are the environment of its processes.

    `api` and `admin` are clients of the API with a tenant's key and with the admin key; `metrics` are the addresses of
    each process' metrics, by its role.
    """

    folder: Path
    settings: dict[str, str]
    redis: Topology
    simulator_url: str
    upstream: Upstream
    receiver: Receiver
    receiver_url: str
    poll_worker: Process
    deliver_worker: Process
    api: httpx.AsyncClient
    admin: httpx.AsyncClient
    api_key: str
    signing_secret: str
    metrics: Mapping[str, str]

    async def place(self, count: int, life: Sequence[tuple[float, str]] | None = None) -> list[str]:
        """Place calls at the simulator, each with this life or with one of the simulator's own, and return the SIDs."""
        url = f"{self.simulator_url}/api/v1/{ACCOUNT}/{PROJECT}/outbound-call"
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(url, headers={"X-CONNECTOR-ID": CONNECTOR}, json={"count": count, "life": life})
        sids: list[str] = answer.raise_for_status().json()["call_sids"]
        return sids

    def tell(self, call_sid: str, pairs: Pairs) -> None:
        """Let the upstream answer with this history from now on."""
        self.upstream.script(call_sid, then=call_answer(call_sid, pairs))

    async def subscribe(
        self, call_sid: str, path: str | None = None, events: Sequence[str] | None = None, **more: object
    ) -> dict[str, Any]:
        """Subscribe over REST and return the API's answer; without a `path`, with one that is new."""
        path = path or new_path()
        wanted = {"call_sid": call_sid, "callback_url": self.receiver_url + path, **more}
        if events:
            wanted["events"] = list(events)
        answer = await self.api.post("/v1/subscriptions", json=wanted)
        assert answer.status_code == 201, answer.text
        subscription: dict[str, Any] = answer.json()
        return subscription

    async def subscribe_all(self, sids: Sequence[str], each: int) -> list[Subscriber]:
        """Subscribe so many times to each call, with a URL of its own each time."""
        subscribers = [Subscriber(new_path(), sid) for sid in sids for _ in range(each)]
        places = asyncio.Semaphore(_AT_ONCE)

        async def subscribe(one: Subscriber) -> None:
            async with places:
                await self.subscribe(one.call_sid, one.path)

        await asyncio.gather(*(subscribe(one) for one in subscribers))
        return subscribers

    async def status(self, subscription: dict[str, Any]) -> str:
        answer = await self.api.get(f"/v1/subscriptions/{subscription['id']}")
        return str(answer.raise_for_status().json()["status"])

    async def log(self) -> list[dict[str, Any]]:
        """Return the truth about all calls placed at the simulator."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.simulator_url}/simulator/log")
        return [json.loads(line) for line in answer.text.splitlines()]

    async def until_over(self, subscribers: Sequence[Subscriber], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until every subscriber has got a final event."""
        waiting = {one.path for one in subscribers}
        seen = 0

        def over() -> bool:
            nonlocal seen
            for receipt in self.receiver.receipts[seen:]:
                if receipt.path in waiting and is_final(receipt):
                    waiting.discard(receipt.path)
            seen = len(self.receiver.receipts)
            return not waiting

        await self.receiver.until(over, f"a final event for each of {len(subscribers)} subscribers", seconds)

    async def judge(self, subscribers: Sequence[Subscriber]) -> Judgement:
        """Judge everything that these subscribers got."""
        paths = {one.path for one in subscribers}
        arrived = [one for one in self.receiver.receipts if one.path in paths]
        accepted, refused = ([_delivery(one) for one in arrived if one.accepted is wanted] for wanted in (True, False))
        return judge(await self.log(), subscribers, accepted, refused)


def call_answer(call_sid: str, pairs: Pairs) -> Reply:
    """Return the upstream's 200 for a call of the tenant with this history."""
    key = make_key(account_id=ACCOUNT, project_id=PROJECT, connector_id=CONNECTOR, call_sid=call_sid)
    return Reply(200, make_body(key=key, pairs=pairs), {"content-type": "application/json"})


def _delivery(receipt: Receipt) -> Delivery:
    return Delivery(receipt.path, receipt.headers["webhook-id"], receipt.body, receipt.at)


def data_of(receipt: Receipt) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(receipt.body)["data"]
    return data


def types_of(receipts: Sequence[Receipt]) -> list[str]:
    return [json.loads(receipt.body)["type"] for receipt in receipts]


def is_final(receipt: Receipt) -> bool:
    return bool(data_of(receipt)["final"])


@asynccontextmanager
async def running(
    folder: Path, *, simulator: SimulatorSettings, topology: Topology | None = None, **more: object
) -> AsyncIterator[Stack]:
    """Start everything, and a Redis of its own whose append-only file loses nothing if none is given.

    `more` are Ringback's settings.
    """
    async with AsyncExitStack() as stack:
        redis = topology or open_topology(folder / "redis", appendfsync="always")
        stack.callback(redis.kill)
        redis.launch()
        # Others are being served meanwhile.
        await asyncio.to_thread(redis.settle)
        upstream, receiver = Upstream(create_simulator(simulator)), Receiver()
        simulator_url = await stack.enter_async_context(serve(upstream))
        receiver_url = await stack.enter_async_context(serve(receiver))
        settings = environment(
            redis_url=redis.url,
            queue_redis_url=redis.queue_url,
            upstream_base_url=simulator_url,
            admin_key=ADMIN_KEY,
            encryption_keys=ENCRYPTION_KEY,
            allow_private_callbacks=True,
            allow_http_callbacks=True,
            callback_ports="*",
            worker_host=HOST,
            **(PACE | more),
        )
        ports = {kind: free_port() for kind in ("poll", "deliver")}
        poll_worker, deliver_worker = (
            worker(kind, settings | environment(worker_port=port), folder) for kind, port in ports.items()
        )
        for process in (poll_worker, deliver_worker):
            stack.callback(process.kill)
        (api, api_url), _, _ = await asyncio.gather(
            start_api(settings, folder), start_worker(poll_worker), start_worker(deliver_worker)
        )
        stack.callback(api.kill)
        admin = await stack.enter_async_context(open_client(api_url, ADMIN_KEY))
        tenant = await new_tenant(admin)
        client = await stack.enter_async_context(open_client(api_url, tenant["api_key"]))
        yield Stack(
            folder=folder,
            settings=settings,
            redis=redis,
            simulator_url=simulator_url,
            upstream=upstream,
            receiver=receiver,
            receiver_url=receiver_url,
            poll_worker=poll_worker,
            deliver_worker=deliver_worker,
            api=client,
            admin=admin,
            api_key=tenant["api_key"],
            signing_secret=tenant["signing_secret"],
            metrics={"api": f"{api_url}/metrics"}
            | {kind: f"http://{HOST}:{port}/metrics" for kind, port in ports.items()},
        )


def open_client(api_url: str, key: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=api_url, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS)


async def new_tenant(admin: httpx.AsyncClient, name: str = "crm") -> dict[str, Any]:
    """Create a tenant whose calls are the simulator's, and return what is shown of it once."""
    wanted = {"name": name, "account_id": ACCOUNT, "project_id": PROJECT, "connector_id": CONNECTOR}
    answer = await admin.post("/v1/admin/tenants", json=wanted)
    tenant: dict[str, Any] = answer.raise_for_status().json()
    return tenant
