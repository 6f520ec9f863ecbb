"""What readers of streams are told, over real connections."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from app.api import event_stream
from app.domain.event import Event
from app.domain.subscription import EventFilter
from app.service.calls import WantedCall
from app.service.live.inbox import Told
from app.service.live.streams import Reader
from app.settings import Settings
from app.store.watches import JOURNAL_LENGTH
from tests.api.client import ADMIN, new_tenant, subscribe
from tests.builders import CALL_SID, LIFE, make_names
from tests.conftest import MakeSettings
from tests.live.conftest import Office
from tests.live.reading import Frame, reading

ALL = "/v1/stream"
CALL = f"/v1/calls/{CALL_SID}/stream"
TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]
END = "stream.end"
GAP = "stream.gap"


async def test_a_call_is_told_from_its_start_then_live_then_ended(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    await office.happen(CALL_SID, LIFE[:2])
    async with reading(office.api, CALL, office.tenant) as frames:
        assert frames.answer.headers["content-type"].startswith("text/event-stream")
        assert frames.answer.headers["cache-control"] == "no-store"
        assert await frames.some(2) == TYPES[:2]
        await office.happen(CALL_SID, LIFE[:3])
        assert await frames.some(1) == TYPES[2:3]
        await office.happen(CALL_SID)
        assert await frames.some(2) == TYPES[3:]
        assert await frames.event() == Frame(END, "", {"reason": "call_ended"})
        assert await frames.rest() == []


async def test_what_is_told_is_what_the_list_of_events_shows(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    await office.happen(CALL_SID)
    listed = (await office.api.get(f"/v1/calls/{CALL_SID}/events", headers=office.tenant)).json()["items"]
    async with reading(office.api, CALL, office.tenant) as frames:
        told = [await frames.event() for _ in listed]
    assert [frame.data for frame in told if frame] == listed
    assert [frame.id for frame in told if frame] == [one["data"]["event_id"] for one in listed]


async def test_a_call_goes_on_behind_the_last_event(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    await office.happen(CALL_SID, LIFE[:2])
    async with reading(office.api, CALL, office.tenant) as frames:
        await frames.some(1)
        second = await frames.event()
    assert second
    await office.happen(CALL_SID)
    async with reading(office.api, CALL, office.tenant, second.id) as frames:
        assert await frames.rest() == [*TYPES[2:], END]


async def test_of_an_ended_call_nothing_is_left_behind_its_final_event(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    await office.happen(CALL_SID)
    async with reading(office.api, CALL, office.tenant) as frames:
        told = [await frames.event() for _ in TYPES]
    final, ringing = told[-1], told[2]
    assert final
    assert ringing
    behind = {**office.tenant, "Last-Event-ID": final.id}
    assert (await office.api.get(CALL, headers=behind)).status_code == 204
    unwanted = {**office.tenant, "Last-Event-ID": ringing.id}
    assert (await office.api.get(CALL, headers=unwanted, params={"events": "call.ringing"})).status_code == 204


async def test_an_event_of_no_such_call_means_all_of_it(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    await office.happen(CALL_SID)
    async with reading(office.api, CALL, office.tenant, "evt_nonsense") as frames:
        assert await frames.rest() == [*TYPES, END]


async def test_a_filter_lets_through_what_it_names_and_the_end(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    async with reading(office.api, CALL, office.tenant, events=["call.ringing", "final"]) as frames:
        await office.happen(CALL_SID)
        assert await frames.rest() == ["call.ringing", "call.completed", END]


async def test_a_filter_that_names_nothing_sensible_is_refused(office: Office) -> None:
    refusal = await office.api.get(ALL, headers=office.tenant, params={"events": "call.Ringing!"})
    assert refusal.status_code == 422
    assert refusal.json()["errors"][0]["field"] == "events"


async def test_a_call_that_nobody_subscribed_to_has_no_stream(office: Office) -> None:
    other = await new_tenant(office.api, account_id="elsewhere")
    await subscribe(office.api, other)
    assert (await office.api.get(CALL, headers=office.tenant)).status_code == 404
    assert (await office.api.get(CALL)).status_code == 401


async def test_a_tenant_is_told_of_its_own_calls_only(office: Office) -> None:
    other = await new_tenant(office.api, account_id="elsewhere")
    await subscribe(office.api, office.tenant, call_sid="OUT-ours")
    await subscribe(office.api, other, call_sid="OUT-theirs")
    async with reading(office.api, ALL, office.tenant) as ours, reading(office.api, ALL, other) as theirs:
        await office.happen("OUT-theirs", LIFE[:1])
        await office.happen("OUT-ours", LIFE[:2])
        for frames, sid in ((ours, "OUT-ours"), (theirs, "OUT-theirs")):
            frame = await frames.event()
            assert frame
            assert frame.data["data"]["call_sid"] == sid


async def test_a_tenants_stream_goes_on_behind_any_event_without_missing_or_repeating_one(office: Office) -> None:
    sids = [f"OUT-{number}" for number in range(12)]
    for sid in sids:
        await subscribe(office.api, office.tenant, call_sid=sid)
    async with reading(office.api, ALL, office.tenant) as frames:
        for sid in sids:
            await office.happen(sid, LIFE[:2])
        told = [await frames.event() for _ in range(24)]
    everything = [frame.id for frame in told if frame]
    assert len(set(everything)) == 24
    for place, one in enumerate(everything[:-1]):
        async with reading(office.api, ALL, office.tenant, one) as frames:
            again = [await frames.event() for _ in everything[place + 1 :]]
        assert [frame.id for frame in again if frame] == everything[place + 1 :]


async def test_what_was_recorded_before_the_first_stream_can_be_gone_behind_too(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    await office.happen(CALL_SID, LIFE[:3])
    listed = (await office.api.get(f"/v1/calls/{CALL_SID}/events", headers=office.tenant)).json()["items"]
    async with reading(office.api, ALL, office.tenant, listed[0]["data"]["event_id"]) as frames:
        assert await frames.some(2) == TYPES[1:3]


async def test_an_unknown_event_leaves_a_gap_and_so_does_another_tenants(office: Office) -> None:
    other = await new_tenant(office.api, account_id="elsewhere")
    await subscribe(office.api, other)
    await office.happen(CALL_SID, LIFE[:2])
    listed = (await office.api.get(f"/v1/calls/{CALL_SID}/events", headers=other)).json()["items"]
    for unknown in ("evt_nonsense", listed[0]["data"]["event_id"]):
        async with reading(office.api, ALL, office.tenant, unknown) as frames:
            assert await frames.event() == Frame(GAP, "", {"reason": "unknown_event_id"})


async def test_a_journal_that_is_too_short_leaves_a_gap(office: Office) -> None:
    made = [await subscribe(office.api, office.tenant, call_sid="OUT-long")]
    partition = office.resources.subscriptions.partition_of_call("OUT-long")
    await office.happen("OUT-long", LIFE[:1])
    listed = (await office.api.get("/v1/calls/OUT-long/events", headers=office.tenant)).json()["items"]
    # As full as it may be, with what leads nowhere, while another partition remembers longer.
    elsewhere = office.resources.ledger.redis
    number = next(one for one in range(4) if one != partition.number)
    for _ in range(JOURNAL_LENGTH):
        await elsewhere.xadd(f"rb:{{{number:02d}}}:journal", {"w": "w", "s": 1, "i": "evt_of_nobody"})
    assert made
    async with reading(office.api, ALL, office.tenant, listed[0]["data"]["event_id"]) as frames:
        assert await frames.event() == Frame(GAP, "", {"reason": "journal_too_short"})


async def test_without_a_ring_a_stream_looks_by_itself(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    async with reading(office.api, ALL, office.tenant) as frames:
        await office.happen_silently(CALL_SID, LIFE[:2])
        assert await frames.some(2) == TYPES[:2]


@pytest.fixture
def settings(make_settings: MakeSettings, request: pytest.FixtureRequest) -> Settings:
    return make_settings(max_streams=getattr(request, "param", 10_000))


@pytest.mark.parametrize("settings", [4], indirect=True)
async def test_streams_are_bounded_for_one_tenant_and_for_all(office: Office) -> None:
    second, third = [await new_tenant(office.api, account_id=f"other-{one}") for one in range(2)]
    async with (
        reading(office.api, ALL, office.tenant),
        reading(office.api, ALL, office.tenant) as last_one,
        reading(office.api, ALL, second),
    ):
        refusal = await office.api.get(ALL, headers=office.tenant)
        assert refusal.status_code == 429
        assert int(refusal.headers["retry-after"]) > 0
        async with reading(office.api, ALL, third):
            assert (await office.api.get(ALL, headers=second)).status_code == 429
        await last_one.answer.aclose()
        await _until_taken(office.api, office.tenant)


async def _until_taken(api: httpx.AsyncClient, tenant: dict[str, str]) -> None:
    """Ask until the server has noticed that a reader went away: the test's own time-out bounds it."""
    while True:
        async with api.stream("GET", ALL, headers=tenant) as answer:
            if answer.status_code == 200:
                return


