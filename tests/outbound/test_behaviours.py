"""The table: whatever a receiver does, an attempt ends in time, with the verdict that a tenant expects."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from app.domain.retry import AttemptResult, Responded, RetryAt, Unreachable, judge
from app.domain.retry_after import retry_after_seconds
from app.outbound.callback import MAX_ANSWER_BYTES, CallbackClient
from app.outbound.http import Answer, ErrorClass, Exchange
from tests.outbound.behaviours import FIRST_WAIT, Behaviour
from tests.outbound.behaviours_of_answers import ENDLESS, INVALID, STATUSES, UNUSUAL, WAITS
from tests.outbound.behaviours_of_connections import RESETS, SLOW, TLS
from tests.outbound.receivers import PATIENCE_SECONDS, always_ok, receiver

TABLE = [*RESETS, *TLS, *SLOW, *STATUSES, *WAITS, *UNUSUAL, *INVALID, *ENDLESS]
BODY = b'{"type": "call.completed"}'
# For the rows that use it up.
_DEADLINE_SECONDS = 0.3


def test_no_row_stands_twice() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_receivers_behaviour_and_the_reaction(row: Behaviour, tmp_path: Path) -> None:
    # As a worker does; its transports are not asyncio's.
    uvloop.run(_try(row, tmp_path))


async def _try(row: Behaviour, folder: Path) -> None:
    async with row.peer(folder) as place, receiver(always_ok) as healthy:
        files = _open_files()
        deadline = _DEADLINE_SECONDS if row.saw is ErrorClass.TIMEOUT else PATIENCE_SECONDS
        async with CallbackClient(
            timeout_seconds=deadline, max_connections=4, allow_private=True, extra_trust_roots=place.roots
        ) as client:
            result = await asyncio.wait_for(client.post(place.url, {"webhook-id": "evt_1"}, BODY), PATIENCE_SECONDS)
            _check(row, result)
            afterwards = await client.post(healthy.url, {}, BODY)
            assert isinstance(afterwards, Answer)
            assert afterwards.body == b"ok"
            # What remains on this side, beside the idle connections, is the two receivers' own ends.
            await _until(lambda: _open_files() <= files + 4)


def _check(row: Behaviour, result: Exchange) -> None:
    now = time.time()
    attempt: AttemptResult
    if isinstance(result, Answer):
        assert result.status_code == row.saw
        assert len(result.body) <= MAX_ANSWER_BYTES
        assert row.excerpt is None or result.body == row.excerpt
        attempt = Responded(result.status_code, retry_after_seconds(result.headers.get("retry-after"), now))
    else:
        assert result.error == row.saw
        attempt = Unreachable(str(result.error))
    verdict = judge(attempt, 0, now, [FIRST_WAIT], 0.5)
    assert type(verdict) is row.verdict
    if isinstance(verdict, RetryAt):
        assert verdict.at - now == pytest.approx(row.wait, abs=2 if row.wait > FIRST_WAIT else 0.001)


def _open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 -- nobody signals a closed file
            await asyncio.sleep(0.01)
