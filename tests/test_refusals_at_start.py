"""A Redis that no waiting helps against ends each kind of process at once, in one line that names the setting."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from app.dev.embedded_redis import EmbeddedRedis, free_port
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY
from tests.processes import Process, environment, ringback

pytestmark = [pytest.mark.e2e]

PASSWORD = "correct-horse"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis", appendfsync="no") as server:
        client = redis.Redis.from_url(server.url)
        client.hset("rb:installation", "partitions", "7")
        client.config_set("requirepass", PASSWORD)
        client.close()
        yield server


@dataclass
class Starts:
    """What has been started, by what it is told to be."""

    folder: Path
    processes: list[Process] = field(default_factory=list)

    async def say(self, redis_url: str, **settings: object) -> list[tuple[int, str]]:
        """Start an API and a worker, for both kinds start alike; returns exit code and all that was written of each."""
        env = environment(
            redis_url=redis_url,
            upstream_base_url="http://127.0.0.1:9",
            admin_key=ADMIN_KEY,
            encryption_keys=ENCRYPTION_KEY,
            worker_port=0,
            **settings,
        )
        commands = (("worker", "poll"), ("api", "--port", str(free_port())))
        begun = [
            ringback(*command, settings=env, log_path=self.folder / f"{len(self.processes)}-{number}.log")
            for number, command in enumerate(commands)
        ]
        self.processes += begun
        for process in begun:
            process.start()
        codes = await asyncio.gather(*(process.ended() for process in begun))
        return [(code, process.output) for code, process in zip(codes, begun, strict=True)]


@pytest.fixture
async def starts(tmp_path: Path) -> AsyncIterator[Starts]:
    opened = Starts(tmp_path)
    yield opened
    for process in opened.processes:
        process.kill()


@pytest.mark.parametrize(
    ("userinfo", "path", "said"),
    [
        (":wrong@", "/0", "Redis refuses the user name or the password"),
        ("", "/0", "Redis refuses the user name or the password"),
        (f":{PASSWORD}@", "/99", "Redis has no database of that number"),
        (f":{PASSWORD}@", "/0", "RINGBACK_PARTITIONS is 16, but this installation was begun with 7"),
    ],
    ids=["wrong password", "no password", "no such database", "wrong partitions"],
)
async def test_what_no_waiting_helps_against_is_one_line(
    guarded: EmbeddedRedis, starts: Starts, userinfo: str, path: str, said: str
) -> None:
    for code, output in await starts.say(f"redis://{userinfo}127.0.0.1:{guarded.port}{path}"):
        assert code in (1, 3)
        assert said in output
        assert "RINGBACK_" in output
        assert "Traceback" not in output
        assert PASSWORD not in output


async def test_a_queue_that_refuses_ends_a_worker_too(guarded: EmbeddedRedis, tmp_path: Path, starts: Starts) -> None:
    with EmbeddedRedis(tmp_path / "other", appendfsync="no") as ledger:
        queue = f"redis://:wrong@127.0.0.1:{guarded.port}/0"
        env = environment(
            redis_url=ledger.url,
            queue_redis_url=queue,
            upstream_base_url="http://127.0.0.1:9",
            encryption_keys=ENCRYPTION_KEY,
            worker_port=0,
        )
        process = ringback("worker", "poll", settings=env, log_path=tmp_path / "poll.log")
        starts.processes.append(process)
        process.start()
        assert await process.ended() == 1
        last = process.output.strip().splitlines()[-1]
        assert last.startswith("ringback: the queue (RINGBACK_QUEUE_REDIS_URL")
        assert "Traceback" not in process.output


async def test_what_may_pass_is_waited_for_and_named(guarded: EmbeddedRedis, starts: Starts, tmp_path: Path) -> None:
    """A Sentinel may not know its master yet: this one is a plain Redis."""
    env = environment(
        redis_url=f"redis+sentinel://127.0.0.1:{guarded.port}/mymaster/0",
        upstream_base_url="http://127.0.0.1:9",
        encryption_keys=ENCRYPTION_KEY,
        worker_port=0,
    )
    process = ringback("worker", "poll", settings=env, log_path=tmp_path / "poll.log")
    starts.processes.append(process)
    process.start()
    await process.until_it_says("no sentinel tells of a master of that name")
    assert await process.terminate() == 0
