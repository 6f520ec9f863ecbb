"""Receives Ringback's events: verifies each, stores it once, answers, and works on it afterwards.

Needs fastapi and uvicorn: WEBHOOK_SECRETS="whsec_…" WEBHOOK_INBOX=inbox uvicorn receiver:app --port 9000
"""

import base64
import fcntl
import hashlib
import hmac
import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

INBOX = Path(os.environ.get("WEBHOOK_INBOX", "inbox"))
# Separated by spaces: while a secret is being rotated, the new one and the old one.
SECRETS = os.environ.get("WEBHOOK_SECRETS", "").split()
KEYS = [base64.b64decode(one.removeprefix("whsec_"), validate=True) for one in SECRETS]
TOLERANCE_SECONDS = 300
MAX_BODY_BYTES = 65_536  # an event is below 20 kB
RETRY_SECONDS = 5.0  # before an event whose work failed is worked on again
KEEP_SECONDS = 30 * 86400  # longer than Ringback keeps a call, and so could send its events again
if not KEYS or any(len(key) < 24 for key in KEYS):  # an empty key would accept what anybody signs
    raise SystemExit("WEBHOOK_SECRETS must hold signing secrets: whsec_…, separated by spaces")

log = logging.getLogger("receiver")
news = threading.Event()


def handle(event: dict[str, Any]) -> None:
    """Do your work here. After a crash in the middle it is called with the same event again."""
    print(event["data"].get("call_sid"), event["data"].get("sequence"), event["type"], flush=True)


def genuine(webhook_id: str, sent_at: str, signatures: str, body: bytes) -> bool:
    """Whether any of the signatures was made with any of our secrets, and lately."""
    if not webhook_id or not (sent_at.isascii() and sent_at.isdigit() and len(sent_at) <= 12):
        return False
    if abs(time.time() - int(sent_at)) > TOLERANCE_SECONDS:  # it may be a recording
        return False
    signed = f"{webhook_id}.{sent_at}.".encode() + body
    digests = [hmac.digest(key, signed, hashlib.sha256) for key in KEYS]
    expected = [b"v1," + base64.b64encode(digest) for digest in digests]
    offered = [one.encode() for one in signatures.split(" ")]
    # compare_digest takes equally long whatever differs, and so tells nothing of the right signature.
    return any(hmac.compare_digest(one, ours) for one in offered for ours in expected)


def inbox() -> sqlite3.Connection:
    """Open the inbox. What is committed is on the disk: FULL waits for it."""
    database = sqlite3.connect(INBOX / "events.sqlite3", timeout=5, isolation_level=None)
    database.execute("PRAGMA synchronous = FULL")
    return database


def store(webhook_id: str, body: bytes) -> None:
    """Put an event into the inbox, unless it is there: the unique id is what knows a repetition."""
    add = "INSERT INTO events (webhook_id, body) VALUES (?, ?) ON CONFLICT DO NOTHING"
    with closing(inbox()) as database:
        database.execute(add, (webhook_id, body))
    news.set()


def work_once() -> None:
    """Work on what waits, oldest first. A failure holds up the events of its own call, and no others."""
    waiting = "SELECT webhook_id, body FROM events WHERE done_at IS NULL ORDER BY position"
    held_up = set()
    with closing(inbox()) as database:
        for webhook_id, body in database.execute(waiting).fetchall():
            event = json.loads(body)
            if event["data"].get("call_sid") in held_up:
                continue
            try:
                handle(event)
            except Exception:
                log.exception("%s is to be worked on again", webhook_id)
                held_up.add(event["data"].get("call_sid"))
            else:
                done = "UPDATE events SET done_at = ? WHERE webhook_id = ?"
                database.execute(done, (time.time(), webhook_id))
        database.execute("DELETE FROM events WHERE done_at < ?", (time.time() - KEEP_SECONDS,))


def work_for_ever() -> None:
    """Work on what is stored. Of several processes the one that has the lock does it, then the next one."""
    with (INBOX / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        while True:
            news.clear()  # before looking, so that nothing is missed
            try:
                work_once()
            except Exception:
                log.exception("the inbox cannot be worked on")
            news.wait(RETRY_SECONDS)


def make_inbox() -> None:
    INBOX.mkdir(parents=True, exist_ok=True)
    with closing(inbox()) as database:
        database.execute("PRAGMA journal_mode = WAL")  # storing does not wait for reading
        database.execute(
            "CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY,"
            " webhook_id TEXT UNIQUE NOT NULL, body BLOB NOT NULL, done_at REAL)"
        )


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    make_inbox()
    threading.Thread(target=work_for_ever, daemon=True).start()
    yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


@app.post("/hooks/calls")
async def receive(request: Request) -> Response:
    body = b""  # the raw bytes: what a parser reads and writes again has another signature
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return Response(status_code=413)
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    webhook_id, sent_at, signatures = (request.headers.get(name, "") for name in names)
    if not genuine(webhook_id, sent_at, signatures, body):
        return Response(status_code=401)
    try:
        await run_in_threadpool(store, webhook_id, body)
    except (sqlite3.Error, OSError):
        log.exception("%s could not be stored", webhook_id)
        return Response(status_code=503)  # so that it is sent again
    return Response(status_code=204)
