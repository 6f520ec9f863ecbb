"""Reading Server-Sent Events, however they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dev.listener.sse import EventParser, ServerSentEvent, TooLong

_STREAM = (
    b"retry: 3000\r\n\r\nid: evt_1\nevent: call.queued\ndata: {}\n\n: heartbeat\n\n"
    b"id: evt_2\revent: call.ringing\rdata: a\rdata: b\r\r"
    b"event: stream.end\ndata:x\n\n"
)
_EVENTS = [
    ServerSentEvent("call.queued", "evt_1", "{}"),
    ServerSentEvent("call.ringing", "evt_2", "a\nb"),
    ServerSentEvent("stream.end", "evt_2", "x"),
]


@given(st.lists(st.integers(0, len(_STREAM))))
def test_it_does_not_matter_where_the_bytes_are_cut(cuts: list[int]) -> None:
    parser, begin = EventParser(), 0
    found: list[ServerSentEvent] = []
    for end in [*sorted(cuts), len(_STREAM)]:
        found += parser.feed(_STREAM[begin:end])
        begin = end
    assert found == _EVENTS
    assert (parser.last_id, parser.retry_seconds) == ("evt_2", 3.0)


@given(st.binary())
def test_nothing_breaks_it(data: bytes) -> None:
    list(EventParser().feed(data))


@pytest.mark.parametrize("piece", [b"x" * 1000, b"data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"])
def test_an_event_without_an_end_is_given_up(piece: bytes) -> None:
    parser = EventParser()

    def read_on() -> None:
        for _ in range(100_000):
            list(parser.feed(piece))

    with pytest.raises(TooLong):
        read_on()
