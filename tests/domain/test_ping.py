"""The event that tests a callback URL."""

import json

from app.domain.ping import make_ping
from tests.builders import START


def test_a_ping_in_its_documented_order() -> None:
    ping = make_ping(START + 0.25, bytes(range(7)))
    assert list(json.loads(ping.body)) == ["type", "timestamp", "data"]
    assert ping.body == (
        b'{"type":"ping","timestamp":"2024-03-15T10:00:00.250Z","data":{"event_id":"%b"}}' % ping.id.encode()
    )
    assert ping.id.startswith("evt_")


def test_chance_and_time_make_the_id() -> None:
    assert make_ping(START, bytes(7)) == make_ping(START, bytes(7))
    assert (
        len({make_ping(START, bytes(7)).id, make_ping(START, bytes([1] * 7)).id, make_ping(START + 1, bytes(7)).id})
        == 3
    )
