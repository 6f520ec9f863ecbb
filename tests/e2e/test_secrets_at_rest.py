"""After a busy run no secret stands in clear in Redis, in anything it ever wrote, in a log, an answer or a delivery."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from app.domain.signing import secret_from_bytes
from tests.builders import LIFE
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.e2e.stack import CONNECTOR, Stack, new_path, new_sid, new_tenant, open_client
from tests.leaks import Leak, everything_in, files_in, leaks
from tests.peers import Reply, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

OWN_SECRET = secret_from_bytes(b"own secret of one subscription!!")
AUTHORIZATION = "Basic dXNlcjphIHBhc3N3b3JkIHRoYXQgaXMgbm9ib2R5cyBidXNpbmVzcw=="
HEADER_VALUE = "kXv7Q2-receiver-key-9wPzR4mTtB1c"
OTHER_CONNECTOR = "Hq3-other-connector-Zn8yLd5sWf0u"
HEADERS = {"authorization": AUTHORIZATION, "x-receiver-key": HEADER_VALUE}


@dataclass
class Run:
    """A tenant at work. `secrets` are all there are, by name; `answers` what the API has said that shows none."""

    stack: Stack
    api: httpx.AsyncClient
    tenant: dict[str, Any]
    secrets: dict[str, str]
    answers: dict[str, bytes] = field(default_factory=dict)

    async def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Ask for something whose answer may show no secret."""
        answer = await self.api.request(method, path, **request)
        headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        self.answers[f"{len(self.answers)}. {method} {path}: {answer.status_code}"] = headers.encode() + answer.content
        return answer

    async def subscribe(self, sid: str, path: str, **more: object) -> dict[str, Any]:
        wanted = {"call_sid": sid, "callback_url": self.stack.receiver_url + path, "headers": HEADERS, **more}
        answer = await self.ask("POST", "/v1/subscriptions", json=wanted, headers={"idempotency-key": path})
        assert answer.status_code == 201, answer.text
        subscription: dict[str, Any] = answer.json()
        return subscription


def _chance(api_key: str) -> str:
    """Return the part of an API key that is secret."""
    return api_key.split("_", 2)[2]


async def _work(run: Run) -> None:
    """Let calls live, be delivered, refused, tried again, replayed; some to receivers that tell all they got."""
    stack, receiver = run.stack, run.stack.receiver
    sids = [new_sid() for _ in range(4)]
    paths = [new_path() for _ in sids]
    told = {"content-type": "text/plain", "x-told": AUTHORIZATION}
    echo = f"You sent authorization: {AUTHORIZATION} and x-receiver-key={HEADER_VALUE}".encode()
    receiver.reply(paths[1], Reply(500), Reply(500, echo, told), then=Reply(200, echo, told))
    receiver.reply(paths[2], then=Reply(503, echo))
    for sid in sids:
        stack.tell(sid, LIFE)
    subscriptions = [
        await run.subscribe(sid, path, **({"secret": OWN_SECRET} if number % 2 else {}))
        for number, (sid, path) in enumerate(zip(sids, paths, strict=True))
    ]
    await run.subscribe(new_sid(), new_path(), connector_id=OTHER_CONNECTOR)
    for path in (paths[0], paths[1], paths[3]):
        await receiver.until_at(path, len(LIFE))
    await receiver.until_at(paths[2], 4)

    async def failed() -> bool:
        answer = await run.api.get("/v1/deliveries", params={"subscription_id": subscriptions[2]["id"]})
        return "failed" in answer.text

    await eventually(failed, "a delivery was given up")
    for one in subscriptions:
        await run.ask("PATCH", f"/v1/subscriptions/{one['id']}", json={"metadata": {"a": "b"}})
        await run.ask("POST", f"/v1/subscriptions/{one['id']}/replay")
        for delivery in (await run.ask("GET", f"/v1/deliveries?subscription_id={one['id']}")).json()["items"]:
            await run.ask("GET", f"/v1/deliveries/{delivery['id']}")
        await run.ask("GET", f"/v1/calls/{one['call_sid']}")
    await run.ask("DELETE", f"/v1/subscriptions/{subscriptions[3]['id']}")
    for path in ("/v1/subscriptions", "/v1/calls", "/v1/signing-secrets", "/metrics", "/openapi.json", "/nowhere"):
        await run.ask("GET", path)