async def test_a_revoked_key_reads_no_further(office: Office) -> None:
    tenants = (await office.api.get("/v1/admin/tenants", headers=ADMIN)).json()["items"]
    path = f"/v1/admin/tenants/{tenants[0]['id']}/api-keys"
    made = (await office.api.post(path, headers=ADMIN, json={"name": "second"})).json()
    key = {"Authorization": f"Bearer {made['api_key']}"}
    async with reading(office.api, ALL, key) as frames:
        assert (await office.api.delete(f"{path}/{made['id']}", headers=ADMIN)).status_code == 204
        await office.streams.check_keys_once()
        assert await frames.event() == Frame(END, "", {"reason": "key_revoked"})


async def test_a_reader_that_takes_nothing_is_broken_off(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "_STUCK_SECONDS", 0.2)
    host, port = office.api.base_url.host, office.api.base_url.port
    reader, writer = await asyncio.open_connection(host, port)
    request = f"GET {ALL} HTTP/1.1\r\nHost: x\r\nAuthorization: {office.tenant['Authorization']}\r\n\r\n"
    writer.write(request.encode())
    assert b"200 OK" in await reader.readline()
    # From here on it reads nothing more, and what waits for it is more than all buffers on the way hold.
    writer.transport.pause_reading()  # type: ignore[attr-defined] # it is a socket's
    [stream] = office.streams._open
    told = Told.of(make_names(), 1, Event("ringing", 1, "ringing", "queued", LIFE[2][1], 1.0))
    for _ in range(40):
        stream.inbox.put(replace(told, data=b"x" * 1_000_000))
    await _until_nobody_reads(office)
    assert stream.inbox.ended == "reader_too_slow"
    writer.transport.abort()


async def test_a_reader_that_goes_away_is_forgotten(office: Office) -> None:
    async with reading(office.api, ALL, office.tenant):
        assert len(office.streams._open) == 1
    await _until_nobody_reads(office)


async def _until_nobody_reads(office: Office) -> None:
    """Wait until the server has noticed: the test's own time-out bounds it."""
    while office.streams._open:  # noqa: ASYNC110 -- a server gives no signal of that
        await asyncio.sleep(0.01)


async def test_all_is_quiet_while_a_filter_lets_nothing_through(office: Office) -> None:
    await subscribe(office.api, office.tenant)
    async with reading(office.api, CALL, office.tenant, events="call.busy"):
        [stream] = office.streams._open
    await _until_nobody_reads(office)
    key = stream.reader.key
    wanted = Reader(key, EventFilter(("call.busy",)))
    opened = await office.streams.of_call(wanted, WantedCall(CALL_SID), "")
    assert opened
    parts = opened.parts(quiet_seconds=0.05)
    await office.happen(CALL_SID, LIFE[:3])
    assert await anext(parts) is None
    await office.happen(CALL_SID)
    assert [part async for part in parts if part is not None] == ["call_ended"]
    opened.close()
