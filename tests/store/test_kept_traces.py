"""What is kept of traces: nothing while nothing is traced, and nothing that an older version would stumble over."""

import pytest

from app.domain.cadence import Answered, Pace, after_poll
from app.domain.dialect import parse_answer
from app.domain.event import Event
from app.domain.metadata_versions import FormerMetadata
from app.domain.subscription import EventFilter
from app.resources import Resources, open_resources
from app.store import codec
from app.store.subscription_records import NewSubscription, SubscriptionBodies, SubscriptionChange, changed_body
from app.store.vault import Vault
from app.store.watches import PolledStep
from app.telemetry.trace_context import TraceContext
from tests.builders import LIFE, make_body, make_key
from tests.conftest import ENCRYPTION_KEY, MakeSettings
from tests.workers.ledger import Desk, open_desk

SPAN = TraceContext(b"\x11" * 16, b"\x22" * 8, "crm=1")
OTHER = TraceContext(b"\x33" * 16, b"\x44" * 8)
POLL = TraceContext(b"\x11" * 16, b"\x55" * 8)
EVENT = Event("ringing", 1, "ringing", "queued", "2024-03-15T10:00:05Z", 1710496806.25)
NOW = 1710496800.0


@pytest.fixture
def bodies() -> SubscriptionBodies:
    return SubscriptionBodies(Vault((ENCRYPTION_KEY,)))


def new(trace: TraceContext | None, url: str = "https://crm.example.com/a") -> NewSubscription:
    return NewSubscription("ten_1", make_key(call_sid="OUT-1"), url, EventFilter(), {"a": "b"}, None, {}, trace)


def test_without_a_trace_not_a_byte_is_added(bodies: SubscriptionBodies) -> None:
    untraced = bodies.pack(new(None), NOW)
    assert codec.unpack(untraced) == ["https://crm.example.com/a", [], {"a": "b"}, 1710496800000, None, None]
    unsampled = TraceContext(SPAN.trace_id, SPAN.span_id, sampled=False)
    assert bodies.pack(new(unsampled), NOW) == untraced
    assert bodies.open(untraced).trace is None
    assert len(codec.unpack(codec.pack_event(EVENT))) == 7
    assert codec.unpack_found_event(codec.pack_event(EVENT)) == (EVENT, None)


def test_what_is_traced_is_read_back(bodies: SubscriptionBodies) -> None:
    assert bodies.open(bodies.pack(new(SPAN), NOW)).trace == SPAN
    assert bodies.open(bodies.pack(new(OTHER), NOW)).trace == OTHER
    assert codec.unpack_found_event(codec.pack_event(EVENT, POLL)) == (EVENT, POLL)
    assert codec.unpack_event(codec.pack_event(EVENT, POLL)) == EVENT


def test_an_older_version_finds_what_it_knows_where_it_looks(bodies: SubscriptionBodies) -> None:
    """It reads a body by its first seven places, the last of which is the former metadata, and seven of an event."""
    traced = codec.unpack(bodies.pack(new(SPAN), NOW))
    assert traced[:6] == codec.unpack(bodies.pack(new(None), NOW))
    assert traced[6] == []
    assert codec.unpack(codec.pack_event(EVENT, POLL))[:7] == codec.unpack(codec.pack_event(EVENT))


def test_a_change_keeps_the_trace_and_what_was_told_before(bodies: SubscriptionBodies) -> None:
    body = changed_body(bodies.pack(new(SPAN), NOW), SubscriptionChange(metadata={"c": "d"}), 2)
    body = changed_body(body, SubscriptionChange(callback_url="https://crm.example.com/b"), 3)
    opened = bodies.open(body)
    assert opened.trace == SPAN
    assert (opened.callback_url, opened.metadata) == ("https://crm.example.com/b", {"c": "d"})
    assert opened.versions.former == (FormerMetadata(2, {"a": "b"}),)
    assert bodies.open(bodies.reseal(body)).trace == SPAN


async def happen(desk: Desk, found_by: TraceContext | None) -> TraceContext | None:
    """Write down a whole life, and return what the polls were to belong to."""
    claim = await desk.claim_poll()
    outcome = Answered(parse_answer(make_body(key=desk.key, pairs=LIFE), desk.key))
    step = after_poll(claim.watch, outcome, NOW, Pace(), 0.5)
    await desk.resources.watches.commit(desk.partition, [PolledStep(claim, step, NOW, found_by)])
    return claim.trace


async def fields(resources: Resources, desk: Desk) -> dict[bytes, bytes]:
    kept: dict[bytes, bytes] = await resources.ledger.redis.hgetall(desk.partition.watch(desk.key.watch_id))
    return kept


async def register(desk: Desk, trace: TraceContext | None, path: str) -> None:
    url = f"http://127.0.0.1:9/{path}"
    await desk.resources.registrations.register(
        NewSubscription(desk.tenant.id, desk.key, url, EventFilter(), {}, None, {}, trace)
    )


async def test_polls_belong_to_the_first_registration_that_was_traced(make_settings: MakeSettings) -> None:
    settings = make_settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    async with open_resources(settings) as resources:
        desk = await open_desk(resources)
        for trace, path in ((None, "a"), (SPAN, "b"), (OTHER, "c")):
            await register(desk, trace, path)
        assert await happen(desk, POLL) == TraceContext(SPAN.trace_id, SPAN.span_id)
        claims = await desk.claims()
        assert [claim.destination.trace for claim in sorted(claims, key=lambda one: one.destination.callback_url)] == [
            None,
            SPAN,
            OTHER,
        ]
        assert {one.found_by for claim in claims for one in claim.events} == {POLL}


async def test_a_worker_that_does_not_trace_reads_what_is_traced(resources: Resources) -> None:
    desk = await open_desk(resources)
    await register(desk, SPAN, "a")
    assert (await fields(resources, desk))[b"t"] == SPAN.packed
    assert await happen(desk, None) is None
    (claim,) = await desk.claims()
    assert (claim.destination.trace, {one.found_by for one in claim.events}) == (SPAN, {None})
    assert len((await desk.kept()).events) == len(LIFE)


async def test_a_worker_that_traces_reads_what_is_not(make_settings: MakeSettings) -> None:
    settings = make_settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    async with open_resources(settings) as resources:
        desk = await open_desk(resources)
        await register(desk, None, "a")
        assert b"t" not in await fields(resources, desk)
        assert await happen(desk, None) is None
        (claim,) = await desk.claims()
        assert (claim.destination.trace, {one.found_by for one in claim.events}) == (None, {None})
