"""The receivers of docs/receiving.md, run as their readers run them, each with a tenant of its own."""

import base64
import hashlib
import hmac
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.dev.embedded_redis import HOST
from tests.peers import eventually
from tests.processes import ROOT, Process, environment

FOLDER = ROOT / "docs" / "receivers"
# What each needs on the machine.
INTERPRETERS = {"python": sys.executable, "node": "node", "php": "php"}
SUFFIXES = {"python": ".py", "node": ".mjs", "php": ".php"}


class _Program(Process):
    """A process of any interpreter."""

    def command(self) -> list[str]:
        return list(self._arguments)


def commands(language: str, port: int) -> list[list[str]]:
    """Return the commands that docs/receiving.md gives; the last one is that of what works."""
    interpreter = shutil.which(INTERPRETERS[language]) or language
    match language:
        case "python":
            # Its access log would come in the middle of the lines that are read here.
            return [[interpreter, "-m", "uvicorn", "receiver:app", "--port", str(port), "--no-access-log"]]
        case "node":
            return [[interpreter, "receiver.mjs"]]
        case _:
            return [[interpreter, "-S", f"{HOST}:{port}", "receiver.php"], [interpreter, "receiver.php"]]


@dataclass
class DocumentedReceiver:
    """One of them, with its inbox and its secrets; `api` is that of the tenant whose secrets they are."""

    language: str
    folder: Path
    port: int
    api: httpx.AsyncClient
    secrets: Sequence[str]
    processes: Sequence[Process] = ()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hooks/calls"

    @property
    def inbox(self) -> Path:
        return self.folder / "inbox"

    async def start(self, sources: Path = FOLDER) -> None:
        """Start it, and return once it listens."""
        settings = environment() | {
            "WEBHOOK_SECRETS": " ".join(self.secrets),
            "WEBHOOK_INBOX": str(self.inbox),
            "PORT": str(self.port),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.processes = [
            _Program(command, settings, self.folder / f"{number}.log", root=sources)
            for number, command in enumerate(commands(self.language, self.port))
        ]
        for process in self.processes:
            process.start()
        await eventually(self._listens, f"the receiver in {self.language} listens")

    async def start_anew(self, *secrets: str, sources: Path = FOLDER) -> None:
        """Kill it, and start it with other secrets if there are any."""
        self.kill()
        self.secrets = secrets or self.secrets
        await self.start(sources)

    def kill(self) -> None:
        for process in self.processes:
            process.kill()

    def stored(self) -> list[str]:
        """The webhook-ids in its inbox, sorted."""
        if self.language == "python":
            with closing(sqlite3.connect(self.inbox / "events.sqlite3")) as database:
                return sorted(row[0] for row in database.execute("SELECT webhook_id FROM events"))
        return sorted(path.name for folder in ("waiting", "done") for path in (self.inbox / folder).iterdir())

    def worked_on(self, call_sid: str) -> list[int]:
        """The sequences of a call's events in the order in which they were worked on, from its first start on."""
        lines = (line.split() for line in self.processes[-1].log_path.read_text().splitlines())
        return [int(line[1]) for line in lines if len(line) == 3 and line[0] == call_sid]

    async def until_worked_on(self, call_sid: str, count: int) -> list[int]:
        """Wait until so many of a call's events were worked on, and return the sequences of all that were."""

        async def done() -> bool:
            return len(set(self.worked_on(call_sid))) >= count

        await eventually(done, f"the receiver in {self.language} has worked on {count} events")
        return self.worked_on(call_sid)

    async def subscribe(self, call_sid: str) -> dict[str, Any]:
        wanted = {"call_sid": call_sid, "callback_url": self.url}
        answer = await self.api.post("/v1/subscriptions", json=wanted)
        subscription: dict[str, Any] = answer.raise_for_status().json()
        return subscription

    async def deliveries(self, call_sid: str) -> list[dict[str, Any]]:
        """The deliveries of a call as the API tells of them, the first event first."""
        answer = await self.api.get("/v1/deliveries", params={"call_sid": call_sid})
        return sorted(answer.raise_for_status().json()["items"], key=lambda one: int(one["sequence"]))

    async def send(self, headers: Mapping[str, str], body: bytes, method: str = "POST") -> httpx.Response:
        """Send a request to it past the service."""
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.request(method, self.url, headers=dict(headers), content=body)

    async def _listens(self) -> bool:
        for process in self.processes:
            assert process.runs, process.output
        try:
            return (await self.send({}, b"", "GET")).status_code == httpx.codes.METHOD_NOT_ALLOWED
        except httpx.TransportError:
            return False


# What a reader would write into `handle`, here to fail while a file is there that is called like the call; and how long
# it is until what failed is tried again.
_FAILING = {
    "python": (
        "    print(event[",
        '    if (INBOX / event["data"]["call_sid"]).exists():\n        raise RuntimeError("on purpose")\n',
        ("RETRY_SECONDS = 5.0", "RETRY_SECONDS = 0.1"),
    ),
    "node": (
        "  console.log(event.",
        '  if (await exists(join(INBOX, event.data.call_sid))) throw new Error("on purpose");\n',
        ("RETRY_MS = 5_000", "RETRY_MS = 100"),
    ),
    "php": (
        "    echo implode(",
        "    is_file(place('', $event['data']['call_sid'])) && throw new RuntimeException('on purpose');\n",
        ("RETRY_MICROSECONDS = 5_000_000", "RETRY_MICROSECONDS = 100_000"),
    ),
}


def with_failing_work(language: str, folder: Path) -> Path:
    """Copy a receiver to a folder, with work that fails for a call while the inbox has a file of the call's name."""
    work, failure, (wait, short) = _FAILING[language]
    source = FOLDER / f"receiver{SUFFIXES[language]}"
    text = source.read_text()
    assert text.count(work) == text.count(wait) == 1
    (folder / source.name).write_text(text.replace(work, failure + work).replace(wait, short))
    return folder


def signed(secret: str, webhook_id: str, body: bytes, sent_at: float | None = None) -> dict[str, str]:
    """Return the headers of a delivery, by the text of Standard Webhooks and by no code of the service."""
    moment = str(int(time.time() if sent_at is None else sent_at))
    content = f"{webhook_id}.{moment}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256)
    signature = "v1," + base64.b64encode(digest).decode()
    return {"webhook-id": webhook_id, "webhook-timestamp": moment, "webhook-signature": signature}


def event_body(call_sid: str, sequence: int = 1) -> bytes:
    data = {"call_sid": call_sid, "sequence": sequence, "metadata": {"name": "Zoë ☎"}}
    return json.dumps({"type": "call.queued", "data": data}, ensure_ascii=False).encode()
