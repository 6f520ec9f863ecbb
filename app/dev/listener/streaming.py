"""Following streams of the API, where no port of this machine can be reached from outside."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence

import httpx

from app.dev.listener.api import ApiAccess, ListenError, refusal
from app.dev.listener.lines import printable
from app.dev.listener.received import Received, Streamed, read_delivery
from app.dev.listener.sse import EventParser, ServerSentEvent, TooLong

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_TRY_AGAIN = {429, 500, 502, 503, 504}


async def follow(
    api: ApiAccess,
    call_sid: str | None,
    events: Sequence[str],
    *,
    on_event: Callable[[Received], None],
    on_note: Callable[[str], None],
) -> None:
    """Read a call's stream until the call has ended, or that of all calls for ever; raises `ListenError`.

    It goes on behind the last event after a break, with growing pauses while nobody answers.
    """
    parser, pause = EventParser(), _FIRST_PAUSE_SECONDS
    path = "/v1/stream" if call_sid is None else f"/v1/calls/{call_sid}/stream"
    async with api.client() as client:
        while True:
            told = _Telling(path, on_event, on_note)
            try:
                if await _read(client, path, events, parser, told):
                    return
                on_note(f"the stream ended: {told.ending or 'it was cut off'}; connecting again")
            except (httpx.HTTPError, TooLong) as error:
                on_note(f"the stream was cut off ({type(error).__name__}); connecting again")
            pause = _FIRST_PAUSE_SECONDS if told.events else min(pause * 2, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(max(pause, min(parser.retry_seconds or 0.0, _LONGEST_PAUSE_SECONDS)))
            # What was begun before the break is not gone on with.
            parser = EventParser(parser.last_id, parser.retry_seconds)


class _Telling:
    """Tells of what one connection brings."""

    def __init__(self, path: str, on_event: Callable[[Received], None], on_note: Callable[[str], None]) -> None:
        self._path = path
        self._on_event = on_event
        self._on_note = on_note
        self.events = 0
        self.ending = ""

    def take(self, event: ServerSentEvent) -> None:
        match event.type:
            case "stream.end":
                self.ending = _reason(event)
            case "stream.gap":
                self._on_note(f"events may be missing here: {_reason(event)}; see GET /v1/calls")
            case _:
                self.events += 1
                self._on_event(
                    read_delivery(
                        event.data.encode(),
                        received_at=time.time(),
                        path=self._path,
                        verdict=Streamed(),
                        webhook_id=event.id or None,
                    )
                )


async def _read(
    client: httpx.AsyncClient, path: str, events: Sequence[str], parser: EventParser, told: _Telling
) -> bool:
    """Read one connection to its end; returns whether the call has ended."""
    headers = {"Last-Event-ID": parser.last_id} if parser.last_id else {}
    async with client.stream("GET", path, headers=headers, params={"events": list(events)}) as answer:
        if answer.status_code == httpx.codes.NO_CONTENT:
            return True
        if answer.status_code != httpx.codes.OK:
            await answer.aread()
            if answer.status_code in _TRY_AGAIN:
                told.ending = f"{answer.status_code}"
                return False
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise ListenError(f"{path}: this key has no subscription to this call, which comes first.")
            raise refusal(answer, path)
        async for data in answer.aiter_raw():
            for event in parser.feed(data):
                told.take(event)
    return told.ending == "call_ended"


def _reason(event: ServerSentEvent) -> str:
    try:
        said = json.loads(event.data)
    except ValueError:
        return "no reason is told"
    return printable(str(said.get("reason") if isinstance(said, dict) else said))[:100]
