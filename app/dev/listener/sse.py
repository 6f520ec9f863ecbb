"""Server-Sent Events, read: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream."""

from collections.abc import Iterator
from dataclasses import dataclass, field

# An event is some hundred bytes; whatever stands at the other end, it fills no memory.
_MOST_BYTES = 1024 * 1024


class TooLong(ValueError):
    """An event without an end."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event: `id` is the last one that was told, empty before the first."""

    type: str
    id: str
    data: str


@dataclass(slots=True)
class EventParser:
    """Takes bytes as they come and yields events. `last_id` is what to go on behind, `retry_seconds` when."""

    last_id: str = ""
    retry_seconds: float | None = None
    _rest: bytes = b""
    _type: str = ""
    _data: list[str] = field(default_factory=list)
    _size: int = 0

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Yield what is complete; raises `TooLong`."""
        text = self._rest + data
        # A line that ends with CR may go on with LF.
        whole = text[:-1] if text.endswith(b"\r") else text
        *lines, rest = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + text[len(whole) :]
        for line in lines:
            if event := self._take(line.decode(errors="replace")):
                yield event
        if len(self._rest) + self._size > _MOST_BYTES:
            raise TooLong("an event is longer than a megabyte")

    def _take(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._end()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
                self._size += len(value)
                if self._size > _MOST_BYTES:
                    raise TooLong("an event is longer than a megabyte")
            case "id" if "\0" not in value:
                self.last_id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry_seconds = int(value[:9]) / 1000
        return None

    def _end(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._type or "message", self.last_id, "\n".join(self._data)) if self._data else None
        self._type, self._data, self._size = "", [], 0
        return event
