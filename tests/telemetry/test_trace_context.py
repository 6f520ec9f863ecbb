"""What is read of a caller's trace context, hostile ones included, and what is handed on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.trace_context import MAX_STATE_LENGTH, TraceContext, bounded_state, read_context, unpack_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_a_caller_is_understood_and_handed_on() -> None:
    context = read_context(GOOD, "congo=t61rcWkgMzE, rojo=00f067aa0ba902b7")
    assert context == TraceContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7")
    assert context.headers == {"traceparent": GOOD, "tracestate": "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"}
    assert unpack_context(context.packed, context.state) == context


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_only_the_first_flag_says_whether_it_is_kept(flags: str, sampled: bool) -> None:
    context = read_context(f"00-{TRACE}-{SPAN}-{flags}")
    assert context is not None
    assert context.sampled == sampled


def test_of_a_later_version_what_is_known_is_read() -> None:
    assert read_context(f"01-{TRACE}-{SPAN}-01-what-the-future-brings") == read_context(GOOD)
    assert read_context(f"cc-{TRACE}-{SPAN}-01") == read_context(GOOD)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f" {GOOD}",
        f"00-{TRACE}-{SPAN}-zz",
        f"0\u0660-{TRACE}-{SPAN}-01",
        GOOD * 1000,
    ],
)
def test_what_is_not_quite_one_begins_a_trace(written: str) -> None:
    assert read_context(written) is None


@pytest.mark.parametrize(
    "written",
    [
        "no-value",
        "a=",
        "A=b",
        "a=b,a=c",
        "a=b=c",
        "a=\x7f",
        "a=ä",
        "=b",
        "a\r\nx-evil: 1=b",
        ",".join(f"k{n}=v" for n in range(33)),
    ],
)
def test_a_malformed_state_is_left_out_and_its_trace_is_not(written: str) -> None:
    context = read_context(GOOD, written)
    assert context is not None
    assert context.state == ""
    assert context.headers == {"traceparent": GOOD}


def test_a_long_state_loses_its_long_entries_first_and_then_its_last() -> None:
    long = f"long={'x' * 200}"
    short = [f"key{number:02d}={'y' * 30}" for number in range(20)]
    state = bounded_state(",".join([short[0], long, *short[1:]]))
    assert len(state) <= MAX_STATE_LENGTH
    assert state == ",".join(short[: state.count(",") + 1])


@given(st.text(max_size=80), st.text(max_size=700))
def test_whatever_a_caller_says_what_is_handed_on_is_well_formed(parent: str, state: str) -> None:
    context = read_context(parent, state)
    if context is not None:
        assert (
            read_context(**dict(zip(("traceparent", "tracestate"), context.headers.values(), strict=False))) == context
        )
    bounded = bounded_state(state)
    assert len(bounded) <= MAX_STATE_LENGTH
    assert bounded.isascii()
    assert bounded.isprintable()
    assert bounded_state(bounded) == bounded


@pytest.mark.parametrize("packed", [b"", b"short", b"x" * 25])
def test_what_was_not_written_by_us_is_no_context(packed: bytes) -> None:
    assert unpack_context(packed) is None
