"""What one stream is still to tell."""

import asyncio

from app.domain.event import CallNames, Event
from app.service.live.inbox import MOST_WAITING, Gap, Inbox, StreamEnd, Told

CALL = CallNames("account", "project", "OUT-1")


def _told(sequence: int = 1) -> Told:
    return Told.of(CALL, sequence, Event("ringing", 1, "ringing", "queued", "2024-03-15T10:00:05Z", 1.0))


async def test_what_is_put_is_taken_in_order_and_then_the_end() -> None:
    inbox = Inbox()
    inbox.put(_told())
    inbox.put(Gap.UNREADABLE)
    inbox.end(StreamEnd.SHUTTING_DOWN)
    inbox.end(StreamEnd.KEY_REVOKED)
    inbox.put(_told(2))
    taken = [await inbox.take(0) for _ in range(4)]
    assert taken == [_told(), Gap.UNREADABLE, StreamEnd.SHUTTING_DOWN, StreamEnd.SHUTTING_DOWN]


async def test_nothing_comes_for_a_while() -> None:
    assert await Inbox().take(0.001) is None


async def test_whoever_waits_is_woken() -> None:
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.take(60))
    await asyncio.sleep(0)
    inbox.put(_told())
    assert await waiting == _told()


async def test_one_that_overflows_is_ended_and_holds_nothing() -> None:
    inbox = Inbox()
    for sequence in range(1, MOST_WAITING + 2):
        inbox.put(_told(sequence))
    assert await inbox.take(0) is StreamEnd.READER_TOO_SLOW
