"""What the listener notices about a delivery after those before it, and how it says so."""

import json
from typing import Any

import pytest

from app.dev.listener.lines import as_json, describe
from app.dev.listener.order import OrderBook
from app.dev.listener.received import Received, Rejected, Verdict, Verified, read_delivery


def _delivery(
    sequence: int, *, at: float = 2.0, subscription: str = "sub_1", verdict: Verdict | None = None, **data: Any
) -> Received:
    said = {"sequence": sequence, "subscription_id": subscription, "observed_at": "1970-01-01T00:00:01Z", **data}
    body = json.dumps({"type": "call.ringing", "data": said}).encode()
    return read_delivery(
        body, received_at=at, path="/", verdict=verdict or Verified(), webhook_id=f"evt_{sequence}", answer="204"
    )


def test_in_order_nothing_is_noticed() -> None:
    book = OrderBook()
    assert [book.note(_delivery(sequence)) for sequence in (1, 2, 3)] == [[], [], []]


def test_repetitions_disorder_and_gaps_are_noticed_for_each_subscription() -> None:
    book = OrderBook()
    assert book.note(_delivery(1)) == []
    assert book.note(_delivery(4)) == ["2 left out"]
    assert book.note(_delivery(2)) == ["out of order"]
    assert book.note(_delivery(4)) == ["again"]
    assert book.note(_delivery(1, subscription="sub_2")) == []


def test_what_is_rejected_confuses_nobody() -> None:
    book = OrderBook()
    assert book.note(_delivery(9, verdict=Rejected("forged"))) == []
    assert book.note(_delivery(1)) == []
    assert str(book.summary) == (
        "2 deliveries, 0 repeated, 0 out of order, 1 rejected, seen 1.00 s before (p50), 1.00 s (p99)."
    )


def test_a_line_tells_how_late_it_is_and_what_is_odd() -> None:
    assert describe(_delivery(2), ["again"]).split()[2:] == [
        *("#2", "call.ringing", "verified", "+1.00", "s", "again", "evt_2")
    ]


def test_json_is_one_line_that_a_script_can_read() -> None:
    line = as_json(_delivery(2), ["again"])
    assert "\n" not in line
    said = json.loads(line)
    assert said["event"]["data"]["sequence"] == 2
    assert (said["verdict"], said["seen_seconds_ago"], said["notes"]) == ("verified", 1.0, ["again"])


@pytest.mark.parametrize("body", [b"\xff", b"[1]", b'{"data": {"sequence": true}}', b"[" * 100_000, b'{"a": NaN}'])
def test_hostile_bodies_are_lines_too(body: bytes) -> None:
    received = read_delivery(body, received_at=0, path="/\x1b[2J", verdict=Verified(), webhook_id="\x1b")
    assert describe(received).isprintable()
    assert json.loads(as_json(received))["webhook_id"] == "\x1b"
