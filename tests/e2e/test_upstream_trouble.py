"""An upstream that fails, lies, denies and hangs: every call still ends with one final event."""

import pytest

from tests.builders import LIFE
from tests.e2e.stack import CONNECTOR, Stack, data_of, new_path, new_sid, types_of
from tests.e2e.trouble import CASES
from tests.judge import Subscriber
from tests.peers import Reply

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("name", CASES)
async def test_a_call_ends_with_one_final_event_although_the_upstream(
    impatient: Stack, troubled: dict[str, Subscriber], name: str
) -> None:
    case, subscriber = CASES[name], troubled[name]

    receipts = await impatient.receiver.until_at(subscriber.path, len(case.types))

    assert types_of(receipts) == case.types
    assert [data_of(one)["final"] for one in receipts] == [False] * (len(receipts) - 1) + [True]
    assert data_of(receipts[-1]).get("reason") == (case.lost or None)
    call = (await impatient.api.get(f"/v1/calls/{subscriber.call_sid}")).json()
    assert call["final_event"] == case.types[-1]
    assert call["lost_reason"] == (case.lost or None)
    assert call["polling"]["next_poll_at"] is None
    assert CONNECTOR.encode() not in b"".join(one.body for one in receipts)


async def test_a_delivery_that_failed_to_the_end_is_given_up_and_the_next_events_still_come(
    impatient: Stack,
) -> None:
    sid, path = new_sid(), new_path()
    impatient.receiver.reply(path, Reply(500), Reply(500))
    impatient.tell(sid, LIFE)
    await impatient.subscribe(sid, path)

    receipts = await impatient.receiver.until_at(path, 6)

    assert [data_of(one)["sequence"] for one in receipts] == [1, 1, 2, 3, 4, 5]
