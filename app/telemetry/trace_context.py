"""W3C Trace Context: what is read of a caller, kept with a subscription, and told to a receiver.

Plain values, so that whatever keeps or carries one knows nothing of what makes spans (tracing.py).
"""

import re
from dataclasses import dataclass

# The length that the specification asks everybody to pass on at least (section 3.3.1.5); more is cut, not kept.
MAX_STATE_LENGTH = 512
_MAX_MEMBERS = 32
# Entries longer than this are the first to go, as the specification asks.
_LONG_MEMBER = 128
_TRACE_ID_BYTES = 16
_SPAN_ID_BYTES = 8
_SAMPLED = 0x01
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?")
_MEMBER = re.compile(
    r"(?:[a-z][_0-9a-z*/-]{0,255}|[a-z0-9][_0-9a-z*/-]{0,240}@[a-z][_0-9a-z*/-]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span as others may refer to it: its trace, itself, what tracing systems say of it, and whether it is kept."""

    trace_id: bytes
    span_id: bytes
    state: str = ""
    sampled: bool = True

    @property
    def packed(self) -> bytes:
        """Both ids, in 24 bytes."""
        return self.trace_id + self.span_id

    @property
    def headers(self) -> dict[str, str]:
        """The request headers that hand it on."""
        parent = f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{'01' if self.sampled else '00'}"
        return {"traceparent": parent, "tracestate": self.state} if self.state else {"traceparent": parent}


def unpack_context(packed: bytes, state: str = "") -> TraceContext | None:
    """Return what `packed` wrote, None where nothing was; only what is sampled is ever written."""
    if len(packed) != _TRACE_ID_BYTES + _SPAN_ID_BYTES:
        return None
    return TraceContext(packed[:_TRACE_ID_BYTES], packed[_TRACE_ID_BYTES:], state)


def read_context(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """Read what a caller says; None, to begin a trace of one's own, for anything that is not quite a `traceparent`."""
    found = _TRACEPARENT.fullmatch(traceparent)
    # Of the version that we know, nothing may follow; of later ones, what is known comes first.
    if not found or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = bytes.fromhex(found[2]), bytes.fromhex(found[3])
    if not any(trace_id) or not any(span_id):
        return None
    return TraceContext(trace_id, span_id, bounded_state(tracestate), bool(int(found[4], 16) & _SAMPLED))


def bounded_state(tracestate: str) -> str:
    """Return so much of a `tracestate` as may be passed on; nothing of one that is malformed."""
    if len(tracestate) > MAX_STATE_LENGTH * _MAX_MEMBERS:
        return ""
    members = [member.strip(" \t") for member in tracestate.split(",")]
    members = [member for member in members if member]
    names = {member.partition("=")[0] for member in members}
    if len(members) > _MAX_MEMBERS or len(names) < len(members) or not all(map(_MEMBER.fullmatch, members)):
        return ""
    if _length(members) > MAX_STATE_LENGTH:
        members = [member for member in members if len(member) <= _LONG_MEMBER]
    while _length(members) > MAX_STATE_LENGTH:
        members.pop()
    return ",".join(members)


def _length(members: list[str]) -> int:
    return sum(map(len, members)) + max(0, len(members) - 1)
