"""What workers count, and that neither an upstream nor a receiver can make it grow."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from app.domain.cadence import Pace
from app.domain.ids import made_at
from app.domain.retry import Responded
from app.domain.timestamps import format_unix
from app.outbound.callback import CallbackClient
from app.outbound.http import Answer
from app.outbound.upstream import UpstreamClient, open_upstream
from app.resources import Resources
from app.store.clock import StoreClock
from app.store.connection import StoreUnavailable
from app.store.keys import Partition
from tests.builders import LIFE, Pairs, make_body
from tests.peers import Receiver, Reply, Upstream, eventually
from tests.readings import Readings, own_readings
from tests.servers import serve
from tests.workers.ledger import Desk
from workers.attempts import Attempt, tell
from workers.claims import ClaimLoop, Work
from workers.poller import Poller

LATENCIES = ("ringback_event_latency_seconds", "ringback_delivery_latency_seconds")
HERE = Partition(0)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def client(upstream: Upstream, resources: Resources) -> AsyncIterator[UpstreamClient]:
    async with serve(upstream) as base, open_upstream(base, timeout_seconds=1.0, now=resources.ledger.clock.now) as one:
        yield one


@pytest.fixture
def poller(desk: Desk, client: UpstreamClient) -> Poller:
    return desk.poller(client, Pace(not_found_grace=0.0))


async def poll(poller: Poller, desk: Desk) -> None:
    await poller.poll(desk.partition, await desk.claim_poll())
    await poller.finish()


def says(desk: Desk, pairs: Pairs) -> Reply:
    return Reply(200, make_body(key=desk.key, pairs=pairs))


def grown(before: Readings, name: str, label: str) -> dict[str, float]:
    """Return by how much a counter has grown since, by one of its labels."""
    earlier = before.all(name, label)
    later = own_readings().all(name, label)
    return {key: value - earlier.get(key, 0.0) for key, value in later.items() if value != earlier.get(key, 0.0)}


async def test_events_count_by_type(desk: Desk, poller: Poller, upstream: Upstream) -> None:
    await desk.subscribe("https://crm.example.com/hook")
    upstream.script(desk.key.call_sid, then=says(desk, (*LIFE[:2], ("exotic", LIFE[1][1]), *LIFE[2:])))
    before = own_readings()
    await poll(poller, desk)
    names = ("created", "queued", "ringing", "in_progress", "completed")
    assert grown(before, "ringback_events_total", "type") == {**{f"call.{name}": 1.0 for name in names}, "other": 1.0}
    assert grown(before, "ringback_calls_lost_total", "reason") == {}


async def test_lost_calls_count_by_reason(desk: Desk, poller: Poller, upstream: Upstream) -> None:
    await desk.subscribe("https://crm.example.com/hook")
    upstream.script(desk.key.call_sid, then=Reply(400))
    before = own_readings()
    await poll(poller, desk)
    assert grown(before, "ringback_events_total", "type") == {"call.lost": 1.0}
    assert grown(before, "ringback_calls_lost_total", "reason") == {"invalid_call_sid": 1.0}


async def test_statuses_that_nobody_knows_make_no_labels(desk: Desk, poller: Poller, upstream: Upstream) -> None:
    await desk.subscribe("https://crm.example.com/hook")
    pairs = [(f"exotic-{number}", LIFE[0][1]) for number in range(1, 501)]
    upstream.script(desk.key.call_sid, says(desk, LIFE[:1]), then=says(desk, (*LIFE[:1], *pairs)))
    await poll(poller, desk)
    before = own_readings()
    await poll(poller, desk)
    after = own_readings()
    assert grown(before, "ringback_events_total", "type") == {"other": 500.0}
    assert after.samples.keys() == before.samples.keys()
    assert "exotic" not in after.text


async def test_answers_that_nobody_expects_make_no_labels(
    desk: Desk, callbacks: CallbackClient, receiver: Receiver, url: str
) -> None:
    deliverer = desk.deliverer(callbacks)
    await desk.subscribe(f"{url}/hook")
    await desk.happen()
    receiver.reply("/hook", *(Reply(status) for status in (299, 302, 418, 451)))
    before = own_readings()
    await desk.deliver_all(deliverer)
    assert own_readings().samples.keys() == before.samples.keys()
    assert grown(before, "ringback_delivery_attempts_total", "outcome") == {"delivered": 5.0, "retry": 3.0}


@pytest.mark.parametrize(
    ("occurred", "observed", "expected"),
    [(10.0, 40.0, (50.5, 20.5)), (-1000.0, 40.0, (60.5, 20.5)), (-1000.0, -500.0, (60.5, 60.5)), (90.0, 90.0, (0, 0))],
    ids=["since then", "since the subscription", "both", "by a clock that is ahead"],
)
async def test_events_age_from_the_transition_and_deliveries_from_when_it_was_observed(
    desk: Desk, occurred: float, observed: float, expected: tuple[float, float]
) -> None:
    """All by seconds after the subscription was made; before there was one nobody waited."""
    made = made_at(await desk.subscribe("https://crm.example.com/hook"))
    await desk.happen(LIFE[:1])
    (claim,) = await desk.claims()
    (pending,) = claim.events
    event = replace(pending.event, occurred_at=format_unix(made + occurred), observed_at=made + observed)
    answer = Answer(204, {}, b"", truncated=False, duration_seconds=0.5)
    attempt = Attempt(replace(pending, event=event), 1, made + 60.0, made + 60.5, answer, Responded(204))
    before = own_readings()
    tell(claim, attempt, attempt.logged("delivered"))
    after = own_readings()
    took = [(after.value(f"{one}_sum") or 0.0) - (before.value(f"{one}_sum") or 0.0) for one in LATENCIES]
    # Times are kept to the millisecond.
    assert took == pytest.approx(expected, abs=0.01)


@dataclass(frozen=True, slots=True)
class Errand:
    due_at: float


@dataclass
class Errands:
    """Work that a claim loop is given once, and what becomes of it."""

    clock: StoreClock
    left: list[Errand] = field(default_factory=list)
    broken: bool = False

    async def claim(self, _: Partition, __: float, limit: int) -> list[Errand]:
        claimed, self.left = self.left[:limit], self.left[limit:]
        return claimed

    async def act(self, _: Partition, __: Errand) -> float:
        if self.broken:
            raise OSError("it fails")
        return 0.0

    async def release(self, *_: object) -> None:
        raise StoreUnavailable("away")

    def loop(self) -> ClaimLoop[Errand]:
        work = Work("poll", self.claim, self.act, self.release, longest_seconds=1.0, places=10)
        return ClaimLoop(work, self.clock, ring=lambda _: None)


async def settled(loop: ClaimLoop[Errand]) -> None:
    async def holds_nothing() -> bool:
        return not loop.held

    await eventually(holds_nothing, "nothing is held any more")


async def test_claims_count_and_what_is_held_is_told() -> None:
    clock = StoreClock()
    loop = Errands(clock, [Errand(clock.now() + 3600) for _ in range(3)]).loop()
    before = own_readings()
    await loop.look(HERE)
    assert grown(before, "ringback_claims_total", "loop") == {"poll": 3.0}
    assert own_readings().value("ringback_in_flight", loop="poll") == 3.0
    await loop.drain(0.0)
    assert own_readings().value("ringback_in_flight", loop="poll") == 0.0
    # They could not be given back.
    assert grown(before, "ringback_leases_lost_total", "loop") == {"poll": 3.0}


async def test_what_fails_is_held_no_more_and_left_to_its_lease(caplog: pytest.LogCaptureFixture) -> None:
    clock = StoreClock()
    loop = Errands(clock, [Errand(clock.now()) for _ in range(3)], broken=True).loop()
    before = own_readings()
    await loop.look(HERE)
    await settled(loop)
    assert grown(before, "ringback_leases_lost_total", "loop") == {"poll": 3.0}
    assert own_readings().value("ringback_in_flight", loop="poll") == 0.0
    assert len(caplog.records) == 3
    await loop.drain(0.0)


async def test_what_could_not_begin_in_time_is_left_to_its_lease() -> None:
    clock = StoreClock()
    errands = Errands(clock, [Errand(clock.now())])
    loop = errands.loop()
    before = own_readings()
    await loop.look(HERE)
    # The clock goes on by more than a lease before it is woken.
    clock.set(round((clock.now() + 60) * 1000))
    await settled(loop)
    assert grown(before, "ringback_leases_lost_total", "loop") == {"poll": 1.0}
    await loop.drain(0.0)


async def test_what_is_done_loses_no_lease() -> None:
    clock = StoreClock()
    loop = Errands(clock, [Errand(clock.now()) for _ in range(3)]).loop()
    before = own_readings()
    await loop.look(HERE)
    await settled(loop)
    assert grown(before, "ringback_leases_lost_total", "loop") == {}
    await loop.drain(0.0)
