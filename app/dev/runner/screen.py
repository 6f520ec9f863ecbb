"""What the user sees: a table that updates in a terminal, else a line per event."""

import os
import sys
import time
from datetime import UTC, datetime
from typing import Protocol

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.dev.listener import Received, Verified, describe
from app.dev.runner.board import Board, FollowedCall, delay_seconds

# `OUT-` and the first eight characters tell calls apart well enough.
_SHORT_SID = 12
_SID_WIDTH = 40
_WIDE = 100
_MOST_ROWS = 14
# What the table's frame, its notes and the prompt line take.
_OTHER_LINES = 7
_FOOT = "delay: from transition upstream to arrival here   Ctrl-C stops everything"
_COLOURS = {
    "completed": "green",
    "in_progress": "cyan",
    "ringing": "blue",
    "no_answer": "yellow",
    "busy": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "lost": "red",
}


class Screen(Protocol):
    """Where a run shows itself."""

    def say(self, text: str) -> None:
        """Say something once."""

    def begin(self) -> None:
        """Start to show calls."""

    def delivered(self, received: Received) -> None:
        """Show a delivery that the board has taken note of."""

    def refresh(self) -> None:
        """Show what changes with time alone."""

    def close(self) -> None:
        """Stop showing calls; what was shown stays."""


def open_screen(board: Board) -> Screen:
    return LiveScreen(board, Console()) if sys.stdout.isatty() else PlainScreen()


class PlainScreen:
    """For pipes and files. A reader that goes away, as `head` does, misses the rest and stops nothing."""

    def say(self, text: str) -> None:
        try:
            click.echo(text)
        except BrokenPipeError:
            # Into nothing from here on, the flush at the interpreter's end included.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def begin(self) -> None:
        self.say("\nCtrl-C stops everything.\n")

    def delivered(self, received: Received) -> None:
        self.say(line(received))

    def refresh(self) -> None:
        pass

    def close(self) -> None:
        pass


class LiveScreen:
    """For terminals. What is said scrolls by above the table."""

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._console = console
        self._live = Live(console=console, auto_refresh=False, get_renderable=self._render)
        self._begun = False

    def say(self, text: str) -> None:
        # Soft: a command that is longer than the terminal is wide must come out of it in one piece.
        self._console.print(Text(text), soft_wrap=True)

    def begin(self) -> None:
        self._console.print()
        self._begun = True
        self._live.start(refresh=True)

    def delivered(self, received: Received) -> None:
        if not isinstance(received.verdict, Verified):
            self.say(describe(received))
        self.refresh()

    def refresh(self) -> None:
        if self._begun:
            self._live.refresh()

    def close(self) -> None:
        if self._begun:
            self._live.stop()

    def _render(self) -> Group:
        width, height = self._console.size
        calls = self._board.shown(min(_MOST_ROWS, max(1, height - _OTHER_LINES)))
        return Group(table(calls, time.time(), wide=width >= _WIDE), Text(), Text(_FOOT, style="dim"))


def line(received: Received) -> str:
    """Write one delivery as a line: when, which call, which event, its number, its delay, and whether to trust it."""
    if not isinstance(received.verdict, Verified):
        return describe(received)
    at = datetime.fromtimestamp(received.received_at, UTC).strftime("%H:%M:%S.%f")[:-3]
    delay = delay_seconds(received)
    took = "" if delay is None else f"{delay * 1000:.0f} ms"
    text = (
        f"{at}  {received.call_sid or received.path:<{_SID_WIDTH}}  {received.event_type or '':<16}"
        f" #{received.sequence or '?'}  {took:>8}  verified"
    )
    return "".join(character if character.isprintable() else "?" for character in text)


def table(calls: list[FollowedCall], now: float, *, wide: bool) -> Table:
    """Draw the calls; `now` in Unix seconds."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    shown.add_column("call", no_wrap=True)
    shown.add_column("life so far", no_wrap=True, min_width=52 if wide else 44)
    shown.add_column("delay", justify="right", no_wrap=True)
    if wide:
        shown.add_column("last event", justify="right", no_wrap=True)
    shown.add_column("signatures", no_wrap=True)
    for call in calls:
        cells = [Text(call.call_sid[:_SHORT_SID]), _life(call, wide=wide), Text(_seconds(call.delay))]
        if wide:
            cells.append(Text(_ago(call, now), style="dim"))
        shown.add_row(*cells, _signatures(call))
    return shown


def _life(call: FollowedCall, *, wide: bool) -> Text:
    if not call.names:
        return Text("waiting for its first event", style="dim")
    *past, last = call.life
    arrow = " → " if wide else "→"
    text = Text("".join(name + arrow for name in past), style="dim")
    text.append(last, style=f"not dim {'bold' if call.final else ''} {_COLOURS.get(last, 'default')}")
    return text


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"


def _ago(call: FollowedCall, now: float) -> str:
    if call.last_at is None:
        return ""
    seconds = max(0, int(now - call.last_at))
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min ago" if minutes else f"{rest} s ago"


def _signatures(call: FollowedCall) -> Text:
    text = Text(f"✓ {len(call.names)}" if call.names else "", style="green")
    if call.rejected:
        text.append(f" ✗ {call.rejected}", style="bold red")
    return text