async def _err(run: Run) -> None:
    """Put every secret where it does not belong, and hear what the API says to that."""
    url = run.stack.receiver_url + new_path()
    good: dict[str, Any] = {"call_sid": new_sid(), "callback_url": url}
    wrong: list[dict[str, Any]] = []
    for secret in run.secrets.values():
        wrong += [
            {**good, "secret": secret.removeprefix("whsec_")},
            {**good, "secret": [secret]},
            {**good, "secrets": secret},
            {**good, "headers": {"x-key": secret + "\n"}},
            {**good, "headers": {"x-key": [secret]}},
            {**good, "headers": {"host": secret}},
            {**good, "headers": secret},
            {**good, "connector_id": secret + " "},
            {**good, "connector_id": {"id": secret}},
        ]
        await run.ask("POST", "/v1/subscriptions", content=f'{{"secret": "{secret}'.encode())
        await run.ask("POST", "/v1/signing-secrets/rotate", json={"secret": secret})
        await run.ask("GET", "/v1/subscriptions", headers={"authorization": f"Bearer {secret}"})
        await run.ask("GET", "/v1/subscriptions", headers={"authorization": secret})
        await run.ask("GET", "/v1/admin/tenants", headers={"authorization": f"Bearer {secret}x"})
    for body in wrong:
        answer = await run.ask("POST", "/v1/subscriptions", json=body)
        assert answer.status_code == 422, (answer.text, body)


async def _rotate(run: Run) -> None:
    admin, tenant_id = run.stack.admin, run.tenant["id"]
    for number in range(2):
        rotated = (await run.api.post("/v1/signing-secrets/rotate", json={"overlap_seconds": number})).json()
        run.secrets[f"rotated {number}"] = rotated["signing_secret"]
    made = (await admin.post(f"/v1/admin/tenants/{tenant_id}/api-keys", json={"name": "second"})).json()
    run.secrets["second API key"] = _chance(made["api_key"])
    (await admin.delete(f"/v1/admin/tenants/{tenant_id}/api-keys/{made['id']}")).raise_for_status()
    await run.ask("POST", "/v1/callbacks/test", json={"callback_url": run.stack.receiver_url + new_path()})


async def _restart(run: Run) -> None:
    """Let a worker fail to read something, and end in good order."""
    for master in run.stack.redis.masters():
        async with Redis.from_url(master.url) as redis:
            async for name in redis.scan_iter("rb:*:sub:*"):
                await redis.hset(name, "b", (await redis.hget(name, "b"))[:-1])
                break
    await run.subscribe(new_sid(), new_path())


async def _found(run: Run) -> list[Leak]:
    places: dict[str, bytes] = {}
    for master in run.stack.redis.masters():
        async with Redis.from_url(master.url) as redis:
            places |= {f"Redis {name}": content for name, content in (await everything_in(redis)).items()}
    places |= {f"file {name}": content for name, content in files_in(run.stack.folder).items()}
    places |= run.answers
    for number, receipt in enumerate(run.stack.receiver.receipts):
        others = {name: value for name, value in receipt.headers.items() if name not in HEADERS}
        places[f"delivery {number} to {receipt.path}"] = repr(others).encode() + receipt.body
    assert {f"file {name}.log" for name in ("api", "poll", "deliver")} <= places.keys()
    assert any(".aof" in name for name in places)
    return [leak for place, content in places.items() for leak in leaks(place, content, run.secrets)]


async def test_no_secret_stands_in_clear_anywhere(busy: Stack) -> None:
    tenant = await new_tenant(busy.admin)
    secrets = {
        "admin key": ADMIN_KEY,
        "encryption key": ENCRYPTION_KEY,
        "connector": CONNECTOR,
        "another connector": OTHER_CONNECTOR,
        "API key": _chance(tenant["api_key"]),
        "signing secret": tenant["signing_secret"],
        "a subscription's own secret": OWN_SECRET,
        "authorization of the receiver": AUTHORIZATION,
        "header of the receiver": HEADER_VALUE,
    }
    async with open_client(str(busy.api.base_url), tenant["api_key"]) as api:
        run = Run(busy, api, tenant, secrets)
        await _work(run)
        await _rotate(run)
        await _err(run)
        await _restart(run)

        assert await _found(run) == []
