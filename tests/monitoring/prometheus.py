"""A real Prometheus on loopback, and what it says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from app.dev.embedded_redis import free_port
from tests.monitoring.rules import quicker
from tests.processes import Process, environment

_LOOK_SECONDS = 0.5


class Prometheus:
    """Its answers, and since when each alert has fired or been over."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.firing: set[str] = set()
        # Of each alert the moments of the monotonic clock when it began to fire, and when it was over.
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    async def watch(self) -> None:
        """Ask for ever which alerts fire."""
        async with httpx.AsyncClient(trust_env=False, base_url=self.url) as client:
            while True:
                alerts = (await client.get("/api/v1/alerts")).json()["data"]["alerts"]
                firing = {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}
                now = time.monotonic()
                self.began |= dict.fromkeys(firing - self.firing, now)
                self.ended |= dict.fromkeys(self.firing - firing, now)
                self.firing = firing
                await asyncio.sleep(_LOOK_SECONDS)

    async def until(self, wanted: Collection[str], seconds: float, *, fire: bool) -> bool:
        """Wait until all of them fire, or none does; returns whether that came to pass in time."""
        deadline = time.monotonic() + seconds
        while not (self.firing >= set(wanted) if fire else self.firing.isdisjoint(wanted)):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True


@asynccontextmanager
async def running_prometheus(folder: Path, ports: Mapping[str, int], factor: float) -> AsyncIterator[Prometheus]:
    """Scrape each component's port once a second, with the rules `factor` times as quick, in a folder that is there.

    Needs `prometheus`.
    """
    (folder / "rules.yaml").write_text(yaml.safe_dump(quicker(factor), width=1000))
    jobs = [
        {"job_name": f"ringback-{name}", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for name, port in ports.items()
    ]
    pace: dict[str, Any] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (folder / "prometheus.yaml").write_text(
        json.dumps({"global": pace, "rule_files": ["rules.yaml"], "scrape_configs": jobs})
    )
    port = free_port()
    command = [
        "-c",
        # Python becomes it, so that it dies with us like every process of the tests.
        "import os, sys; os.execvp(sys.argv[1], sys.argv[1:])",
        "prometheus",
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    process = Process(command, environment(), folder / "prometheus.log")
    process.start()
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    try:
        await _until_up(prometheus.url)
        watching = asyncio.create_task(prometheus.watch())
        try:
            yield prometheus
        finally:
            watching.cancel()
    finally:
        process.kill()


async def _until_up(url: str) -> None:
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            try:
                if (await client.get(f"{url}/-/ready")).is_success:
                    return
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_LOOK_SECONDS)
