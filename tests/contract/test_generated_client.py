"""A client that is generated from the document works against the running API."""

from importlib import import_module
from pathlib import Path
from typing import Any, Self

import pytest

from tests.contract.tools import run_tool
from tests.e2e.stack import Stack, new_path, new_tenant
from tests.peers import eventually

PACKAGE = "generated_ringback_client"
CONFIGURATION = Path(__file__).with_name("client.yml")
LIFE = [(0.0, "CREATED"), (0.1, "in-progress"), (0.2, "completed")]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _generate(stack: Stack, folder: Path) -> None:
    """Generate the client into a folder; a warning, such as of a part that is left out, fails."""
    await run_tool(
        "openapi-python-client",
        *("generate", "--url", str(stack.api.base_url.join("/openapi.json")), "--meta", "none"),
        *("--output-path", str(folder / PACKAGE), "--config", str(CONFIGURATION), "--fail-on-warning"),
        folder=folder,
    )


class Client:
    """The generated client with a key: operations by their section and name, documents by their name."""

    def __init__(self, base_url: str, key: str) -> None:
        self._client: Any = import_module(PACKAGE).AuthenticatedClient(base_url=base_url.rstrip("/"), token=key)
        self.models: Any = import_module(f"{PACKAGE}.models")

    async def __call__(self, section: str, operation: str, *args: str, **more: Any) -> Any:
        """Return the answer's document, or None where it has none."""
        module = import_module(f"{PACKAGE}.api.{section}.{operation}")
        answer = await module.asyncio_detailed(*args, client=self._client, **more)
        assert 200 <= answer.status_code < 300, answer
        return answer.parsed

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.__aexit__(*exc)

    async def delivered(self, subscription_id: str) -> list[Any]:
        """Wait until everything has been delivered and noted, and return the deliveries."""
        items: list[Any] = []

        async def all_of_them() -> bool:
            items[:] = (await self("deliveries", "list_deliveries", subscription_id=subscription_id)).items
            return len(items) == len(LIFE) and all(one.status == "delivered" for one in items)

        await eventually(all_of_them, f"{len(LIFE)} deliveries")
        return items


@pytest.mark.timeout(120)
async def test_a_generated_client_follows_a_call_to_its_end(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _generate(stack, tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    tenant = await new_tenant(stack.admin)
    [sid] = await stack.place(1, LIFE)

    async with Client(str(stack.api.base_url), tenant["api_key"]) as client:
        models = client.models
        wanted = models.NewSubscription(call_sid=sid, callback_url=stack.receiver_url + new_path())
        made = await client("subscriptions", "subscribe", body=wanted)
        listed = await client("subscriptions", "list_subscriptions", call_sid=sid)
        assert [one.id for one in listed.items] == [made.id]
        deliveries = await client.delivered(made.id)
        assert [one.sequence for one in deliveries] == [3, 2, 1]
        delivery = await client("deliveries", "get_delivery", deliveries[0].id)
        assert (delivery.event_type, delivery.final, delivery.attempts[-1].status_code) == ("call.completed", True, 204)
        metadata = models.SubscriptionChangeMetadata.from_dict({"deal": "4711"})
        change = models.SubscriptionChange(metadata=metadata)
        changed = await client("subscriptions", "change_subscription", made.id, body=change)
        assert (changed.metadata.to_dict(), changed.status) == ({"deal": "4711"}, "completed")
        await client("subscriptions", "delete_subscription", made.id)
        assert (await client("subscriptions", "get_subscription", made.id)).status == "cancelled"
        await _read_the_call(client, sid)


async def _read_the_call(client: Client, sid: str) -> None:
    call = await client("calls", "get_call", sid)
    assert [entry.status for entry in call.event_history] == [status for _, status in LIFE]
    events = await client("calls", "list_call_events", sid)
    assert [event.data.final for event in events.items] == [False, False, True]
    exported = await client("calls", "export_calls")
    assert (exported.count("\n"), sid in exported) == (1, True)
