"""The lines of the log: JSON that a machine reads, with the ids that are bound, and without anything that is secret."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.log import JsonLines, TerminalLines, bind
from app.telemetry.redaction import Redaction
from tests.processes import ROOT, environment

SECRETS = ('pass"word\\of-redis', "admin-key-of-the-tests", "größer-als-nichts", "p@ss word")
KEY = "rbk_0c1m842cp95qqrkphhnzx30c1m842cp95qqrkphhnz_Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmFyYmF6Zm9vYmF"
OWN = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Sink:
    """A logger that writes to a text."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._text = io.StringIO()
        handler = logging.StreamHandler(self._text)
        handler.setFormatter(formatter)
        self.log = logging.Logger("tests.sink")  # noqa: LOG001 -- one of its own, that nobody else configures
        self.log.addHandler(handler)

    @property
    def text(self) -> str:
        return self._text.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def fail(error: Exception) -> None:
    raise error


@pytest.fixture
def sink() -> Sink:
    return Sink(JsonLines(Redaction(SECRETS)))


def test_a_line_says_when_how_grave_what_and_of_what(sink: Sink) -> None:
    sink.log.warning("attempt %s", 3, extra={"outcome": "retry", "sequence": 4, "events": ["call.ringing"]})
    (line,) = sink.lines
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "attempt 3",
        "outcome": "retry",
        "sequence": 4,
        "events": ["call.ringing"],
        "logger": "tests.sink",
    }


def test_an_exception_is_one_field_of_its_line(sink: Sink) -> None:
    try:
        fail(ValueError("no\nsuch thing"))
    except ValueError:
        sink.log.exception("it failed", extra={"reason": object})
    (line,) = sink.lines
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: no\nsuch thing")


def test_times_ascend_through_a_second() -> None:
    lines = JsonLines(Redaction(()))
    record = logging.makeLogRecord({"msg": "x"})
    written = []
    for created in (1710496800.000001, 1710496800.999999, 1710496801.0, 1710496860.25):
        record.created = created
        written.append(json.loads(lines.format(record))["timestamp"])
    assert written == [
        "2024-03-15T10:00:00.000001Z",
        "2024-03-15T10:00:00.999999Z",
        "2024-03-15T10:00:01.000000Z",
        "2024-03-15T10:01:00.250000Z",
    ]


async def test_what_is_bound_is_in_every_line_of_its_task_alone(sink: Sink) -> None:
    async def serve(request_id: str) -> None:
        bind(request_id=request_id)
        bind(trace_id="t" + request_id)
        await asyncio.sleep(0)
        await asyncio.create_task(helper())

    async def helper() -> None:
        sink.log.info("served")

    await asyncio.gather(*(asyncio.create_task(serve(one)) for one in ("a", "b")))
    sink.log.info("between")
    assert [(line.get("request_id"), line.get("trace_id")) for line in sink.lines] == [
        ("a", "ta"),
        ("b", "tb"),
        (None, None),
    ]


@pytest.mark.parametrize("make", [JsonLines, TerminalLines])
@pytest.mark.parametrize(
    ("said", "hidden", "left"),
    [
        (f"key {KEY}", KEY[4:], "key rbk_***"),
        (f"signs with {OWN}, now", OWN[6:], "signs with whsec_***, now"),
        ("authorization: Bearer abc.def-123", "abc.def-123", "authorization: Bearer ***"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "authorization: basic ***"),
        ("at redis://user:hunter2@redis:6379/0", "hunter2", "at redis://***@redis:6379/0"),
        ("at redis://:a%40b@redis:6379/0", "a%40b", "at redis://***@redis:6379/0"),
        ("to https://hooks.example.com/services/TX9/B1?token=abc now", "TX9", "to https://hooks.example.com/*** now"),
        ("to https://hooks.example.com?token=abc now", "abc", "to https://hooks.example.com?*** now"),
        *[(f"it was {secret}!", secret, "it was ***!") for secret in SECRETS],
        ("quoted: p%40ss%20word", "p%40ss%20word", "quoted: ***"),
    ],
)
def test_secrets_are_taken_out_wherever_they_stand(
    make: type[JsonLines | TerminalLines], said: str, hidden: str, left: str
) -> None:
    sink = Sink(make(Redaction(SECRETS)))
    sink.log.info(said)
    sink.log.info("given", extra={"reason": said, "list": [said], "map": {said: said}})
    try:
        fail(ConnectionError(said))
    except ConnectionError:
        sink.log.exception("raised")
    assert hidden not in sink.text
    assert json.dumps(hidden)[1:-1] not in sink.text
    assert left in sink.text
    if make is JsonLines:
        assert len(sink.lines) == 3


@pytest.mark.parametrize(
    "said",
    [
        "Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)",
        "https://crm.example.com:443",
        "redis://redis:6379/0",
        "sub_0c1m842cp95qqrkphhnzx3",
        "see https://docs.python.org/3/library/asyncio.html",
    ],
)
def test_what_is_no_secret_is_left_alone(sink: Sink, said: str) -> None:
    sink.log.info("x", extra={"reason": said})
    assert sink.lines[0]["reason"] == said


@given(st.text(max_size=200), st.dictionaries(st.text(max_size=9), st.text(max_size=40), max_size=3))
def test_whatever_is_logged_is_one_line_of_json(said: str, given_along: dict[str, str]) -> None:
    sink = Sink(JsonLines(Redaction(SECRETS)))
    sink.log.info("%s", said, extra={"about": given_along, "reason": said})
    assert len(sink.lines) == sink.text.count("\n") == 1


_TROUBLE = """
import logging, threading, warnings
from app.telemetry.log import configure_logging
configure_logging("INFO", ["admin-key-of-the-tests"])
configure_logging("INFO", ["admin-key-of-the-tests"])
warnings.warn("admin-key-of-the-tests is deprecated")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
logging.getLogger("uvicorn.error").info("Started %s", "server", extra={"color_message": "painted"})
raise RuntimeError("Bearer of-somebody")
"""


def test_warnings_and_uncaught_exceptions_are_lines_too() -> None:
    ended = subprocess.run(  # noqa: S603 -- the command is ours, and no shell reads it
        [sys.executable, "-c", _TROUBLE], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [(line["event"].partition(":")[0], line["level"]) for line in lines[1:]] == [
        ("uncaught exception in a thread", "critical"),
        ("Started server", "info"),
        ("uncaught exception", "critical"),
    ]
    assert "UserWarning: *** is deprecated" in lines[0]["event"]
    assert "ZeroDivisionError" in lines[1]["exception"]
    assert lines[3]["exception"].endswith("RuntimeError: Bearer ***")
    assert all("color_message" not in line for line in lines)
