"""From a subscription over REST to a signed final event, with the real processes."""

import time

import pytest

from app.domain.signing import verify
from tests.e2e.stack import CONNECTOR, Stack, data_of, new_path, types_of
from tests.judge import Subscriber

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]

LIFE = [(0.0, "CREATED"), (0.1, "queued"), (0.2, "ringing"), (0.4, "in-progress"), (0.6, "completed")]
TYPES = ["call.created", "call.queued", "call.ringing", "call.in_progress", "call.completed"]


async def test_a_tenant_subscribes_and_gets_signed_events_to_the_end(shared: Stack) -> None:
    (sid,) = await shared.place(1, LIFE)
    path = new_path()
    subscription = await shared.subscribe(sid, path, metadata={"deal": "4711"})

    receipts = await shared.receiver.until_at(path, 5)

    assert types_of(receipts) == TYPES
    for receipt in receipts:
        verify([shared.signing_secret], receipt.headers, receipt.body, int(time.time()))
        assert data_of(receipt)["subscription_id"] == subscription["id"]
        assert data_of(receipt)["metadata"] == {"deal": "4711"}
        assert CONNECTOR.encode() not in receipt.body
        assert CONNECTOR not in receipt.headers.values()
    assert await shared.status(subscription) == "completed"
    call = (await shared.api.get(f"/v1/calls/{sid}")).raise_for_status().json()
    assert (call["status"], call["final_event"]) == ("completed", "call.completed")
    assert [entry["status"] for entry in call["event_history"]] == [status for _, status in LIFE]
    (truth,) = [entry for entry in await shared.log() if entry["call_sid"] == sid]
    assert [data_of(one)["occurred_at"] for one in receipts] == [entry["timestamp"] for entry in call["event_history"]]
    assert call["polling"]["polls"] == truth["poll_count"]
    assert (await shared.judge([Subscriber(path, sid)])).faults() == []


async def test_a_call_that_is_over_between_two_polls_yields_every_step(shared: Stack) -> None:
    life = [(0.0, "CREATED"), (0.0, "queued")]
    life += [(1.5, "ringing"), (1.500001, "in-progress"), (1.500002, "completed")]
    (sid,) = await shared.place(1, life)
    path = new_path()
    await shared.subscribe(sid, path)

    receipts = await shared.receiver.until_at(path, 5)

    assert types_of(receipts) == TYPES
    (truth,) = [entry for entry in await shared.log() if entry["call_sid"] == sid]
    assert [poll["status"] for poll in truth["polls"] if poll["status"] not in (None, "queued")] == ["completed"]
    assert (await shared.judge([Subscriber(path, sid)])).faults() == []


async def test_of_a_hundred_calls_every_transition_reaches_three_subscribers_once_and_in_order(
    shared: Stack, crowd: list[Subscriber]
) -> None:
    await shared.until_over(crowd)

    judgement = await shared.judge(crowd)
    assert judgement.faults() == []
    assert judgement.expected == judgement.delivered_once == 3 * judgement.transitions
    assert judgement.transitions > 300
    assert await _more_polls_than_one_watcher_makes(shared, {one.call_sid for one in crowd}) == []


async def _more_polls_than_one_watcher_makes(stack: Stack, sids: set[str]) -> list[str]:
    """Calls that were polled more often than once a second, which is the pace that the stack is set to.

    A second more than the time from the first poll to the last allows for what they took to arrive.
    """
    log = [entry for entry in await stack.log() if entry["call_sid"] in sids]
    return [
        f"{entry['call_sid']}: {entry['poll_count']} in {span:.1f} s"
        for entry in log
        if entry["poll_count"] > (span := entry["polls"][-1]["at"] - entry["polls"][0]["at"]) + 2
    ]
