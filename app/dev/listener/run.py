"""The listener in the foreground: until Ctrl-C, or until all calls that it was told of have ended."""

import asyncio
import base64
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import click

from app.dev.listener.api import ApiAccess, ListenError, subscribe
from app.dev.listener.behaviour import USUAL, ListenerBehaviour
from app.dev.listener.lines import as_json, describe
from app.dev.listener.order import OrderBook
from app.dev.listener.received import Received
from app.dev.listener.server import create_listener
from app.dev.listener.serving import serving
from app.dev.listener.streaming import follow

__all__ = ["ListenError", "Listening", "run_listener"]

_SECRET_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What to listen to, and how. `calls` are SIDs to subscribe to, or with `stream` those to read."""

    host: str = "127.0.0.1"
    port: int = 9001
    secrets: Sequence[str] = ()
    behaviour: ListenerBehaviour = USUAL
    api: ApiAccess | None = None
    calls: Sequence[str] = ()
    events: Sequence[str] = ()
    callback_url: str = ""
    stream: bool = False
    as_json: bool = False


@dataclass(slots=True)
class _Screen:
    """Prints what comes; where a script reads standard output, nothing but deliveries there."""

    is_json: bool
    book: OrderBook = field(default_factory=OrderBook)

    def show(self, received: Received) -> None:
        notes = self.book.note(received)
        click.echo(as_json(received, notes) if self.is_json else describe(received, notes))

    def say(self, text: str) -> None:
        click.echo(text, err=self.is_json)


def run_listener(wanted: Listening) -> None:
    """Listen until SIGINT, SIGTERM, or the end of all calls that are streamed; raises `ListenError`."""
    screen = _Screen(wanted.as_json)
    try:
        asyncio.run(_listen(wanted, screen))
    finally:
        if screen.book.summary.deliveries:
            click.echo(str(screen.book.summary), err=True)


async def _listen(wanted: Listening, screen: _Screen) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    work = asyncio.create_task(_stream(wanted, screen) if wanted.stream else _receive(wanted, screen))
    stopping = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (work, stopping):
        task.cancel()
    await asyncio.gather(work, stopping, return_exceptions=True)
    if work in done:
        work.result()


async def _receive(wanted: Listening, screen: _Screen) -> None:
    """Serve, subscribe, and wait to be cancelled."""
    secrets = list(wanted.secrets)
    own = f"whsec_{base64.b64encode(os.urandom(_SECRET_BYTES)).decode()}"
    if wanted.calls:
        secrets.append(own)
    url = f"http://{f'[{wanted.host}]' if ':' in wanted.host else wanted.host}:{wanted.port}"
    async with serving(create_listener(secrets, screen.show, wanted.behaviour), wanted.host, wanted.port):
        verifying = "verifies signatures" if secrets else "verifies nothing, since it was given no --secret"
        screen.say(f"The listener is at {url} and {verifying}.")
        for call_sid in wanted.calls:
            if wanted.api:
                made = await subscribe(wanted.api, call_sid, wanted.callback_url or f"{url}/", own, wanted.events)
                screen.say(f"Subscribed to {call_sid}: {made}.")
        await asyncio.Event().wait()


async def _stream(wanted: Listening, screen: _Screen) -> None:
    """Read streams side by side until all have ended."""
    if wanted.api is None:
        raise ListenError("--stream needs --api and --key.")
    api = wanted.api
    say: Callable[[str], None] = screen.say
    screen.say(f"Reading {', '.join(wanted.calls) or 'all calls of this key'} at {api.url}.")
    reading = [
        asyncio.create_task(follow(api, one, wanted.events, on_event=screen.show, on_note=say))
        for one in wanted.calls or (None,)
    ]
    try:
        await asyncio.gather(*reading)
    finally:
        for one in reading:
            one.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
