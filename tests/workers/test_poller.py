"""Polling as a plain function, without arq: a real ledger, a scripted upstream on the wire."""

from collections.abc import AsyncIterator

import pytest

from app.domain.cadence import Pace
from app.outbound.upstream import UpstreamClient, open_upstream
from app.resources import Resources
from tests.builders import LIFE, Pairs, make_body
from tests.peers import Reply, Upstream
from tests.servers import serve
from tests.workers.ledger import Desk, open_desk
from workers.poller import Poller

PACE = Pace(not_found_grace=0.0)
PATIENT = Pace(not_found_grace=3600.0)
TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def client(upstream: Upstream, resources: Resources) -> AsyncIterator[UpstreamClient]:
    async with (
        serve(upstream) as url,
        open_upstream(url, timeout_seconds=1.0, now=resources.ledger.clock.now) as opened,
    ):
        yield opened


@pytest.fixture
async def desk(resources: Resources) -> Desk:
    desk = await open_desk(resources)
    await desk.subscribe("https://crm.example.com/hook")
    return desk


def make_poller(desk: Desk, client: UpstreamClient, pace: Pace = PACE) -> Poller:
    return desk.poller(client, pace)


async def poll(poller: Poller, desk: Desk) -> float:
    """Poll once, and wait until it is recorded."""
    again_at = await poller.poll(desk.partition, await desk.claim_poll())
    await poller.finish()
    return again_at


def says(desk: Desk, pairs: Pairs) -> Reply:
    return Reply(200, make_body(key=desk.key, pairs=pairs))


async def types(desk: Desk) -> list[str]:
    return [event.type for event in (await desk.kept()).events]


async def test_a_poll_writes_down_what_is_new_and_sets_the_next(
    desk: Desk, client: UpstreamClient, upstream: Upstream
) -> None:
    upstream.script(desk.key.call_sid, says(desk, LIFE[:2]), then=says(desk, LIFE[:4]))
    poller = make_poller(desk, client)
    await poll(poller, desk)
    assert await types(desk) == TYPES[:2]
    await poll(poller, desk)
    assert await types(desk) == TYPES[:4]

    await poll(poller, desk)

    kept = await desk.kept()
    assert await types(desk) == TYPES[:4]
    assert kept.polls == upstream.polls[desk.key.call_sid] == 3
    assert kept.next_poll_at == pytest.approx(kept.last_polled_at + PACE.in_progress, abs=0.01)


async def test_the_end_is_polled_no_more(desk: Desk, client: UpstreamClient, upstream: Upstream) -> None:
    upstream.script(desk.key.call_sid, then=says(desk, LIFE))
    await poll(make_poller(desk, client), desk)
    assert await types(desk) == TYPES
    assert (await desk.kept()).next_poll_at == 0


async def test_news_ring_the_delivery_bell_and_no_news_do_not(
    desk: Desk, client: UpstreamClient, upstream: Upstream
) -> None:
    upstream.script(desk.key.call_sid, then=says(desk, LIFE[:1]))
    poller = make_poller(desk, client)
    await poll(poller, desk)
    await desk.resources.deliver_doorbell.aclose()
    assert await desk.resources.queue.zcard("ringback:deliver") == 1
    await poll(poller, desk)
    await desk.resources.deliver_doorbell.aclose()
    assert await desk.resources.queue.zcard("ringback:deliver") == 1


async def test_of_two_workers_with_one_claim_one_records(
    desk: Desk, client: UpstreamClient, upstream: Upstream
) -> None:
    """A lease that ran out under a slow worker."""
    upstream.script(desk.key.call_sid, says(desk, LIFE[:3]), then=says(desk, LIFE[:2]))
    first, second = await desk.claim_poll(lease_seconds=0.0), await desk.claim_poll()
    poller = make_poller(desk, client)
    await poller.poll(desk.partition, second)
    await poller.finish()
    await poller.poll(desk.partition, first)
    await poller.finish()
    assert await types(desk) == TYPES[:3]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(500), id="500"),
        pytest.param(Reply(503, headers={"retry-after": "1"}), id="503"),
        pytest.param(Reply(429), id="429"),
        pytest.param(Reply(302, headers={"location": "https://elsewhere.example.com/"}), id="redirect"),
        pytest.param(Reply(200, b"<html>"), id="no JSON"),
        pytest.param(Reply(200, b"{}"), id="another call"),
        pytest.param(Reply(200, b" " * 300_000), id="too large"),
        pytest.param(Reply(hangs=True), id="hangs"),
    ],
)
async def test_an_answer_that_is_none_changes_nothing_and_is_asked_for_again(
    desk: Desk, client: UpstreamClient, upstream: Upstream, reply: Reply
) -> None:
    upstream.script(desk.key.call_sid, reply, then=says(desk, LIFE[:1]))
    poller = make_poller(desk, client)
    await poll(poller, desk)
    kept = await desk.kept()
    assert kept.events == ()
    assert kept.watch.trouble.failures == 1
    assert kept.last_polled_at < kept.next_poll_at < kept.last_polled_at + 10

    await poll(poller, desk)
    assert await types(desk) == TYPES[:1]
    assert (await desk.kept()).watch.trouble.failures == 0


@pytest.mark.parametrize(
    ("known", "status", "polls", "reason"),
    [
        (False, 404, 1, "not_found"),
        (True, 404, 1, "expired"),
        (False, 401, 3, "unauthorized"),
        (False, 400, 1, "invalid_call_sid"),
    ],
)
async def test_a_call_that_is_denied_is_given_up_with_its_reason(
    *, desk: Desk, client: UpstreamClient, upstream: Upstream, known: bool, status: int, polls: int, reason: str
) -> None:
    before = [says(desk, LIFE[:1])] if known else []
    upstream.script(desk.key.call_sid, *before, then=Reply(status))
    poller = make_poller(desk, client)
    for _ in range(len(before) + polls):
        await poll(poller, desk)

    kept = await desk.kept()
    assert kept.events[-1].type == "call.lost"
    assert kept.events[-1].reason == kept.watch.lost == reason
    assert kept.next_poll_at == 0


async def test_a_call_that_is_not_there_yet_is_given_time(
    desk: Desk, client: UpstreamClient, upstream: Upstream
) -> None:
    upstream.script(desk.key.call_sid, Reply(404), Reply(404), then=says(desk, LIFE[:2]))
    poller = make_poller(desk, client, PATIENT)
    for _ in range(3):
        await poll(poller, desk)
    assert await types(desk) == TYPES[:2]


async def test_the_connector_is_not_logged(
    desk: Desk, client: UpstreamClient, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    upstream.script(desk.key.call_sid, Reply(500), then=says(desk, LIFE[:1]))
    poller = make_poller(desk, client)
    for _ in range(2):
        await poll(poller, desk)
    told = [str(vars(record)) for record in caplog.records if record.name.startswith("workers")]
    assert len(told) == 2
    assert not any(desk.key.connector_id in line for line in told)
