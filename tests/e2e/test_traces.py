"""One trace leads from a registration through the poll that found an event to the delivery that told of it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from app.dev.simulator import SimulatorSettings
from tests.builders import LIFE
from tests.collector import Collector, SeenSpan
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.e2e.stack import CONNECTOR, Stack, call_answer, new_path, new_sid, running, types_of
from tests.peers import Receipt, Reply, eventually
from tests.servers import serve

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

CALLER = "aaaaaaaaaaaaaaaa"
TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]
HEADER_VALUE = "x-receiver-key-vW3kQ9zT"
METADATA_VALUE = "order-4711-of-mrs-smith"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Stack, Collector]]:
    """Everything running, on a Redis of its own, and sending its traces to a collector."""
    collector = Collector()
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(collector))
        ran = await stack.enter_async_context(
            running(
                tmp_path_factory.mktemp("traced"),
                simulator=SimulatorSettings(),
                otel_exporter_otlp_endpoint=url,
                otel_exporter_otlp_headers="x-collector-key=of-the-collector",
                otel_bsp_schedule_delay=50,
            )
        )
        yield ran, collector


def parent(trace: str, flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{CALLER}-{flags}"}


async def subscribe(stack: Stack, sid: str, path: str, headers: dict[str, str]) -> str:
    """Subscribe with a trace, with things that no trace may hold, and return the subscription's id."""
    wanted = {
        "call_sid": sid,
        "callback_url": stack.receiver_url + path + "?token=of-the-callback",
        "headers": {"x-receiver-key": HEADER_VALUE},
        "metadata": {"order": METADATA_VALUE},
    }
    answer = await stack.api.post("/v1/subscriptions", json=wanted, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def told_by(receipts: list[Receipt]) -> list[tuple[str, str]]:
    """The trace and the span that each delivery named."""
    parts = [receipt.headers["traceparent"].split("-") for receipt in receipts]
    assert {(version, flags) for version, _, _, flags in parts} == {("00", "01")}
    return [(trace, span) for _, trace, span, _ in parts]


def by_id(spans: list[SeenSpan]) -> dict[str, SeenSpan]:
    return {span.id: span for span in spans}


async def every_event_found(collector: Collector, trace: str) -> list[SeenSpan]:
    """Wait for the spans of the polls that found a whole call, however many there were, and return them."""

    def found() -> list[str]:
        polls = collector.named("poll", trace)
        return sorted(one for poll in polls for one in poll.attributes["ringback.events"])

    async def all_found() -> bool:
        return found() == sorted(TYPES)

    await eventually(all_found, "polls that found every event")
    return collector.named("poll", trace)


async def test_one_trace_leads_from_the_registration_to_the_last_delivery(traced: tuple[Stack, Collector]) -> None:
    stack, collector = traced
    sid, path, trace = new_sid(), new_path(), "11" * 16
    stack.upstream.script(sid, Reply(500), call_answer(sid, LIFE[:2]), then=call_answer(sid, LIFE))
    stack.receiver.reply(path, Reply(503), then=Reply(204))
    subscription_id = await subscribe(stack, sid, path, parent(trace) | {"tracestate": "crm=1,other=a"})
    receipts = await stack.receiver.until_at(path, len(LIFE) + 1)
    assert types_of(receipts) == [TYPES[0], *TYPES]
    delivers = await collector.until("deliver", len(LIFE) + 1, trace)
    polls = by_id(await collector.until("poll", 3, trace))
    (server,) = await collector.until("POST /v1/subscriptions", 1, trace)

    assert (server.parent, server.kind, server.role, server.failed) == (CALLER, 2, "ringback-api", False)
    assert server.attributes["http.response.status_code"] == 201
    assert {poll.parent for poll in polls.values()} == {server.id}
    assert {poll.role for poll in polls.values()} == {"ringback-poll"}
    (failed,) = [poll for poll in polls.values() if poll.failed]
    assert (failed.attributes["error.type"], failed.attributes["http.response.status_code"]) == ("http_500", 500)
    found = [poll.attributes["ringback.events"] for poll in polls.values() if not poll.failed]
    assert sorted(found, key=len) == [TYPES[:2], TYPES[2:]]
    assert {poll.attributes["ringback.call_sid"] for poll in polls.values()} == {sid}

    told = told_by(receipts)
    assert {one for one, _ in told} == {trace}
    assert {receipt.headers["tracestate"] for receipt in receipts} == {"crm=1,other=a"}
    sent = by_id(delivers)
    for (_, span), receipt in zip(told, receipts, strict=True):
        attempt = sent[span].attributes
        assert attempt["ringback.event_type"] in polls[sent[span].parent].attributes["ringback.events"]
        assert attempt["ringback.event_type"] == types_of([receipt])[0]
        assert attempt["http.response.status_code"] == receipt.status
        assert attempt["ringback.subscription_id"] == subscription_id
        assert sent[span].failed == (receipt.status == 503)
    assert [sent[span].attributes["ringback.attempt"] for _, span in told] == [1, 2, 1, 1, 1, 1]
    assert {span.role for span in delivers} == {"ringback-deliver"}
    assert {span.links for span in delivers} == {()}


async def test_each_subscriber_has_its_own_trace(traced: tuple[Stack, Collector]) -> None:
    stack, collector = traced
    sid, traces, paths = new_sid(), ["22" * 16, "33" * 16, "44" * 16], [new_path() for _ in range(3)]
    stack.tell(sid, LIFE[:1])
    await subscribe(stack, sid, paths[0], parent(traces[0]))
    await subscribe(stack, sid, paths[1], parent(traces[1]))
    # Its caller does not want it to be kept: neither is it here, nor told of.
    await subscribe(stack, sid, paths[2], parent(traces[2], "00"))
    stack.tell(sid, LIFE)
    first, second, third = [await stack.receiver.until_at(path, len(LIFE)) for path in paths]
    delivers = await collector.until("deliver", len(LIFE), traces[1])
    (server,) = await collector.until("POST /v1/subscriptions", 1, traces[1])
    polls = by_id(await every_event_found(collector, traces[0]))
    assert {trace for trace, _ in told_by(first)} == {traces[0]}
    assert {trace for trace, _ in told_by(second)} == {traces[1]}
    assert {span.parent for span in delivers} == {server.id}
    for span in delivers:
        ((linked_trace, linked_span),) = span.links
        assert linked_trace == traces[0]
        assert span.attributes["ringback.event_type"] in polls[linked_span].attributes["ringback.events"]
    assert not any("traceparent" in receipt.headers for receipt in third)
    assert not [span for span in collector.spans if span.trace == traces[2]]


async def test_a_registration_without_a_trace_begins_one_and_a_batch_shares_its_own(
    traced: tuple[Stack, Collector],
) -> None:
    stack, collector = traced
    sids, paths = [new_sid(), new_sid()], [new_path(), new_path()]
    for sid in sids:
        stack.tell(sid, LIFE)
    items = [
        {"call_sid": sid, "callback_url": stack.receiver_url + path} for sid, path in zip(sids, paths, strict=True)
    ]
    answer = await stack.api.post("/v1/subscriptions/batch", json={"items": items}, headers={"traceparent": "00-zz"})
    assert [item["status"] for item in answer.json()["items"]] == [201, 201]
    told = {one for path in paths for one, _ in told_by(await stack.receiver.until_at(path, len(LIFE)))}
    (trace,) = told
    (server,) = await collector.until("POST /v1/subscriptions/batch", 1, trace)
    assert server.parent == ""
    assert {poll.parent for poll in await collector.until("poll", 2, trace)} == {server.id}


async def test_no_secret_is_in_anything_that_the_collector_got(traced: tuple[Stack, Collector]) -> None:
    stack, collector = traced
    sid, path, trace = new_sid(), new_path(), "55" * 16
    stack.upstream.script(sid, Reply(500), then=call_answer(sid, LIFE))
    stack.receiver.reply(path, Reply(503, HEADER_VALUE.encode()), then=Reply(204))
    await subscribe(stack, sid, path, parent(trace))
    await collector.until("deliver", len(LIFE) + 1, trace)
    await every_event_found(collector, trace)
    assert set(collector.paths) == {"/v1/traces"}
    assert {headers["x-collector-key"] for headers in collector.headers} == {"of-the-collector"}
    key = stack.api.headers["authorization"].removeprefix("Bearer ")
    secrets = [CONNECTOR, ADMIN_KEY, ENCRYPTION_KEY, key, stack.signing_secret, HEADER_VALUE, METADATA_VALUE]
    everything = b"".join(collector.received)
    for secret in [*secrets, "of-the-callback", "/hook/", "Bearer", "127.0.0.1:6379", "of-the-collector"]:
        assert secret.encode() not in everything
    lines = (stack.folder / "poll.log").read_text() + (stack.folder / "deliver.log").read_text()
    for secret in [*secrets, "of-the-callback", "of-the-collector"]:
        assert secret not in lines
    for name in ("api", "poll", "deliver"):
        assert f'"trace_id":"{trace}"' in (stack.folder / f"{name}.log").read_text()
