"""How a worker ends: told at once that it has to, and done within a bound."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import uvloop


def end_well_while_starting() -> None:
    """Have SIGTERM end the process with exit code 0 until arq takes it over: nothing has been begun that could be lost.

    As the first process of a container, one without a handler would not even hear it.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


class TellingLoop(uvloop.Loop):
    """An event loop that tells `on_end` of a signal before whoever handles it.

    arq handles SIGTERM by waiting for its jobs, and tells the worker's own code only after that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.on_end: Callable[[], None] = lambda: None

    def add_signal_handler(self, sig: int, callback: Callable[..., Any], *args: Any) -> None:  # type: ignore[override] # uvloop's stubs bind the arguments' types
        def handle() -> None:
            self.on_end()
            callback(*args)

        super().add_signal_handler(sig, handle)


def open_telling_loop() -> TellingLoop:
    """Make such a loop, and the one that arq takes when it makes its worker."""
    loop = TellingLoop()
    asyncio.set_event_loop(loop)
    return loop
