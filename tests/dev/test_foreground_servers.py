"""What `ringback simulate` and `ringback listen` run, as processes of their own."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from app.dev.embedded_redis import free_port

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_SIMULATOR = """
from app.dev.simulator import SimulatorSettings, run_simulator
run_simulator(SimulatorSettings(error_share=0, slow_share=0), "127.0.0.1", {port})
"""
_LISTENER = """
from app.dev.listener import Listening, run_listener
run_listener(Listening(secrets=["{secret}"], port={port}))
"""


def _wait_until_it_listens(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, "it ended before it listened"
        assert time.monotonic() < deadline, "it did not listen in time"
        time.sleep(0.02)


@contextmanager
def _running(script: str, port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", script.format(port=port, secret=_SECRET)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 -- scripts of this file
        try:
            _wait_until_it_listens(process, port)
            yield process
        finally:
            process.kill()


def test_the_simulator_runs_until_it_is_interrupted() -> None:
    port = free_port()
    account = f"http://127.0.0.1:{port}/api/v1/acc-demo/proj-demo/outbound-call"
    headers = {"X-CONNECTOR-ID": "connector-demo"}
    with _running(_SIMULATOR, port) as process:
        call_sid = httpx.post(account, headers=headers).json()["call_sid"]
        answer = httpx.get(f"{account}/status/{call_sid}", headers=headers)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert answer.json()["call_sid"] == call_sid


def test_the_listener_prints_a_line_per_delivery_at_once() -> None:
    port = free_port()
    now = datetime.now(UTC)
    body = '{"type": "call.ringing", "data": {"sequence": 3, "call_sid": "OUT-1"}}'
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(_SECRET).sign("evt_1", now, body),
    }
    with _running(_LISTENER, port) as process:
        assert process.stdout is not None
        assert httpx.post(f"http://127.0.0.1:{port}/hook", content=body, headers=headers).status_code == 204
        assert "verifies signatures" in process.stdout.readline()
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert line.split()[1:] == ["OUT-1", "#3", "call.ringing", "verified", "evt_1"]
